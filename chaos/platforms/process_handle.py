"""A process held by a file descriptor, so that a signal can never reach another one that got its pid."""

import os
import select
import signal
from types import TracebackType
from typing import Self

import psutil

from probes.target_state import incarnation, same_incarnation


class ProcessHandle:
    """One incarnation of a process; use with `with`."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor

    def send(self, number: signal.Signals) -> bool:
        """Sends a signal; False when the process has ended, be it a zombie still, which takes signals in vain."""
        if self.ended_within(0):
            return False
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def ended_within(self, timeout_s: float) -> bool:
        """Waits for its end; whether it came in time."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        try:
            return bool(psutil.Process(self.pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})
        except psutil.NoSuchProcess:
            return False

    def close(self) -> None:
        """Lets go of it; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def hold_process(name: str) -> ProcessHandle | None:
    """The process of this incarnation (`pid@start`), or None when it has ended.

    The start is compared after the descriptor is open: from then on the pid cannot become another's unnoticed.
    """
    pid, started_at = parse_incarnation(name)
    try:
        handle = ProcessHandle(pid, os.pidfd_open(pid))
    except ProcessLookupError:
        return None
    if not same_incarnation(pid, started_at):
        handle.close()
        return None
    return handle


def parse_incarnation(name: str) -> tuple[int, float]:
    """The pid and the start in epoch seconds; raises ValueError for another form."""
    pid, _, started_at = name.partition("@")
    return int(pid), float(started_at)


def own_incarnation() -> str:
    """The incarnation of this process."""
    return incarnation(os.getpid(), psutil.Process().create_time())
