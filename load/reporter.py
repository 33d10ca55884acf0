"""The worker's side of the accounts: frames are numbered, sent, and kept until the master acknowledges them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from journal.frames import Frame, encode
from journal.readings import Reading
from load.logbook import Logbook

RESEND_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One frame and what goes with it; delivered whole or not at all, and counted once."""

    sequence: int
    frame: bytes
    last: bool
    failures: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def encode(self) -> dict[str, Any]:
        """The parcel as a message."""
        return asdict(self)

    @classmethod
    def decode(cls, data: Mapping[str, Any]) -> "Parcel":
        """The parcel of a message."""
        return cls(**data)


class Reporter:
    """Sends parcels until they are acknowledged; nothing is lost as long as worker and master live."""

    def __init__(self, logbook: Logbook, send: Callable[[Parcel], None], clock: Callable[[], float] = time.monotonic):
        self._logbook = logbook
        self._send = send
        self._clock = clock
        self._waiting: dict[int, tuple[Parcel, float]] = {}
        self._readings: list[Reading] = []
        self._warnings: list[str] = []

    @property
    def unacknowledged(self) -> int:
        """How many parcels the master has not confirmed."""
        return len(self._waiting)

    def note(self, readings: list[Reading], warnings: list[str]) -> None:
        """Takes what is to travel with the next frame."""
        self._readings += readings
        self._warnings += warnings

    def report(self, frames: list[Frame]) -> None:
        """Sends new frames, and again those that have waited too long; what was noted goes with the first."""
        for frame in frames:
            self._post(self._parcel(frame))
        self.resend(older_than_s=RESEND_AFTER_S)

    def _parcel(self, frame: Frame) -> Parcel:
        readings, self._readings = self._readings, []
        warnings, self._warnings = self._warnings, []
        return Parcel(
            sequence=frame.sequence,
            frame=encode(frame),
            last=frame.last,
            failures=[failure.record() for failure in self._logbook.take_failures()],
            readings=[asdict(reading) for reading in readings],
            warnings=warnings,
        )

    def resend(self, older_than_s: float = 0.0) -> None:
        """Sends again what the master has not confirmed for so long."""
        before_s = self._clock() - older_than_s
        for parcel in [parcel for parcel, sent_s in self._waiting.values() if sent_s <= before_s]:
            self._post(parcel)

    def _post(self, parcel: Parcel) -> None:
        self._waiting[parcel.sequence] = (parcel, self._clock())
        self._send(parcel)

    def acknowledged(self, sequence: int) -> None:
        """The master has written this parcel down."""
        self._waiting.pop(sequence, None)
