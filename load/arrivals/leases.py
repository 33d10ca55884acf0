"""The master's part of an open model: it shares the schedule out among the workers, again when one is lost or joins.

A worker starts arrivals only up to a moment that the master has granted, and each grant names all shares so far. A new
split begins where no grant reaches, so that nobody who follows an old one can start what somebody else has now. What a
lost worker was granted and did not start is missing, and counted as such by the judgement.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import gevent

from journal.arrival_schedule import ArrivalSchedule
from journal.timeline import EventKind, Timeline
from load.arrivals.split import Split, encode, shares_of
from load.distributed.messages import LEASE, Send
from load.distributed.roster import Member, Roster

LEASE_NS = 4_000_000_000
RENEW_EVERY_S = 0.5
HEARD_WITHIN_S = 2.5
_NS = 1_000_000_000
_NEARLY_S = 1e-6  # the schedule rounds its moments to ns


class Leases:
    """Grants of one schedule; `begin` starts it, `renew` is to be called every half second until its end.

    `about`: what leases and timeline tell of the schedule beside that, where there is more than one in a run.
    """

    def __init__(
        self,
        schedule: ArrivalSchedule,
        roster: Roster,
        send: Send,
        timeline: Timeline,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._schedule = schedule
        self._roster = roster
        self._send = send
        self._timeline = timeline
        self._clock_ns = clock_ns
        self._about = dict(about or {})
        self._splits: list[Split] = []
        self._begin_ns = 0
        self._granted_ns = 0

    def begin(self, begin_ns: int) -> None:
        """The schedule begins at this epoch time."""
        self._begin_ns = self._granted_ns = begin_ns
        self.renew()

    @property
    def granted_ns(self) -> int:
        """Up to when anybody may start arrivals of this schedule."""
        return self._granted_ns

    def renew(self) -> None:
        """Splits anew when the members have changed, and grants the next seconds to all who have been heard."""
        members = self._roster.living()
        names = tuple(sorted(member.name for member in members))
        if names and (not self._splits or names != self._splits[-1].members):
            self._split(names)
        until_ns = self._clock_ns() + LEASE_NS
        heard = [member for member in members if self._roster.silence_s(member) < HEARD_WITHIN_S]
        if heard:
            self._granted_ns = max(self._granted_ns, until_ns)
        for member in heard:
            self._grant(member, until_ns)

    def renew_on(self) -> NoReturn:
        """Renews until its greenlet is killed."""
        while True:
            gevent.sleep(RENEW_EVERY_S)
            self.renew()

    def _split(self, names: tuple[str, ...]) -> None:
        from_s = (self._granted_ns - self._begin_ns) / _NS
        first = self._schedule.index_at(from_s + _NEARLY_S) if self._splits else 0
        self._splits.append(Split(first, names))
        told: dict[str, Any] = {
            "begin_ns": self._begin_ns,
            "from_s": round(from_s, 3),
            "first": first,
            "workers": list(names),
        }
        self._timeline.write(EventKind.ARRIVALS, **told, **self._about)

    def _grant(self, member: Member, until_ns: int) -> None:
        shares = encode(shares_of(self._splits, member.name))
        lease = {"begin_ns": self._begin_ns, "shares": shares, "until_ns": until_ns, **self._about}
        self._send(LEASE, lease, member.node_id)
