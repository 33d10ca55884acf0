"""WebSocket as journeys see it: handshakes, round trips and pushes, each a message series of its own.

`WS /path` is the time until a handshake was answered, connecting included; `WS name` of an exchange the time from a
message to its answer; `WS kind` of a push how long the user waited for it, 0 when it was there already. All of them end
with the kernel's stamp of the last byte, as requests do.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic_ns, time_ns
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from journal.outcomes import Endpoint, Kind, Outcome
from load.client.errors import BadAnswer, BadStatus, ConnectionCut, PushMissing, RequestError, TimedOut
from load.client.origin import Origin
from load.client.websocket import Message, WebSocket
from load.context import RunContext
from load.http import USER_AGENT
from load.logbook import Timing
from load.storms.blow import REFUSALS

SWITCHING = 101

Found = TypeVar("Found")
ComeBack = Callable[[float], None]
"""Comes back from a storm; what the user does until so many seconds of the monotonic clock is noted already."""


class WebSocketSession:
    """One WebSocket of one user, open for the length of a with block.

    An operation that fails is recorded as such, and raises RequestError. One that a storm interrupts is not given up:
    `come_back` opens the WebSocket again, and the operation goes on, or what was sent is sent and counted anew.
    `hide` takes secrets out of what is said of errors.
    """

    def __init__(
        self,
        context: RunContext,
        journey: str,
        template: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._context = context
        self._journey = journey
        self._timeout_s = context.profile.request_timeout_s
        self._target = context.profile.paths.get(template, template)
        for name, value in (path or {}).items():
            self._target = self._target.replace(f"{{{name}}}", quote(value, safe=""))
        self._target += f"?{urlencode(query)}" if query else ""
        self.name, self._headers = f"WS {template}", {"User-Agent": USER_AGENT}
        self._socket: WebSocket | None = None
        self._come_back: ComeBack = self._reconnect_now
        self._dropped = ""
        self.hide: Callable[[str], str] = str

    @contextmanager
    def opened(
        self,
        token: str = "",
        come_back: ComeBack | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Iterator[WebSocketSession]":
        """Shakes hands, and closes the WebSocket at the end of the block; `come_back` answers a storm."""
        self._come_back = come_back or self._reconnect_now
        self._headers |= _bearer(token) | dict(headers or {})
        self._connect()
        try:
            yield self
        finally:
            if self._socket is not None:
                self._socket.close()

    def must_be_refused(self, name: str, token: str = "", headers: Mapping[str, str] | None = None) -> int:
        """Shakes hands with a token that is useless, which is counted under `name`; the status of the refusal.

        It is 101 when there was none. Raises RequestError.
        """
        timing = self._timing(name)
        try:
            self._shake_hands(self._headers | _bearer(token) | dict(headers or {})).close()
        except BadStatus as error:
            if error.status not in REFUSALS:
                raise self._failed(timing, error) from None
            timing.end()
            return error.status
        except RequestError as error:
            raise self._failed(timing, error) from None
        timing.end()
        return SWITCHING

    def _connect(self) -> None:
        if self._socket is not None:
            self._socket.abandon()
        timing = self._timing(self.name)
        try:
            self._socket = self._shake_hands(self._headers)
        except RequestError as error:
            raise self._failed(timing, error) from None
        self._dropped = ""
        timing.end(took_us=self._socket.handshake_us)

    def _shake_hands(self, headers: dict[str, str]) -> WebSocket:
        profile = self._context.profile
        base_url = self._context.assignment.base_url
        origin = Origin.of(base_url, verify_tls=profile.verify_tls, ca_file=profile.ca_file)
        return WebSocket.connect(origin, self._target, headers, within_s=self._timeout_s)

    # Storms

    def drop(self, why: str) -> bool:
        """Breaks the connection as a network does; False when there is none."""
        if self._socket is None or not self._socket.drop():
            return False
        self._dropped = why
        return True

    def reconnect(self) -> None:
        """Opens the WebSocket again after a drop. Raises RequestError."""
        if self._dropped:
            self._connect()

    def _reconnect_now(self, _noted_until_s: float) -> None:
        self.reconnect()

    # Messages

    def expect(self, kind: str, *, within_s: float | None = None) -> dict[str, Any]:
        """Waits for the next message of type `kind` that the server sends of itself, over all others.

        Raises:
            PushMissing: it did not come in time.
        """
        return self.awaited(f"WS {kind}", lambda message: _of_type(message, kind, {}), within_s=within_s)

    def watch(self, kind: str, pushes: int, *, within_s: float | None = None) -> list[dict[str, Any]]:
        """Waits for so many messages of type `kind`, each within so long after the one before."""
        return [self.expect(kind, within_s=within_s) for _ in range(pushes)]

    def ask(self, message: dict[str, Any], answer: str, *, name: str = "", **fields: str) -> dict[str, Any]:
        """Sends a message and waits for its answer, known by its type and by `fields`; counted as the message's type.

        One that a storm interrupts counts as cut, and is sent again.
        """
        text, series = json.dumps(message), f"WS {name or message.get('type', answer)}"
        return self.answered(series, text, lambda message: _of_type(message, answer, fields))

    def ping(self, nonce: str) -> None:
        """Sends a ping of the application's protocol and waits for its own pong."""
        self.ask({"type": "ping", "nonce": nonce}, "pong", nonce=nonce)

    def awaited(
        self, series: str, wanted: Callable[[Message], Found | None], *, within_s: float | None = None
    ) -> Found:
        """The next message of which `wanted` makes something; it may raise BadAnswer."""
        timing, began = self._timing(series), (time_ns(), monotonic_ns())
        while True:
            try:
                return self._received(timing, began, wanted, within_s)
            except ConnectionCut as error:
                if not self._dropped:
                    raise self._failed(timing, error) from None
            except TimedOut as error:
                raise self._failed(timing, PushMissing(str(error))) from None
            except RequestError as error:
                raise self._failed(timing, error) from None
            self._come_back(math.inf)

    def answered(
        self, series: str, sent: Message, wanted: Callable[[Message], Found | None], *, within_s: float | None = None
    ) -> Found:
        """Sends a message; its answer is the next one of which `wanted` makes something."""
        while True:
            timing, began = self._timing(series), (time_ns(), monotonic_ns())
            try:
                self._open_socket.send(sent, within_s or self._timeout_s)
                return self._received(timing, began, wanted, within_s)
            except RequestError as error:
                if not self._dropped or not isinstance(error, ConnectionCut):
                    raise self._failed(timing, error) from None
            timing.end(Outcome.CUT, self._dropped, self._served_by)
            self._come_back(0.0)

    def _received(
        self,
        timing: Timing,
        began: tuple[int, int],
        wanted: Callable[[Message], Found | None],
        within_s: float | None,
    ) -> Found:
        seconds = within_s or self._timeout_s
        deadline_ns = monotonic_ns() + round(seconds * 1e9)
        try:
            while True:
                found = wanted(self._open_socket.receive(deadline_ns))
                if found is not None:
                    timing.end(took_us=self._open_socket.since_us(*began))
                    return found
        except TimedOut:
            raise TimedOut(f"nothing of the kind within {seconds:g} s") from None

    @property
    def _open_socket(self) -> WebSocket:
        assert self._socket is not None, "messages belong into the with block"
        return self._socket

    @property
    def _served_by(self) -> str:
        return self._socket.headers.get("x-served-by", "") if self._socket is not None else ""

    def _timing(self, name: str) -> Timing:
        return Timing(self._context.logbook, Endpoint(Kind.MESSAGE, self._journey, name))

    def _failed(self, timing: Timing, error: RequestError) -> RequestError:
        timing.end(error.outcome, self.hide(str(error)), self._served_by)
        return error


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _of_type(message: Message, kind: str, fields: dict[str, str]) -> dict[str, Any] | None:
    """The message as a JSON object, if it is of this type and has these fields. Raises BadAnswer."""
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadAnswer("a message is no JSON object")
    fits = body.get("type") == kind and all(body.get(name) == value for name, value in fields.items())
    return body if fits else None
