"""WebSocket as journeys see it: connect, expect messages, ping; each a message series of its own."""

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import websocket

from journal.errors import TargetUnreachable
from journal.outcomes import Endpoint, Kind, Outcome
from load.client.errors import outcome_of_status
from load.context import RunContext
from load.logbook import Timing
from load.storms.blow import REFUSALS

SWITCHING = 101


class WebSocketSession:
    """One WebSocket of one user, open for the length of a with block.

    An operation that fails is recorded as such, and raises TargetUnreachable. One that a storm interrupts is not given
    up: `come_back` opens the WebSocket again, and the operation goes on, or what was sent is sent and counted anew.
    """

    def __init__(self, context: RunContext, journey: str, template: str, **path: str) -> None:
        self._context = context
        self._journey = journey
        self._timeout_s = context.profile.request_timeout_s
        self._served_by = ""
        target = context.profile.paths.get(template, template)
        for name, value in path.items():
            target = target.replace(f"{{{name}}}", value)
        self._url = context.assignment.base_url.replace("http", "ws", 1).rstrip("/") + target
        self.name, self._token = f"WS {template}", ""
        self._socket: Any = None
        self._come_back: Callable[[], None] = self.reconnect
        self._dropped = False

    @contextmanager
    def opened(self, token: str, come_back: Callable[[], None] | None = None) -> "Iterator[WebSocketSession]":
        """Shakes hands, and closes the WebSocket at the end of the block; `come_back` answers a storm."""
        self._token, self._come_back = token, come_back or self.reconnect
        self._connect()
        try:
            yield self
        finally:
            self._close()

    def must_be_refused(self, token: str, name: str) -> int:
        """Shakes hands with a token that is useless, which is counted under `name`; the status of the refusal.

        It is 101 when there was none. Raises TargetUnreachable.
        """
        timing = self._timing(name)
        try:
            self._socket = self._shake_hands(token)
        except websocket.WebSocketBadStatusException as error:
            if error.status_code not in REFUSALS:
                raise self._refused(timing, error.status_code) from error
            timing.end()
            return int(error.status_code)
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(timing, _outcome(error, connecting=True), str(error)) from error
        timing.end()
        self._close()
        return SWITCHING

    def _connect(self) -> None:
        timing = self._timing(self.name)
        try:
            self._socket = self._shake_hands(self._token)
        except websocket.WebSocketBadStatusException as error:
            raise self._refused(timing, error.status_code) from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(timing, _outcome(error, connecting=True), str(error)) from error
        self._served_by = str((self._socket.getheaders() or {}).get("x-served-by", ""))
        self._dropped = False
        timing.end()

    def _shake_hands(self, token: str) -> Any:
        profile = self._context.profile
        return websocket.create_connection(
            self._url,
            timeout=self._timeout_s,
            header=[f"Authorization: Bearer {token}"],
            sslopt={
                "cert_reqs": ssl.CERT_REQUIRED if profile.verify_tls else ssl.CERT_NONE,
                "check_hostname": profile.verify_tls,
                "ca_certs": profile.ca_file or None,
            },
            suppress_origin=True,
        )

    def _refused(self, timing: Timing, status: int) -> TargetUnreachable:
        return self._failed(timing, outcome_of_status(status), f"the handshake was answered {status}")

    def _close(self) -> None:
        if self._socket is not None:
            with suppress(websocket.WebSocketException, OSError):  # the other side may have been faster
                self._socket.close(timeout=1)

    # Storms

    def drop(self) -> bool:
        """Breaks the connection as a network does; False when there is none."""
        raw = self._socket.sock if self._socket is not None else None
        if raw is None or raw.fileno() < 0:
            return False
        self._dropped = True
        with socket.socket(fileno=os.dup(raw.fileno())) as same, suppress(OSError):  # TLS ends with what is below it
            same.shutdown(socket.SHUT_RDWR)
        return True

    def reconnect(self) -> None:
        """Opens the WebSocket again after a drop. Raises TargetUnreachable."""
        if self._dropped:
            self._connect()

    # Messages

    def expect(self, kind: str) -> dict[str, Any]:
        """Waits for the next message of type `kind`, over all others."""
        timing = self._timing(f"WS {kind}")
        return self._receive(timing, kind)

    def ping(self, nonce: str) -> None:
        """Sends a ping of the application's protocol and waits for its own pong."""
        while not self._pinged(nonce):
            self._come_back()

    def _pinged(self, nonce: str) -> bool:
        """Whether the pong came; False where a storm was in the way."""
        timing = self._timing("WS ping")
        try:
            self._socket.send(json.dumps({"type": "ping", "nonce": nonce}))
            self._await(timing, "pong", nonce=nonce)
        except (websocket.WebSocketException, OSError) as error:
            if not self._dropped:
                raise self._failed(timing, _outcome(error), str(error)) from error
            timing.end(Outcome.CUT, "dropped by a storm", self._served_by)
            return False
        return True

    def _receive(self, timing: Timing, kind: str) -> dict[str, Any]:
        while True:
            try:
                return self._await(timing, kind)
            except (websocket.WebSocketException, OSError) as error:
                if not self._dropped:
                    raise self._failed(timing, _outcome(error), str(error)) from error
            self._come_back()

    def _await(self, timing: Timing, kind: str, **fields: str) -> dict[str, Any]:
        """The next message of a type, over all others; the time-out begins anew after a storm."""
        ends_s = time.monotonic() + self._timeout_s
        try:
            while time.monotonic() < ends_s:
                message = json.loads(self._socket.recv())
                if message.get("type") == kind and all(message.get(name) == value for name, value in fields.items()):
                    timing.end()
                    return dict(message)
        except (ValueError, AttributeError) as error:
            raise self._failed(timing, Outcome.WRONG_ANSWER, "a message is no JSON object") from error
        raise self._failed(timing, Outcome.TIMEOUT, f"no {kind} within {self._timeout_s:g} s")

    def _timing(self, name: str) -> Timing:
        return Timing(self._context.logbook, Endpoint(Kind.MESSAGE, self._journey, name))

    def _failed(self, timing: Timing, outcome: Outcome, detail: str) -> TargetUnreachable:
        timing.end(outcome, detail, self._served_by)
        return TargetUnreachable(f"{timing.name}: {detail}")


def _outcome(error: Exception, *, connecting: bool = False) -> Outcome:
    if isinstance(error, websocket.WebSocketTimeoutException | socket.timeout):
        return Outcome.TIMEOUT
    if connecting and isinstance(error, ConnectionRefusedError | socket.gaierror | websocket.WebSocketAddressException):
        return Outcome.REFUSED
    return Outcome.CUT
