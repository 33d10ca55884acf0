"""Starts the process that stalls another one, and ends it, from whichever process has to."""

import contextlib
import select
import signal
import subprocess
import sys

import psutil

from chaos.platforms.process_handle import hold_process
from journal.errors import FaultRefused
from probes.target_state import incarnation

_START_S = 10.0
_END_S = 0.5


class Staller:
    """A duty-cycle process that holds its target and waits; closed before `apply` it ends and has done nothing."""

    def __init__(self, target: str, *, off_ms: float, on_ms: float) -> None:
        command = [sys.executable, "-P", "-m", "chaos.duty_cycle", target, f"--off-ms={off_ms}", f"--on-ms={on_ms}"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives its starter, whatever ends that one
        )
        try:
            self._await_ready(target)
            self.name = incarnation(self._process.pid, psutil.Process(self._process.pid).create_time())
        except BaseException:  # whatever happens, a process that nobody knows of must not stay
            self.close()
            raise

    def apply(self, duration_s: float) -> None:
        """Starts the stalling, for so long."""
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{duration_s}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise FaultRefused(f"the process that stalls the target ended too early: {error.strerror}") from error

    def close(self) -> None:
        """Closes its input; a stalling that was started goes on."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # it may have ended
                    pipe.close()
        self._process.poll()

    def _await_ready(self, target: str) -> None:
        assert self._process.stdout
        readable, _, _ = select.select([self._process.stdout], [], [], _START_S)
        if not readable or self._process.stdout.readline() != b"ready\n":
            raise FaultRefused(f"{target}: the process to be stalled has ended, or its staller did not start")


def end_staller(name: str) -> None:
    """Asks the staller to end, makes it end if it does not; one that ended already is no trouble."""
    handle = hold_process(name)
    if handle is None:
        return
    with handle:
        handle.send(signal.SIGTERM)
        if not handle.ended_within(_END_S):
            handle.send(signal.SIGKILL)
            handle.ended_within(_END_S)
