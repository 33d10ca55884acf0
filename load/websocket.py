"""WebSocket as journeys see it: connect, expect messages, ping; each a message series of its own."""

import json
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

import websocket

from journal.errors import TargetUnreachable
from journal.outcomes import Endpoint, Kind, Outcome
from load.context import RunContext
from load.logbook import Timing


class WebSocketSession:
    """One WebSocket of one user, closed at the end of its with block.

    An operation that fails is recorded as such, and raises TargetUnreachable.
    """

    def __init__(self, context: RunContext, journey: str, template: str, *, token: str, **path: str) -> None:
        self._context = context
        self._journey = journey
        self._timeout_s = context.profile.request_timeout_s
        self._served_by = ""
        target = context.profile.paths.get(template, template)
        for name, value in path.items():
            target = target.replace(f"{{{name}}}", value)
        self._url = context.assignment.base_url.replace("http", "ws", 1).rstrip("/") + target
        self._name, self._token = f"WS {template}", token
        self._socket: Any = None

    def __enter__(self) -> "WebSocketSession":
        timing = self._timing(self._name)
        verify = ssl.CERT_REQUIRED if self._context.profile.verify_tls else ssl.CERT_NONE
        try:
            self._socket = websocket.create_connection(
                self._url,
                timeout=self._timeout_s,
                header=[f"Authorization: Bearer {self._token}"],
                sslopt={
                    "cert_reqs": verify,
                    "check_hostname": self._context.profile.verify_tls,
                    "ca_certs": self._context.profile.ca_file or None,
                },
                suppress_origin=True,
            )
        except websocket.WebSocketBadStatusException as error:
            status = error.status_code
            outcome = (
                Outcome.SERVER_ERROR if status >= 500 else Outcome.LIMITED if status == 429 else Outcome.CLIENT_ERROR
            )
            raise self._failed(timing, outcome, f"the handshake was answered {status}") from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(timing, _outcome(error, connecting=True), str(error)) from error
        self._served_by = str((self._socket.getheaders() or {}).get("x-served-by", ""))
        timing.end()
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            with suppress(websocket.WebSocketException, OSError):  # the other side may have been faster
                self._socket.close(timeout=1)

    def expect(self, kind: str) -> dict[str, Any]:
        """Waits for the next message of type `kind`, over all others."""
        timing = self._timing(f"WS {kind}")
        return self._receive(timing, kind)

    def ping(self, nonce: str) -> None:
        """Sends a ping of the application's protocol and waits for its own pong."""
        timing = self._timing("WS ping")
        try:
            self._socket.send(json.dumps({"type": "ping", "nonce": nonce}))
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(timing, _outcome(error), str(error)) from error
        self._receive(timing, "pong", nonce=nonce)

    def _receive(self, timing: Timing, kind: str, **fields: str) -> dict[str, Any]:
        ends_s = time.monotonic() + self._timeout_s
        try:
            while time.monotonic() < ends_s:
                message = json.loads(self._socket.recv())
                if message.get("type") == kind and all(message.get(name) == value for name, value in fields.items()):
                    timing.end()
                    return dict(message)
        except (websocket.WebSocketException, OSError) as error:
            raise self._failed(timing, _outcome(error), str(error)) from error
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
