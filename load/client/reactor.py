"""What all connections of one event loop share: the loop, its hub, and deadlines that cost no timer per request."""

import socket
import weakref
from time import monotonic_ns
from typing import Any, Protocol

from gevent import get_hub
from gevent.monkey import get_original

from load.client.stamps import ask_for_stamps

NEVER_NS = 1 << 62
TICK_NS = 10_000_000
_Socket = get_original("socket", "socket")


class Waiter(Protocol):
    """Somebody who waits until `deadline_ns` on the monotonic clock; NEVER_NS: nobody waits.

    `listed_ns` belongs to the deadlines: the tick at which they look next, NEVER_NS when this is on no list.
    """

    deadline_ns: int
    listed_ns: int

    def expire(self) -> None:
        """The deadline has passed."""


class Deadlines:
    """Expires waiters at most one tick (10 ms) late.

    A waiter stays on its list when its request ends; only when its tick comes is it looked at, and listed again for
    the deadline that it has by then. So a request costs a comparison, and a user is looked at once per time-out.
    """

    def __init__(self, loop: Any) -> None:
        self._lists: dict[int, set[Waiter]] = {}
        self._timer = loop.timer(TICK_NS / 1e9, TICK_NS / 1e9)
        self._next_tick = 0

    def watch(self, waiter: Waiter) -> None:
        """Looks at the waiter when its deadline has come."""
        tick = waiter.deadline_ns // TICK_NS + 1
        if not self._lists:
            self._next_tick = monotonic_ns() // TICK_NS
            self._timer.start(self._look)
        self.forget(waiter)
        tick = max(tick, self._next_tick)
        waiter.listed_ns = tick * TICK_NS
        self._lists.setdefault(tick, set()).add(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Looks at it no more: the lists would keep what is closed for as long as its time-out."""
        if waiter.listed_ns != NEVER_NS:
            self._lists.get(waiter.listed_ns // TICK_NS, set()).discard(waiter)
            waiter.listed_ns = NEVER_NS

    def _look(self) -> None:
        now_tick = monotonic_ns() // TICK_NS
        while self._next_tick <= now_tick:
            tick, self._next_tick = self._next_tick, self._next_tick + 1
            for waiter in self._lists.pop(tick, ()):
                waiter.listed_ns = NEVER_NS
                self._look_at(waiter, tick)
        if not self._lists:
            self._timer.stop()

    def _look_at(self, waiter: Waiter, tick: int) -> None:
        if waiter.deadline_ns <= tick * TICK_NS:
            waiter.expire()
        elif waiter.deadline_ns != NEVER_NS:
            self.watch(waiter)


class Reactor:
    """One event loop."""

    def __init__(self) -> None:
        hub = get_hub()
        self.loop = hub.loop
        self.switch = hub.switch
        self.deadlines = Deadlines(hub.loop)
        # the kernel begins to stamp a moment after the first socket asks, and ends with the last: this one stays
        self._stamped = _Socket(socket.AF_INET, socket.SOCK_DGRAM)
        ask_for_stamps(self._stamped)


_reactors: "weakref.WeakKeyDictionary[Any, Reactor]" = weakref.WeakKeyDictionary()


def reactor() -> Reactor:
    """The one of this thread."""
    hub = get_hub()
    found = _reactors.get(hub)
    if found is None:
        found = _reactors[hub] = Reactor()
    return found
