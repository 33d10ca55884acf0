"""Starts the arrivals of one worker at their moments, as far as the master has granted, and counts what became of each.

Every arrival is either handed to a free user or dropped; a user that begins says by how much it is late. What is too
late to resemble the plan is dropped too: a process that was held up does not fire at once all that it missed.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from gevent import sleep
from gevent.event import Event

from journal.arrival_schedule import ArrivalSchedule, Block
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Outcome
from load.arrivals.pool import Pool
from load.arrivals.split import Share, mine
from load.recorder import Recorder

GIVE_UP_AFTER_NS = 1_000_000_000
_LONGEST_SLEEP_S = 0.25
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Lease:
    """What the master grants: when the schedule began, this worker's shares, and up to when it may start arrivals."""

    begin_ns: int
    shares: tuple[Share, ...]
    until_ns: int


@dataclass(slots=True)
class Due:
    """One arrival of this worker."""

    index: int
    at_ns: int
    choice: float


class Counts:
    """What became of the arrivals of one worker, by the second in which they were due, in its frames."""

    def __init__(self, recorder: Recorder, late_ms: float) -> None:
        self._arrivals, self._dropped, self._late = (
            recorder.series(endpoint) for endpoint in (ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS)
        )
        self._late_ns = round(late_ms * 1_000_000)

    def handed(self, intended_at_ns: int) -> None:
        """A free user was found."""
        self._arrivals.start(intended_at_ns)

    def dropped(self, intended_at_ns: int) -> None:
        """Nobody was free, or it was too late."""
        self._dropped.start(intended_at_ns)
        self._dropped.end(Outcome.OK, None)

    def begun(self, intended_at_ns: int, now_ns: int) -> None:
        """The user's pass begins now."""
        delay_ns = max(0, now_ns - intended_at_ns)
        self._arrivals.end(Outcome.OK, None, response_us=delay_ns // 1000)
        if delay_ns >= self._late_ns:
            self._late.start(intended_at_ns)
            self._late.end(Outcome.OK, None)


@dataclass(slots=True)
class _Queue:
    """The arrivals of one block that are this worker's, under the shares of one lease."""

    block: Block
    shares: tuple[Share, ...]
    due: deque[Due] = field(default_factory=deque)

    def fill(self, first: int) -> None:
        """Takes the arrivals from number `first` on."""
        index = self.block.index
        rows = np.flatnonzero(mine(self.shares, index) & (index >= first))
        columns = (index[rows].tolist(), self.block.at_ns[rows].tolist(), self.block.choice[rows].tolist())
        self.due = deque(Due(*row) for row in zip(*columns, strict=True))


class Starter:
    """The greenlet that starts passes; `finish` lets it hand out what is due, and ends it."""

    def __init__(
        self,
        schedule: ArrivalSchedule,
        pool: Pool,
        counts: Counts,
        journey_of: Callable[[float], str],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._schedule = schedule
        self._pool = pool
        self._counts = counts
        self._journey_of = journey_of
        self._clock_ns = clock_ns
        self._lease: Lease | None = None
        self._changed = Event()
        self._next = 0
        self._ends_ns: int | None = None

    @property
    def leased(self) -> bool:
        """Whether the master has granted anything yet."""
        return self._lease is not None

    def take(self, lease: Lease) -> None:
        """A new lease holds from now on; an older one than the present, which was overtaken on its way, does not."""
        if self._lease is None or lease.until_ns >= self._lease.until_ns:
            self._lease = lease
            self._changed.set()

    def finish(self, at_ns: int | None = None) -> None:
        """Nothing that is due after `at_ns`, or else after now, is started any more."""
        at_ns = self._clock_ns() if at_ns is None else at_ns
        self._ends_ns = at_ns if self._ends_ns is None else min(at_ns, self._ends_ns)
        self._changed.set()

    def run(self) -> None:
        """Starts all arrivals of this worker, until the schedule is over or `finish` was called."""
        while self._lease is None:
            if self._ends_ns is not None:
                return
            self._await_change(_LONGEST_SLEEP_S)
        for block in self._schedule.blocks():
            if self._ends_ns is not None and self._lease.begin_ns + int(block.at_ns[0]) > self._ends_ns:
                return
            self._work_through(_Queue(block, ()))

    def _work_through(self, queue: _Queue) -> None:
        while (lease := self._lease) is not None:
            if lease.shares != queue.shares:
                queue.shares = lease.shares
                queue.fill(self._next)
            intended_ns = lease.begin_ns + queue.due[0].at_ns if queue.due else None
            if self._is_done(intended_ns, queue, lease):
                return
            if intended_ns is None or intended_ns >= lease.until_ns:
                self._await_change(_LONGEST_SLEEP_S)
            elif self._is_due(intended_ns):
                self._start(queue.due.popleft(), intended_ns)

    def _is_done(self, intended_ns: int | None, queue: _Queue, lease: Lease) -> bool:
        """Whether nothing of this block remains: at the end, or when no later lease can give this worker more of it."""
        if self._ends_ns is not None:
            return intended_ns is None or intended_ns > self._ends_ns or intended_ns >= lease.until_ns
        return intended_ns is None and lease.begin_ns + int(queue.block.at_ns[-1]) < lease.until_ns

    def _is_due(self, intended_ns: int) -> bool:
        """Whether it is time now; if not, it is a while later, and much may have changed."""
        left_ns = intended_ns - self._clock_ns()
        if left_ns <= 0:
            return True
        if left_ns <= _LONGEST_SLEEP_S * _NS:
            sleep(left_ns / _NS)
        else:
            self._await_change(left_ns / _NS - _LONGEST_SLEEP_S / 2)
        return False

    def _await_change(self, within_s: float) -> None:
        self._changed.wait(within_s)
        self._changed.clear()

    def _start(self, due: Due, intended_ns: int) -> None:
        self._next = due.index + 1
        too_late = self._clock_ns() - intended_ns > GIVE_UP_AFTER_NS
        if not too_late and self._pool.hand(self._journey_of(due.choice), intended_ns):
            self._counts.handed(intended_ns)
        else:
            self._counts.dropped(intended_ns)
