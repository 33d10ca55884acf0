"""Remembers that somebody asked for the end of the run, so that the conductor can end it in order."""

import signal
from types import FrameType, TracebackType

from journal.errors import Interrupted

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FAREWELL = "interrupted three times: ending at once; `gameday recover` reverts what is still open"


class StopSignals:
    """While active, SIGINT, SIGTERM and SIGHUP are noted instead of acted on; the last one raises Interrupted."""

    def __init__(self, last: int = 3, farewell: str = _FAREWELL) -> None:
        self._last, self._farewell = last, farewell
        self._previous: dict[signal.Signals, object] = {}
        self._count = 0
        self.received: signal.Signals | None = None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self.received = signal.Signals(number)
        if self._count >= self._last:
            raise Interrupted(self._farewell)

    def __enter__(self) -> "StopSignals":
        self._previous = {number: signal.signal(number, self._note) for number in _STOPPING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it came from signal.signal
