"""One time for all workers: each measures how far its clock is from the master's, and counts by the master's."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Offset:
    """What to add to a worker's clock to have the master's: `offset_ns`, wrong by at most `error_ns`."""

    offset_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True)
class Correction:
    """An offset that is counted by from now on; until now the worker was off by `off_ns`."""

    offset_ns: int
    error_ns: int
    off_ns: int

    def encode(self) -> dict[str, int]:
        """The correction as a message."""
        return {"offset_ns": self.offset_ns, "error_ns": self.error_ns, "off_ns": self.off_ns}


class RunClock:
    """The run's time on a worker.

    As in NTP: the worker asks the master for its time; the answer was given somewhere between question and answer, so
    the middle is wrong by half of the way there and back at most. Of several answers the quickest is the best.
    """

    def __init__(self, wall_s: Callable[[], float] = time.time) -> None:
        self._wall_s = wall_s
        self._samples: list[Offset] = []
        self._offset_s = 0.0
        self.offset_ns = 0

    def time(self) -> float:
        """The run's time in epoch seconds; called for each request, so it does as little as it can."""
        return self._wall_s() + self._offset_s

    def _wall_ns(self) -> int:
        return int(self._wall_s() * NS)  # good to a quarter of a microsecond

    def question(self) -> dict[str, int]:
        """What to ask the master."""
        return {"asked_ns": self._wall_ns()}

    def take(self, answer: Mapping[str, Any]) -> None:
        """An answer of the master; one that came before it was asked for saw a clock being set, and is worth none."""
        asked_ns, at_ns, now_ns = int(answer["asked_ns"]), int(answer["at_ns"]), self._wall_ns()
        if now_ns >= asked_ns:
            self._samples.append(Offset(at_ns - (asked_ns + now_ns) // 2, (now_ns - asked_ns + 1) // 2))

    @property
    def answers(self) -> int:
        """How many answers have come since the last correction."""
        return len(self._samples)

    def correct(self) -> Correction | None:
        """Goes by the best answer since the last correction; None when there was none.

        An offset that the answer does not contradict stays: nothing is gained by following noise.
        """
        if not self._samples:
            return None
        best = min(self._samples, key=lambda sample: sample.error_ns)
        self._samples.clear()
        off_ns = best.offset_ns - self.offset_ns
        if abs(off_ns) <= best.error_ns:
            off_ns = 0
        self.offset_ns += off_ns
        self._offset_s = self.offset_ns / NS
        return Correction(self.offset_ns, best.error_ns, off_ns)
