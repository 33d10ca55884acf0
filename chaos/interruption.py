"""Ends an experiment on the first signal that asks for it, and lets nothing interrupt the reverting."""

import signal
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)


class Interruption:
    """Raises KeyboardInterrupt in the main thread on the first signal; later ones are only noted.

    chaoslib's own handlers fall short of this: an exception of the kind they raise for SIGTERM is taken for a failed
    activity when one is running, a second SIGTERM drops the remaining rollbacks, and SIGUSR2 skips all of them.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._shielded = False

    def install(self) -> None:
        """Takes the signals over; to be called again after chaoslib has taken them."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def shield(self) -> None:
        """From now on nothing is interrupted any more."""
        self._shielded = True

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature of a handler
        first, self.signal = self.signal is None, self.signal or signal.Signals(number).name
        if first and not self._shielded:
            raise KeyboardInterrupt
