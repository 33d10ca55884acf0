"""The worker's side of an open model: its pool of users, and the greenlet that starts their passes."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from journal.arrival_schedule import ArrivalSchedule
from journal.plan import Plan
from load.arrivals.pool import Pool, choose
from load.arrivals.split import decode
from load.arrivals.starter import Counts, Lease, Starter
from load.recorder import Recorder

_TELL_EVERY_S = 0.25


class OpenModel:
    """What the users of one worker share when arrivals drive them."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        arrivals = plan.load.arrivals
        assert arrivals is not None, "only a plan with arrivals has an open model"
        self._pool = Pool()
        self._counts = Counts(recorder, arrivals.late_ms)
        self.starter = Starter(ArrivalSchedule(arrivals, plan.seed), self._pool, self._counts, choose(plan.load.mix))

    def next_pass(self, journey: str) -> int:
        """Called by a user: waits for its next pass, and returns when it should have begun, in epoch ns."""
        intended_at_ns = self._pool.wait(journey)
        self._counts.begun(intended_at_ns, time.time_ns())
        return intended_at_ns

    def granted(self, data: Mapping[str, Any]) -> None:
        """Takes a lease of the master."""
        self.starter.take(Lease(int(data["begin_ns"]), tuple(decode(data["shares"])), int(data["until_ns"])))

    def tell_free_users(self, tell: Callable[[int], None]) -> None:
        """Tells the number of users who wait, until the first lease comes."""
        while not self.starter.leased:
            tell(self._pool.free)
            gevent.sleep(_TELL_EVERY_S)
