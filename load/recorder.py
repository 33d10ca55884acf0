"""The hot path: what each operation did, counted per endpoint, second and outcome, and sealed into frames.

While a second is open its raw values are only kept, in C arrays; they become histograms when it is sealed, many at
once. So an operation costs a few appends, and thresholds are judged on raw values all the same. It costs no reading of
the clock where the caller knows the time, and no arithmetic with it while it falls into the same second as the last.
"""

import time
from array import array
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_indices
from journal.outcomes import Endpoint, Kind, Outcome
from journal.spool import ANSWERED, CUT, STARTED, Counts, no_tally

NS = 1_000_000_000
SERVICE, RESPONSE, LAG = "service", "response", "lag"
_COUNTED = {outcome: ANSWERED if outcome.answered else CUT for outcome in Outcome}
_NEVER = -1
_NONE = np.empty(0, dtype=np.int64)


class _Tally:
    """The operations of one endpoint that ended in one way in one second: raw values in ns by histogram."""

    __slots__ = ("lag", "response", "service", "untimed")

    def __init__(self) -> None:
        self.untimed = 0
        self.service, self.response, self.lag = array("q"), array("q"), array("q")

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.service) + self.untimed

    def named_us(self) -> dict[str, NDArray[np.int64]]:
        """The values of those histograms that have any."""
        raw = ((SERVICE, self.service), (RESPONSE, self.response), (LAG, self.lag))
        return {name: np.frombuffer(values, dtype=np.int64) // 1000 for name, values in raw if values}


class _Cell:
    """One endpoint in one second."""

    __slots__ = ("ended", "good", "started")

    def __init__(self) -> None:
        self.started = 0
        self.good = _Tally()
        self.ended: dict[Outcome, _Tally] = {Outcome.OK: self.good}

    def tally(self, outcome: Outcome) -> _Tally:
        """Those that ended in this way."""
        found = self.ended.get(outcome)
        if found is None:
            found = self.ended[outcome] = _Tally()
        return found


class Series:
    """The counts of one endpoint; callers keep it, so that an operation costs no look-up of its name.

    What happens in the present cell is the hot path: its bounds are kept in times of the worker's own clock, and the
    recorder takes the cell away (`turn_away`) when it seals its second or its clock is corrected.
    """

    __slots__ = (
        *("_add_lag", "_add_service", "_cell", "_cells", "_clock", "_counts", "_from_ns", "_recorder", "_second"),
        *("_sealed_in_flight", "_thresholds_us", "_until_ns"),
    )

    def __init__(
        self, recorder: "Recorder", clock: Callable[[], float], thresholds_us: Sequence[int], counts: Counts
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._counts = counts
        self._thresholds_us = thresholds_us
        self._cells: dict[int, _Cell] = {}
        self._sealed_in_flight = 0
        self._second = _NEVER
        self._enter(_Cell())
        self.turn_away()

    def start(self, at_ns: int = 0) -> None:
        """Counts an operation; it starts, or was intended to, at this time of the worker's own clock, or now."""
        self._counts[STARTED] += 1
        if not self._from_ns <= at_ns < self._until_ns:
            self._turn_to(at_ns)
        self._cell.started += 1

    def answered(self, service_ns: int, lag_ns: int, at_ns: int) -> None:
        """What `end` does, for what nearly all operations are: good, stamped by the kernel, and on no schedule."""
        self._counts[ANSWERED] += 1
        if not self._from_ns <= at_ns < self._until_ns:
            self._turn_to(at_ns)
        self._add_service(service_ns)
        self._add_lag(lag_ns)

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
        one, else the service time. It ended at `at_ns` of the worker's own clock, or now.
        """
        self._counts[_COUNTED[outcome]] += 1
        if not self._from_ns <= at_ns < self._until_ns:
            self._turn_to(at_ns)
        tally = self._cell.tally(outcome)
        if service_us is None:
            tally.untimed += 1
        else:
            tally.service.append(service_us * 1000)
        if lag_us is not None:
            tally.lag.append(lag_us * 1000)
        if response_us is not None:
            tally.response.append(response_us * 1000)

    def _turn_to(self, at_ns: int) -> None:
        """Makes the cell of this time the present one, or that of the oldest second which is still open."""
        recorder = self._recorder
        oldest = recorder.oldest_open
        second = max(oldest, (at_ns + recorder.offset_ns) // NS if at_ns else int(self._clock()))
        if second != self._second:
            if second not in self._cells:
                self._cells[second] = _Cell()
            self._enter(self._cells[second])
        self._second, self._from_ns = second, second * NS - recorder.offset_ns
        self._until_ns = self._from_ns + NS

    def _enter(self, cell: _Cell) -> None:
        self._cell = cell
        self._add_service, self._add_lag = cell.good.service.append, cell.good.lag.append

    def turn_away(self) -> None:
        """The next operation has to look for its cell."""
        self._second = _NEVER
        self._from_ns = self._until_ns = 0

    @property
    def newest(self) -> int:
        """The newest second in which something happened that is not sealed yet; 0 for none."""
        return max(self._cells, default=0)

    def seal(self, second: int) -> EndpointSecond | None:
        """What happened in `second`, which is forgotten here; None when there is nothing to say."""
        if second == self._second:
            self.turn_away()
        cell = self._cells.pop(second, None)
        if cell is None:
            still_open = self._under_way()
            return EndpointSecond(0, still_open, {}) if still_open else None
        ended = {outcome: tally for outcome, tally in sorted(cell.ended.items()) if tally.count}
        self._sealed_in_flight += cell.started - sum(tally.count for tally in ended.values())
        outcomes = {outcome: self._sealed(tally) for outcome, tally in ended.items()}
        return EndpointSecond(cell.started, self._under_way(), outcomes)

    def _under_way(self) -> int:
        """How many are; what ended before it began, since the clock was set back meanwhile, is made up for later."""
        return max(0, self._sealed_in_flight)

    def _sealed(self, tally: _Tally) -> OutcomeSecond:
        named_us = tally.named_us()
        judged_us = named_us.get(RESPONSE, named_us.get(SERVICE, _NONE))
        counts = (
            (threshold_us, int(np.count_nonzero(judged_us >= threshold_us))) for threshold_us in self._thresholds_us
        )
        over = {threshold_us: slow for threshold_us, slow in counts if slow}
        return OutcomeSecond(tally.count, over, {name: _buckets(values_us) for name, values_us in named_us.items()})


def _buckets(values_us: NDArray[np.int64]) -> dict[int, int]:
    counts = np.bincount(bucket_indices(values_us))
    used = np.flatnonzero(counts)
    return dict(zip(used.tolist(), counts[used].tolist(), strict=True))


class Recorder:
    """All series of one worker, and the frames that they become.

    Every second from the first on becomes one frame, empty or not, so that a missing frame is always a loss. An
    operation counts in the second in which it ends, however long ago it began; should the wall clock step back, in
    the oldest second that is still open. `tally`, if given, counts requests in memory that survives the process.
    `clock` tells the run's time.
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
        self._offset_ns = 0
        self._sequence = 0
        self._users, self._users_by_end = 0, dict[int, int]()
        self._series: dict[Endpoint, Series] = {}

    @property
    def offset_ns(self) -> int:
        """By how much the run's time is ahead of this machine's."""
        return self._offset_ns

    @offset_ns.setter
    def offset_ns(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        for series in self._series.values():
            series.turn_away()

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
        """The frames of all seconds that lie at least one whole second in the past; so many users are running now."""
        just_ended = int(self._clock()) - 1
        if just_ended >= self.oldest_open:
            self._users_by_end.setdefault(just_ended, users)
        return [self._frame() for _ in range(self.oldest_open, just_ended)]

    def close(self, users: int = 0) -> list[Frame]:
        """The frames of all seconds up to now; the last one says that it is the last. Nothing may be counted after."""
        newest = max((series.newest for series in self._series.values()), default=0)  # beyond now if the clock was set
        frames = [self._frame() for _ in range(self.oldest_open, max(self._now_s(), newest))]
        self._users_by_end = {self.oldest_open: users}
        return [*frames, self._frame(last=True)]

    def _frame(self, *, last: bool = False) -> Frame:
        """The frame of the oldest second; where nobody said how many users ran at its end, they were as many before."""
        second = self.oldest_open
        self.oldest_open += 1
        self._sequence += 1
        self._users = self._users_by_end.pop(second, self._users)
        sealed = ((endpoint, series.seal(second)) for endpoint, series in self._series.items())
        endpoints = {endpoint: seen for endpoint, seen in sealed if seen is not None}
        return Frame(self.worker, self._sequence, second, self._users, endpoints, last)
