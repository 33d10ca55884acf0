"""The hot path: what each operation did, counted per endpoint, second and outcome, and sealed into frames.

While a second is open its raw values are only kept, in C arrays; they become histograms when it is sealed, many at
once. So an operation costs two clock readings and a few appends, and thresholds are judged on raw values all the same.
"""

import time
from array import array
from collections.abc import Callable, Sequence

import numpy as np

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_indices
from journal.outcomes import Endpoint, Kind, Outcome
from journal.spool import ANSWERED, CUT, STARTED, Counts, no_tally

NS = 1_000_000_000
SERVICE, RESPONSE, LAG = "service", "response", "lag"
_COUNTED = {outcome: ANSWERED if outcome.answered else CUT for outcome in Outcome}


class _Tally:
    """The operations of one endpoint that ended in one way in one second: raw values in µs by histogram."""

    __slots__ = ("count", "lag", "others", "service")

    def __init__(self) -> None:
        self.count = 0
        self.service = array("q")
        self.lag = array("q")
        self.others: dict[str, array[int]] = {}

    def named(self) -> dict[str, "array[int]"]:
        """The arrays that hold anything."""
        return {
            name: values for name, values in ((SERVICE, self.service), *self.others.items(), (LAG, self.lag)) if values
        }


class _Cell:
    """One endpoint in one second."""

    __slots__ = ("ended", "started")

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[_Tally | None] = [None] * len(Outcome)


