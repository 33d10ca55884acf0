"""Starts the reaper of a directory's ledger where there is none; its lock says whether there is one."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from chaos.finding import wait_until
from journal.errors import FaultRefused

_START_S, _LOCK_PATIENCE_S, _LOCK_POLL_S = 15.0, 0.3, 0.01
_LOCK, _LOG = "reaper.lock", "reaper.log"


def ensure_local_reaper(directory: Path) -> None:
    """Makes sure that a process watches the ledger in this directory. Raises FaultRefused: none could be started."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if is_watched(directory):
            return
        _start(directory)
        started = wait_until(lambda: is_watched(directory), _START_S)
    except OSError as error:
        raise FaultRefused(f"no reaper could be started: {error}") from error
    if not started:
        raise FaultRefused(f"no reaper started within {_START_S:g} s; see {directory / _LOG}")


def take_lock(directory: Path) -> int | None:
    """The reaper's lock, to be closed; None when another reaper lives. One who only asks lets go of it at once."""
    deadline_s = time.monotonic() + _LOCK_PATIENCE_S
    while (lock := _try_lock(directory, fcntl.LOCK_EX)) is None and time.monotonic() < deadline_s:
        time.sleep(_LOCK_POLL_S)
    return lock


def is_watched(directory: Path) -> bool:
    """Whether a reaper lives; asked with a shared lock, since one that excludes others would look like a reaper."""
    lock = _try_lock(directory, fcntl.LOCK_SH)
    if lock is None:
        return True
    os.close(lock)
    return False


def _try_lock(directory: Path, kind: int) -> int | None:
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _start(directory: Path) -> None:
    with (directory / _LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "chaos.reaper", "--ledger", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the harness, whatever ends that one
        )
