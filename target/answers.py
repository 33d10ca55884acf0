"""ASGI middleware for what every answer has in common: who served it, security headers, and that it is counted."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target.counters import Counters
from target.lifecycle import Lifecycle

LOAD_HEADER = b"x-gameday-run"

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


def is_load(scope: Scope) -> bool:
    """Whether a request carries the header of a load generator."""
    return any(name == LOAD_HEADER for name, _ in scope["headers"])


class MarkAnswers:
    """Adds `x-served-by` and security headers; while the replica leaves, it also sends the client elsewhere."""

    def __init__(self, app: ASGIApp, served_by: str, lifecycle: Lifecycle) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._headers = [(b"x-served-by", served_by.encode()), *_SECURITY_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, WebSocket or lifespan."""

        async def marking_send(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", []), *self._headers]
                if message["type"] == "http.response.start" and self._lifecycle.phase == "leaving":
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        await self._app(scope, receive, marking_send)


class CountRequests:
    """Counts requests as they arrive, and as the last byte of their answer is handed to the server; WebSockets too."""

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, WebSocket or lifespan."""
        if scope["type"] == "http":
            await self._count_request(scope, receive, send)
        elif scope["type"] == "websocket":
            self._counters.increment("websocket_opened")
            try:
                await self._app(scope, receive, send)
            finally:
                self._counters.increment("websocket_closed")
        else:
            await self._app(scope, receive, send)

    async def _count_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = "load" if is_load(scope) else "other"
        self._counters.increment(f"{kind}_started")

        async def counting_send(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._counters.increment(f"{kind}_finished")

        await self._app(scope, receive, counting_send)
