"""The worker's side of an open model: its pool of users, and the greenlet that starts their passes.

In a search the schedules of its levels follow one another, each with a starter of its own.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import gevent
from gevent.queue import Queue

from journal.arrival_schedule import ArrivalSchedule, level_schedule
from journal.capacity import Search
from journal.plan import Plan
from load.arrivals.pool import Pool, choose
from load.arrivals.split import decode
from load.arrivals.starter import Counts, Lease, Starter
from load.recorder import Recorder

_TELL_EVERY_S = 0.25


class OpenModel:
    """What the users of one worker share when arrivals drive them."""

    def __init__(self, plan: Plan, recorder: Recorder, search: Search | None = None) -> None:
        arrivals = plan.load.arrivals
        assert arrivals is not None, "only a plan with arrivals has an open model"
        self._plan, self._search, self._level = plan, search, -1
        self._pool = Pool()
        self._counts = Counts(recorder, arrivals.late_ms)
        self._waiting: Queue[Starter] = Queue()
        self._starters: list[Starter] = []
        if search is None:
            self._add(ArrivalSchedule(arrivals, plan.seed))

    def _add(self, schedule: ArrivalSchedule) -> None:
        starter = Starter(schedule, self._pool, self._counts, choose(self._plan.load.mix))
        self._starters.append(starter)
        self._waiting.put(starter)

    def run(self) -> NoReturn:
        """Starts the arrivals of one schedule after another, until its greenlet is killed."""
        while True:
            self._waiting.get().run()

    def finish(self) -> None:
        """Nothing that is due after now is started any more."""
        for starter in self._starters:
            starter.finish()

    def next_pass(self, journey: str) -> int:
        """Called by a user: waits for its next pass, and returns when it should have begun, in epoch ns."""
        intended_at_ns = self._pool.wait(journey)
        self._counts.begun(intended_at_ns, time.time_ns())
        return intended_at_ns

    def granted(self, data: Mapping[str, Any]) -> None:
        """Takes a lease of the master."""
        lease = Lease(int(data["begin_ns"]), tuple(decode(data["shares"])), int(data["until_ns"]))
        if self._search is not None and not self._is_of_level(lease, self._search, data):
            return
        self._starters[-1].take(lease)

    def _is_of_level(self, lease: Lease, search: Search, data: Mapping[str, Any]) -> bool:
        """Whether it is of the present level; the first lease of a level ends the one before where it begins."""
        level = int(data["level"])
        if level > self._level:
            self._level = level
            for starter in self._starters:
                starter.finish(lease.begin_ns)
            self._starters = self._starters[-1:]  # whose last grant may still be running
            self._add(level_schedule(self._plan, search, level, float(data["rate_per_s"])))
        return level == self._level

    def tell_free_users(self, tell: Callable[[int], None]) -> None:
        """Tells the number of users who wait, until the first lease comes."""
        while not any(starter.leased for starter in self._starters):
            tell(self._pool.free)
            gevent.sleep(_TELL_EVERY_S)
