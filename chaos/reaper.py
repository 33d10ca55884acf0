"""The reaper: a process apart from the harness that reverts what the harness no longer can.

A record is due when its owner is gone, or when it is overdue although its owner lives. There is one reaper for each
ledger: it holds a lock as long as it lives, and ends when the ledger has been empty for a second.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chaos.fault import wait_until
from chaos.ledger import Ledger, Record
from chaos.platforms.process_handle import hold_process
from chaos.reversal import events_of, prove_and_close, revert
from journal.errors import FaultRefused, GamedayError
from journal.timeline import FaultState

_POLL_S, _IDLE_S, _START_S, _LOCK_PATIENCE_S = 0.1, 1.0, 15.0, 0.3
_OWNER_GRACE_S = 10.0  # an owner that lives still judges the steady state after the fault has ended
_ATTEMPT_S, _RETRY_S, _GIVE_UP_AFTER_S = 2.0, 1.0, 600.0
_LOCK, _LOG = "reaper.lock", "reaper.log"


def ensure_reaper(ledger: Ledger) -> None:
    """Makes sure that a reaper watches the ledger.

    Call it before a record is written, so that starting takes none of the fault's time, and after: a reaper looks once
    more when it has let go of its lock, so one that seems to live has seen the record or will.

    Raises:
        FaultRefused: none could be started.
    """
    try:
        ledger.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_watched(ledger):
            return
        _start(ledger)
        started = wait_until(lambda: _is_watched(ledger), _START_S)
    except OSError as error:
        raise FaultRefused(f"no reaper could be started: {error}") from error
    if not started:
        raise FaultRefused(f"no reaper started within {_START_S:g} s; see {ledger.directory / _LOG}")


def watch(ledger: Ledger) -> None:
    """Reverts what is due until nothing is left, or nothing that this process could still revert."""
    while (lock := _take_lock_patiently(ledger)) is not None:
        try:
            _watch_until_empty(ledger)
        finally:
            os.close(lock)
        if not _waiting(ledger):  # a record may have been written between the last look and the release of the lock
            return


def _watch_until_empty(ledger: Ledger) -> None:
    retry_at_s: dict[str, float] = {}
    empty_since_s = time.monotonic()
    while time.monotonic() - empty_since_s < _IDLE_S:
        waiting = _waiting(ledger)
        for record in waiting:
            if _is_due(record) and time.monotonic() >= retry_at_s.get(_key(record), 0.0):
                _revert(ledger, record)
                retry_at_s[_key(record)] = time.monotonic() + _RETRY_S
        if waiting:
            empty_since_s = time.monotonic()
        time.sleep(_POLL_S)


def _waiting(ledger: Ledger) -> list[Record]:
    return [record for record in ledger.read().records if not _is_hopeless(record)]


def _revert(ledger: Ledger, record: Record) -> None:
    try:
        revert(record, by="reaper")
        prove_and_close(ledger, record, by="reaper", patience_s=_ATTEMPT_S)
        _log(f"reverted: {record.label}")
    except Exception as error:  # noqa: BLE001  # whatever fails for one record is tried again and stops no other
        _log(f"not reverted, tried again in {_RETRY_S:g} s: {record.label}: {error!r}")
        _tell_if_given_up(record)


def _tell_if_given_up(record: Record) -> None:
    if _is_hopeless(record):
        events_of(record).write(FaultState.NOT_REVERTED, target=record.target_label, evidence={"by": "reaper"})


def _is_due(record: Record) -> bool:
    owner = hold_process(record.owner)
    if owner is None:
        return True
    owner.close()
    return _overdue_s(record) > _OWNER_GRACE_S


def _is_hopeless(record: Record) -> bool:
    return _overdue_s(record) > _GIVE_UP_AFTER_S


def _overdue_s(record: Record) -> float:
    return (time.time_ns() - record.expires_at_ns) / 1e9


def _key(record: Record) -> str:
    return f"{record.run_id}/{record.fault_id}"


def _start(ledger: Ledger) -> None:
    with (ledger.directory / _LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "chaos.reaper", "--ledger", str(ledger.directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the harness, whatever ends that one
        )


def _is_watched(ledger: Ledger) -> bool:
    lock = _take_lock(ledger)
    if lock is None:
        return True
    os.close(lock)
    return False


def _take_lock_patiently(ledger: Ledger) -> int | None:
    """None when another reaper lives; one that only asked `_is_watched` lets go of the lock at once."""
    deadline_s = time.monotonic() + _LOCK_PATIENCE_S
    while (lock := _take_lock(ledger)) is None and time.monotonic() < deadline_s:
        time.sleep(_POLL_S / 10)
    return lock


def _take_lock(ledger: Ledger) -> int | None:
    descriptor = os.open(ledger.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _log(message: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} reaper {os.getpid()}: {message}", flush=True)


def main() -> int:
    """Runs the reaper of one ledger."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # its starter may have held signals back
    parser = argparse.ArgumentParser(prog="python -m chaos.reaper", description="Revert what nobody else reverts.")
    parser.add_argument("--ledger", type=Path, required=True)
    try:
        watch(Ledger(parser.parse_args().ledger))
    except (GamedayError, OSError) as error:
        _log(f"ended: {error}")
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
