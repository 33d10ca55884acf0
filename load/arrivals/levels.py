"""The master's part of a search in arrivals: one schedule after another, as the orders say.

What was granted of a schedule cannot be taken back, so the next one begins where no grant of it reaches; so nobody who
did not hear of the change starts what is no longer due.
"""

import time
from collections.abc import Callable
from typing import NoReturn

import gevent

from journal.arrival_schedule import level_schedule
from journal.capacity import Search
from journal.orders import Order
from journal.plan import Plan
from journal.timeline import Timeline
from load.arrivals.leases import RENEW_EVERY_S, Leases
from load.distributed.messages import Send
from load.distributed.roster import Roster

BEGIN_AFTER_NS = 1_000_000_000


class Levels:
    """Follows orders; `renew` is to be called every half second meanwhile."""

    def __init__(
        self,
        plan: Plan,
        search: Search,
        roster: Roster,
        send: Send,
        timeline: Timeline,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._plan, self._search = plan, search
        self._roster, self._send, self._timeline = roster, send, timeline
        self._clock_ns = clock_ns
        self._leases: Leases | None = None
        self._granted_ns = 0

    def follow(self, order: Order) -> None:
        """Ends the present level, and begins the ordered one unless it is a pause."""
        if self._leases is not None:
            self._granted_ns = self._leases.granted_ns
        self._leases = None  # nobody renews what has not begun: sending lets others run
        if order.arrivals_per_s:
            leases = self._leases_of(order.level, order.arrivals_per_s)
            leases.begin(max(self._granted_ns, self._clock_ns() + BEGIN_AFTER_NS))
            self._leases = leases

    def _leases_of(self, level: int, rate_per_s: float) -> Leases:
        schedule = level_schedule(self._plan, self._search, level, rate_per_s)
        about = {"level": level, "rate_per_s": rate_per_s}
        return Leases(schedule, self._roster, self._send, self._timeline, clock_ns=self._clock_ns, about=about)

    def renew(self) -> None:
        """Grants the next seconds of the present level."""
        if self._leases is not None:
            self._leases.renew()

    def renew_on(self) -> NoReturn:
        """Renews until its greenlet is killed."""
        while True:
            gevent.sleep(RENEW_EVERY_S)
            self.renew()
