"""Flies the search: orders a level, waits until it is there, measures until the evidence decides, goes on."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from analysis.capacity.judge import next_of
from analysis.capacity.level import LevelState, Visit
from analysis.intervals import FEWEST_BATCHES
from gameday.capacity.measuring import Measuring
from gameday.conductor import Job
from gameday.fault_schedule import FaultSchedule
from gameday.progress import Progress
from journal.capacity import LOOKS, HeldFault, Search
from journal.orders import Order, Orders
from journal.plan import PlannedFault
from journal.timeline import EventKind, FaultState, Timeline

_THERE_WITHIN_S = 30.0
_ANSWERED_WITHIN_S = 60.0
_FRAMES_LATE_S = 4
_EFFECT_WITHIN_S = 30.0
_REVERTED_WITHIN_S = 30.0
_FAULT_SPARE_S = 20.0
_SETTLE_RESPONSES = 2
_OVER = frozenset({FaultState.NO_EFFECT, FaultState.REFUSED, FaultState.REVERTED, FaultState.NOT_REVERTED})


def longest_level_s(search: Search) -> float:
    """How long a fault is held at most for one level."""
    return max(LOOKS) * search.level_s + search.settle_s + _FAULT_SPARE_S


@dataclass
class _Leg:
    """One search of the run: without a fault, or with one held; it has to end by `deadline_s` of the load."""

    fault: HeldFault | None
    deadline_s: float
    visits: list[Visit] = field(default_factory=list)


class CapacityPilot:
    """Decides the load of a search; see `gameday.conductor.Pilot`."""

    def __init__(self, job: Job, faults: FaultSchedule, timeline: Timeline) -> None:
        assert job.capacity is not None, "a pilot flies a search"
        self._search: Search = job.capacity
        self._arrivals = job.plan.load.arrivals
        self._faults, self._timeline = faults, timeline
        self._measuring = Measuring(job.run)
        self._orders = Orders(job.run.orders)
        held = [None, self._search.fault] if self._search.fault is not None else [None]
        share_s = self._search.max_duration_s / len(held)
        self._legs = [_Leg(fault, share_s * (number + 1)) for number, fault in enumerate(held)]
        self._level, self._airborne = -1, False
        self._progress: Progress | None = None
        self._flight = self._fly()

    def take_off(self) -> None:
        """See `Pilot`."""
        self._order(self._search.start)

    def tick(self, progress: Progress) -> bool:
        """See `Pilot`: goes on where it had to wait; what it waits for is said by `_fly`."""
        self._progress = progress
        self._measuring.refresh()
        over = next(self._flight, True) is True
        if over:
            self._orders.close()
        return over

    # What follows yields None while it waits: the conductor's loop comes back a moment later.

    def _fly(self) -> Iterator[bool | None]:
        for leg in self._legs:
            while (n := next_of(self._search, leg.visits)) is not None and self._time_left(leg):
                yield from self._visit(leg, n)
        yield True

    def _time_left(self, leg: _Leg) -> bool:
        return self._load_s() + self._search.settle_s + self._search.level_s < leg.deadline_s

    def _load_s(self) -> float:
        assert self._progress is not None
        began_ns = self._progress.load_began_ns
        return 0.0 if began_ns is None else time.time() - began_ns / 1e9

    def _order(self, n: int) -> None:
        self._level += 1
        self._give(n)

    def _give(self, n: int) -> None:
        spawn_rate_per_s = self._search.spawn_rate_per_s
        if self._arrivals is None:
            order = Order(level=self._level, users=n, spawn_rate_per_s=spawn_rate_per_s)
        else:
            users = self._arrivals.max_in_flight
            order = Order(level=self._level, users=users, spawn_rate_per_s=spawn_rate_per_s, arrivals_per_s=float(n))
        self._orders.give(order)

    def _change_to(self, n: int) -> Iterator[None]:
        """What arrives faster than it is answered piles up: nothing arrives until that is gone."""
        if self._arrivals is not None:
            self._give(0)
            yield from self._until(self._is_quiet, _ANSWERED_WITHIN_S)
        self._order(n)

    def _is_quiet(self) -> bool:
        assert self._progress is not None
        return not any(self._progress.under_way.values())

    def _visit(self, leg: _Leg, n: int) -> Iterator[None]:
        previous = leg.visits[-1] if leg.visits else None
        if self._airborne:
            yield from self._change_to(n)
        self._airborne = True
        self._tell(n, "approached")
        spawn_s = n / self._search.spawn_rate_per_s if self._arrivals is None else 0.0
        yield from self._until(lambda: self._is_there(n), _THERE_WITHIN_S + spawn_s)
        fault_id = self._held_id(leg)
        if leg.fault is not None:
            yield from self._inject(leg.fault, fault_id)
        waiting_s = _SETTLE_RESPONSES * (previous.p95_ms or 0.0) / 1000 if previous is not None else 0.0
        yield from self._until(lambda: False, self._search.settle_s + waiting_s)
        visit = yield from self._measure(n, fault_id)
        leg.visits.append(visit)
        end_ns = self._measuring.window(visit.seconds).end_ns
        self._tell(
            n,
            "measured",
            result=str(visit.state),
            reason=visit.reason,
            begin_ns=self._measuring.begin_second * 10**9,
            end_ns=end_ns,
            fault_id=fault_id,
        )
        if leg.fault is not None:
            self._faults.end(fault_id)
            yield from self._until(lambda: not self._faults.runs(fault_id), _REVERTED_WITHIN_S)

    def _tell(self, n: int, state: str, **more: Any) -> None:
        size = {"users" if self._arrivals is None else "arrivals_per_s": n}
        self._timeline.write(EventKind.LEVEL, level=self._level, **size, state=state, **more)

    def _is_there(self, n: int) -> bool:
        """Whether there are so many users, or the schedule of the level has begun."""
        progress = self._progress
        assert progress is not None
        if self._arrivals is None:
            return sum(progress.users.values()) == n
        return progress.level == self._level and time.time_ns() >= progress.level_began_ns

    @staticmethod
    def _until(there: Callable[[], bool], within_s: float) -> Iterator[None]:
        ends_s = time.monotonic() + within_s
        while not there() and time.monotonic() < ends_s:
            yield

    def _held_id(self, leg: _Leg) -> str:
        return f"L{self._level}" if leg.fault is not None else ""

    def _inject(self, fault: HeldFault, fault_id: str) -> Iterator[None]:
        """Starts the experiment and waits for its effect; that there was none is found by the judgement."""
        configuration = {**fault.configuration, "duration_s": longest_level_s(self._search)}
        self._faults.begin(
            PlannedFault(id=fault_id, experiment=fault.experiment, at_s=0.0, configuration=configuration)
        )
        yield from self._until(lambda: self._fault_state(fault_id) != "", _EFFECT_WITHIN_S)

    def _fault_state(self, fault_id: str) -> str:
        """The state of a fault once there is nothing more to wait for; empty before."""
        assert self._progress is not None
        fault = self._progress.faults.get(fault_id)
        state = fault.state if fault is not None else ""
        told = state == FaultState.EFFECTIVE or state in _OVER or not self._faults.runs(fault_id)
        return state if told else ""

    def _measure(self, n: int, fault_id: str) -> Generator[None, None, Visit]:
        self._measuring.begin(math.ceil(time.time()))
        for look_s in self._looks(fault_id):
            yield from self._until_whole(look_s)
            visit = self._measuring.judge(look_s, n, fault_id)
            early = look_s < self._search.level_s
            if visit.drowned or (not early and visit.state != LevelState.OPEN):
                break
        return visit

    def _looks(self, fault_id: str) -> list[int]:
        """When to judge, in seconds: an early look only ends a level in which the target drowns."""
        level_s = self._search.level_s
        if fault_id and self._fault_state(fault_id) != FaultState.EFFECTIVE:
            return [FEWEST_BATCHES]
        early = [FEWEST_BATCHES] if level_s > FEWEST_BATCHES else []
        return [*early, *(look * level_s for look in LOOKS)]

    def _until_whole(self, seconds: int) -> Iterator[None]:
        """Waits for the frames of so many seconds; not for those of a worker that is gone."""
        ends_s = self._measuring.begin_second + seconds + _FRAMES_LATE_S
        while self._measuring.whole_s < seconds and time.time() < ends_s:
            yield
