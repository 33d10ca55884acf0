"""The worker's side of the accounts: frames are numbered, spooled, sent, and kept until the master has them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from journal.frames import Frame, encode
from journal.readings import Reading
from journal.spool import Spool
from load.logbook import Logbook

RESEND_AFTER_S, RESEND_AFTER_AT_MOST_S = 2.0, 16.0


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


@dataclass(slots=True)
class _Sent:
    parcel: Parcel
    sent_s: float
    patience_s: float = RESEND_AFTER_S


class Unacknowledged:
    """Parcels that the master has not confirmed, and which of them are to be sent again.

    Each is waited for twice as long every time, since what is sent again is work for a master that may be behind with
    its work already.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: dict[int, _Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, parcel: Parcel) -> None:
        """It is sent for the first time now."""
        self._sent[parcel.sequence] = _Sent(parcel, self._clock())

    def remove(self, sequence: int) -> bool:
        """It was confirmed; whether that is news."""
        return self._sent.pop(sequence, None) is not None

    def overdue(self, older_than_s: float | None = None) -> list[Parcel]:
        """What is to be sent again now: whose time is up, or what was sent so long ago."""
        now_s = self._clock()
        found = [
            sent
            for sent in self._sent.values()
            if sent.sent_s <= now_s - (sent.patience_s if older_than_s is None else older_than_s)
        ]
        for sent in found:
            sent.sent_s, sent.patience_s = now_s, min(2 * sent.patience_s, RESEND_AFTER_AT_MOST_S)
        return [sent.parcel for sent in found]


class Reporter:
    """Sends parcels until they are acknowledged, and keeps each in the spool before it is sent for the first time."""

    def __init__(
        self,
        logbook: Logbook,
        send: Callable[[Parcel], None],
        clock: Callable[[], float] = time.monotonic,
        spool: Spool | None = None,
    ) -> None:
        self._logbook = logbook
        self._send = send
        self._spool = spool
        self._waiting = Unacknowledged(clock)
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
            parcel = self._parcel(frame)
            if self._spool is not None and not self._spool.keep(parcel.encode()):
                self._warnings.append("the spool is full: should this worker be killed, some of its seconds are lost")
            self._waiting.add(parcel)
            self._send(parcel)
        self.resend()

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

    def resend(self, older_than_s: float | None = None) -> None:
        """Sends again what the master has not confirmed in time, or for so long."""
        for parcel in self._waiting.overdue(older_than_s):
            self._send(parcel)

    def acknowledged(self, sequence: int) -> None:
        """The master has written this parcel down."""
        if self._waiting.remove(sequence) and self._spool is not None and not self._waiting:
            self._spool.forget()

    def close(self) -> None:
        """Nothing more will come: the spool goes, unless it holds what the master does not have."""
        if self._spool is not None and not self._waiting:
            self._spool.remove()
