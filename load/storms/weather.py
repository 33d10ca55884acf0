"""The storms as one user meets them: they break in on its pauses, and it comes back from them before anything else."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import gevent
from gevent.event import Event

from journal.errors import TargetUnreachable
from journal.plan_storms import Storm
from load.http import Request, Session
from load.logbook import Logbook
from load.storms.blow import Blow
from load.websocket import WebSocketSession

_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 2.0
_NOTED_BIT_S = 1.0

Renew = Callable[[Blow, Request], Request]
"""Sends a request with a useless token, which must be refused, logs in again, and returns the request with a good one;
one that does not carry the token is returned as it is."""


class Weather:
    """What storms did to one user, and its way back.

    `check` raises where the user is to stop; `renew` is how a user replaces a useless token, None where it has none.
    """

    def __init__(self, http: Session, logbook: Logbook, journey: str, check: Callable[[], None]) -> None:
        self._http, self._logbook, self._journey, self._check = http, logbook, journey, check
        self.renew: Renew | None = None
        self.websockets: list[WebSocketSession] = []
        self._dropped: list[Blow] = []
        self._expired: list[Blow] = []
        self._struck = Event()

    # What the storm does

    def strike(self, blow: Blow, expire: Callable[[Storm], bool]) -> None:
        """Breaks connections, or lets the login expire as the user does that."""
        storm = blow.storm
        if storm.kind == "token-expiry":
            blow.tokens = int(expire(storm))
            self._expired += [blow] if blow.hit else []
        else:
            blow.connections = int(storm.drops("http") and self._http.drop(storm.cut_detail))
            blow.websockets = (
                sum(socket.drop(storm.cut_detail) for socket in self.websockets) if storm.drops("websocket") else 0
            )
            blow.noticed = True
            self._dropped += [blow] if blow.hit else []
            self._struck.set()
        if blow.hit:
            self._http.before = self._before

    def leave(self) -> None:
        """The user leaves the run."""
        for blow in (*self._dropped, *self._expired):
            blow.end(gone=True)

    def end_of_visit(self, restore: Callable[[], None]) -> None:
        """Whom an arrival stood for leaves: who did not miss the login has lost nothing, and the next one has it."""
        if self._expired and not any(blow.noticed for blow in self._expired):
            for blow in self._expired:
                blow.end(gone=True)
            self._expired.clear()
            restore()

    # What the user does

    @contextmanager
    def exposing(
        self, session: WebSocketSession, token: str = "", headers: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Has a WebSocket open that storms can break, for the length of a with block."""
        with session.opened(token, self.come_back, headers):
            self.websockets.append(session)
            try:
                yield
            finally:
                self.websockets.remove(session)

    def pause(self, seconds: float) -> None:
        """Pauses; a user whose connections break meanwhile comes back first, and pauses for what is left."""
        ends_s = time.monotonic() + seconds
        gevent.sleep(0)
        while (left_s := ends_s - time.monotonic()) > 0 and self._struck.wait(left_s):
            self.come_back(ends_s)

    def come_back(self, noted_until_s: float = 0.0) -> None:
        """Opens again what was dropped, however often that takes.

        What the user does until `noted_until_s` of the monotonic clock is noted already: a pause, or a wait.
        """
        while self._dropped:
            blow = self._dropped[0]
            self._rest(blow.back_at_s - time.monotonic(), noted_until_s)
            self._retried(self._http.reconnect, noted_until_s)
            for socket in self.websockets:
                self._retried(socket.reconnect, noted_until_s)
            self._dropped.pop(0)
            blow.end()
        self._struck.clear()

    def _retried(self, reconnect: Callable[[], None], noted_until_s: float) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            self._check()
            with suppress(TargetUnreachable):  # it is recorded
                return reconnect()
            self._rest(retry_s, noted_until_s)
            retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    def _rest(self, seconds: float, noted_until_s: float) -> None:
        """Rests, and notes what is not noted yet bit by bit: the load may end meanwhile."""
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - (now_s := time.monotonic())) > 0:
            bit_s = min(left_s, _NOTED_BIT_S)
            self._logbook.pauses(self._journey, now_s + bit_s - max(now_s, noted_until_s), "coming back")
            gevent.sleep(bit_s)

    @property
    def expired(self) -> Blow | None:
        """The storm that has made this user's token useless."""
        return self._expired[-1] if self._expired else None

    def renewed(self) -> None:
        """The user has a good token again."""
        for blow in self._expired:
            blow.end()
        self._expired.clear()

    def _before(self, request: Request) -> Request:
        """Called before each request until the user is back."""
        self._http.before = None  # what the way back sends are requests, too
        try:
            self.come_back()
            blow = self.expired
            return request if blow is None or self.renew is None else self.renew(blow, request)
        finally:
            if self._dropped or self._expired:
                self._http.before = self._before