class Series:
    """The counts of one endpoint; callers keep it, so that an operation costs no look-up of its name."""

    __slots__ = (
        *("_cell", "_cells", "_clock", "_counts", "_recorder", "_second", "_thresholds_us"),
        *("in_flight", "sealed_in_flight"),
    )

    def __init__(
        self, recorder: "Recorder", clock: Callable[[], float], thresholds_us: Sequence[int], counts: Counts
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._counts = counts
        self._thresholds_us = thresholds_us
        self._cells: dict[int, _Cell] = {}
        self._second, self._cell = -1, _Cell()
        self.in_flight = 0
        self.sealed_in_flight = 0

    def start(self, intended_at_ns: int = 0) -> None:
        """Counts an operation; it was intended to start at this time of the worker's own clock, or now."""
        self.in_flight += 1
        self._counts[STARTED] += 1
        second = int(self._clock()) if not intended_at_ns else (intended_at_ns + self._recorder.offset_ns) // NS
        if second != self._second or second < self._recorder.oldest_open:
            self._turn_to(second)
        self._cell.started += 1

    def end(
        self,
        outcome: Outcome,
        service_us: int | None,
        *,
        lag_us: int | None = None,
        response_us: int | None = None,
        at_ns: int = 0,
    ) -> None:
        """Counts the end of an operation that was started before, with what was measured of it, never rounded.

        `service_us` runs from the sending to the arrival of the answer, `response_us` from the intended start instead,
        `lag_us` from the arrival of the answer until it was read. The thresholds judge the response time where there is
        one, else the service time. It ended at `at_ns` of the worker's own
        clock, or now.
        """
        self.in_flight -= 1
        self._counts[_COUNTED[outcome]] += 1
        second = int(self._clock()) if not at_ns else (at_ns + self._recorder.offset_ns) // NS
        if second != self._second or second < self._recorder.oldest_open:
            self._turn_to(second)
        ended = self._cell.ended
        tally = ended[outcome]
        if tally is None:
            tally = ended[outcome] = _Tally()
        tally.count += 1
        if service_us is not None:
            tally.service.append(service_us)
        if lag_us is not None:
            tally.lag.append(lag_us)
        if response_us is not None:
            tally.others.setdefault(RESPONSE, array("q")).append(response_us)

    def _turn_to(self, second: int) -> None:
        """Makes the cell of this second the present one, or that of the oldest second which is still open."""
        second = max(second, self._recorder.oldest_open)
        cell = self._cells.get(second)
        if cell is None:
            cell = self._cells[second] = _Cell()
        self._second, self._cell = second, cell

    @property
    def newest(self) -> int:
        """The newest second in which something happened that is not sealed yet; 0 for none."""
        return max(self._cells, default=0)

    def seal(self, second: int) -> EndpointSecond | None:
        """What happened in `second`, which is forgotten here; None when there is nothing to say."""
        cell = self._cells.pop(second, None)
        if cell is None:
            still_open = self.sealed_in_flight
            return EndpointSecond(0, still_open, {}) if still_open else None
        ended = {Outcome(number): tally for number, tally in enumerate(cell.ended) if tally is not None}
        self.sealed_in_flight += cell.started - sum(tally.count for tally in ended.values())
        outcomes = {outcome: self._sealed(tally) for outcome, tally in ended.items()}
        return EndpointSecond(cell.started, self.sealed_in_flight, outcomes)

    def _sealed(self, tally: _Tally) -> OutcomeSecond:
        values = np.frombuffer(tally.others.get(RESPONSE, tally.service), dtype=np.int64)
        counts = ((threshold_us, int(np.count_nonzero(values >= threshold_us))) for threshold_us in self._thresholds_us)
        over = {threshold_us: slow for threshold_us, slow in counts if slow}
        return OutcomeSecond(tally.count, over, {name: _buckets(raw) for name, raw in tally.named().items()})


def _buckets(values_us: "array[int]") -> dict[int, int]:
    counts = np.bincount(bucket_indices(np.frombuffer(values_us, dtype=np.int64)))
    used = np.flatnonzero(counts)
    return dict(zip(used.tolist(), counts[used].tolist(), strict=True))


class Recorder:
    """All series of one worker, and the frames that they become.

    Every second from the first on becomes one frame, empty or not, so that a missing frame is always a loss. An
    operation counts in the second in which it ends, however long ago it began; should the wall clock step back, in
    the oldest second that is still open. `tally`, if given, counts requests in memory that survives the process.
    `clock` tells the run's time; `offset_ns` is by how much that is ahead of this machine's.
    """

    def __init__(
        self,
        worker: str,
        thresholds_us: Sequence[int],
        clock: Callable[[], float] = time.time,
        tally: Counts | None = None,
    ) -> None:
        self.worker = worker
        self._counts, self._uncounted = no_tally() if tally is None else tally, no_tally()
        self._thresholds_us = tuple(thresholds_us)
        self._clock = clock
        self.oldest_open = int(clock())
        self.offset_ns = 0
        self._sequence = 0
        self._series: dict[Endpoint, Series] = {}

    def series(self, endpoint: Endpoint) -> Series:
        """The counts of one endpoint, made on first use."""
        series = self._series.get(endpoint)
        if series is None:
            counts = self._counts if endpoint.kind is Kind.REQUEST else self._uncounted
            series = self._series[endpoint] = Series(self, self._clock, self._thresholds_us, counts)
        return series

    def _now_s(self) -> int:
        return max(int(self._clock()), self.oldest_open)

    def seal(self, users: int) -> list[Frame]:
        """The frames of all seconds that lie at least one whole second in the past."""
        return [self._frame(users) for _ in range(self.oldest_open, int(self._clock()) - 1)]

    def close(self, users: int = 0) -> list[Frame]:
        """The frames of all seconds up to now; the last one says that it is the last. Nothing may be counted after."""
        newest = max((series.newest for series in self._series.values()), default=0)  # beyond now if the clock was set
        frames = [self._frame(users) for _ in range(self.oldest_open, max(self._now_s(), newest))]
        return [*frames, self._frame(users, last=True)]

    def _frame(self, users: int, *, last: bool = False) -> Frame:
        second = self.oldest_open
        self.oldest_open += 1
        self._sequence += 1
        sealed = ((endpoint, series.seal(second)) for endpoint, series in self._series.items())
        endpoints = {endpoint: seen for endpoint, seen in sealed if seen is not None}
        return Frame(self.worker, self._sequence, second, users, endpoints, last)
