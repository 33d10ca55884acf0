"""The hot path: what each operation did, counted per endpoint, second and outcome, and sealed into frames."""

import time
from collections.abc import Callable, Sequence

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_index
from journal.outcomes import Endpoint, Outcome


class _Tally:
    """The operations of one endpoint that ended in one way in one second."""

    __slots__ = ("count", "histograms", "over")

    def __init__(self, thresholds: int) -> None:
        self.count = 0
        self.over = [0] * thresholds
        self.histograms: dict[str, dict[int, int]] = {}


class _Cell:
    """One endpoint in one second."""

    __slots__ = ("ended", "started")

    def __init__(self) -> None:
        self.started = 0
        self.ended: dict[Outcome, _Tally] = {}


class Series:
    """The counts of one endpoint; callers keep it, so that an operation costs no look-up of its name."""

    __slots__ = ("_cells", "_now_s", "_thresholds_us", "in_flight", "sealed_in_flight")

    def __init__(self, now_s: Callable[[], int], thresholds_us: Sequence[int]) -> None:
        self._now_s = now_s
        self._thresholds_us = thresholds_us
        self._cells: dict[int, _Cell] = {}
        self.in_flight = 0
        self.sealed_in_flight = 0

    def start(self) -> None:
        """Counts an operation whose intended start is now."""
        self.in_flight += 1
        self._cell().started += 1

    def end(self, outcome: Outcome, duration_us: int, histogram: str = "service") -> None:
        """Counts the end of an operation that was started before; the duration is the raw value, never rounded."""
        self.in_flight -= 1
        ended = self._cell().ended
        tally = ended.get(outcome)
        if tally is None:
            tally = ended[outcome] = _Tally(len(self._thresholds_us))
        tally.count += 1
        for position, threshold_us in enumerate(self._thresholds_us):
            if duration_us >= threshold_us:
                tally.over[position] += 1
        buckets = tally.histograms.setdefault(histogram, {})
        index = bucket_index(duration_us)
        buckets[index] = buckets.get(index, 0) + 1

    def _cell(self) -> _Cell:
        second = self._now_s()
        cell = self._cells.get(second)
        if cell is None:
            cell = self._cells[second] = _Cell()
        return cell

    def seal(self, second: int) -> EndpointSecond | None:
        """What happened in `second`, which is forgotten here; None when there is nothing to say."""
        cell = self._cells.pop(second, None)
        if cell is None:
            still_open = self.sealed_in_flight
            return EndpointSecond(0, still_open, {}) if still_open else None
        self.sealed_in_flight += cell.started - sum(tally.count for tally in cell.ended.values())
        outcomes = {outcome: self._sealed(tally) for outcome, tally in cell.ended.items()}
        return EndpointSecond(cell.started, self.sealed_in_flight, outcomes)

    def _sealed(self, tally: _Tally) -> OutcomeSecond:
        over = {threshold_us: slow for threshold_us, slow in zip(self._thresholds_us, tally.over, strict=True) if slow}
        return OutcomeSecond(tally.count, over, tally.histograms)


class Recorder:
    """All series of one worker, and the frames that they become.

    Every second from the first on becomes one frame, empty or not, so that a missing frame is always a loss. An
    operation counts in the second in which it ends, however long ago it began; should the wall clock step back, in
    the oldest second that is still open.
    """

    def __init__(self, worker: str, thresholds_us: Sequence[int], clock: Callable[[], float] = time.time) -> None:
        self.worker = worker
        self._thresholds_us = tuple(thresholds_us)
        self._clock = clock
        self._oldest_open = int(clock())
        self._sequence = 0
        self._series: dict[Endpoint, Series] = {}

    def series(self, endpoint: Endpoint) -> Series:
        """The counts of one endpoint, made on first use."""
        series = self._series.get(endpoint)
        if series is None:
            series = self._series[endpoint] = Series(self._now_s, self._thresholds_us)
        return series

    def _now_s(self) -> int:
        return max(int(self._clock()), self._oldest_open)

    def seal(self, users: int) -> list[Frame]:
        """The frames of all seconds that lie at least one whole second in the past."""
        return [self._frame(users) for _ in range(self._oldest_open, int(self._clock()) - 1)]

    def close(self, users: int = 0) -> list[Frame]:
        """The frames of all seconds up to now; the last one says that it is the last. Nothing may be counted after."""
        frames = [self._frame(users) for _ in range(self._oldest_open, self._now_s())]
        return [*frames, self._frame(users, last=True)]

    def _frame(self, users: int, *, last: bool = False) -> Frame:
        second = self._oldest_open
        self._oldest_open += 1
        self._sequence += 1
        sealed = ((endpoint, series.seal(second)) for endpoint, series in self._series.items())
        endpoints = {endpoint: seen for endpoint, seen in sealed if seen is not None}
        return Frame(self.worker, self._sequence, second, users, endpoints, last)
