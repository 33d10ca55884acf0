"""Where the Model Context Protocol is reached: its path, logins as everywhere, and answers that a defect spoils."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from target.auth import Caller, admit, bearer_token, limit_headers
from target.defects import Defects
from target.model_context import model_context_server
from target.services import Services

PATH = "/mcp"
_LARGEST_REQUEST = 64 * 1024
_SPOILT_LINE = re.compile(rb"^(data: )?(\{.*\})(\r?)$", re.MULTILINE)


class ModelContext:
    """The ASGI application at the path. It runs for as long as the replica lives, see `running`."""

    def __init__(self, defects: Defects) -> None:
        server = model_context_server()
        # the host that clients call it by is not known here, and a token is needed in any case; see `_check_origin`
        anywhere = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(
            transport_security=anywhere,
            max_request_body_size=_LARGEST_REQUEST,
            stateless_http=not defects.keeps_mcp_sessions,
        )
        self._sessions = server.session_manager
        self._defects = defects
        self.route = Route(PATH, self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the sessions."""
        async with self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises HTTPException for 401, 403 and 429, as all endpoints do."""
        scope["route"] = self.route  # Starlette names only its own; metrics are kept by it
        request = Request(scope, receive)
        services: Services = request.app.state.services
        _check_origin(request)
        caller, remaining = await admit(bearer_token(request), services)
        request.state.caller = caller
        scope["user"] = _session_owner(caller)
        limits = limit_headers(services, remaining)
        answer = _Spoiler(self._defects, send) if self._defects.spoils_mcp else send

        async def limit_telling_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_raw(limits)]
            await answer(message)

        await self._sessions.handle_request(scope, receive, limit_telling_send)


def _check_origin(request: Request) -> None:
    """Lets no page of another site in, as the protocol demands; programs send no Origin."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "this origin may not call the Model Context Protocol")


def _session_owner(caller: Caller) -> AuthenticatedUser:
    """The user whom the SDK binds a session to; it outlives the access token."""
    return AuthenticatedUser(AccessToken(token="", client_id=caller.subject, scopes=[]))


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class _Spoiler:
    """The planted defects of this protocol: hands answers on with another's id, or without their result."""

    def __init__(self, defects: Defects, send: Send) -> None:
        self._defects = defects
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Hands on one ASGI message; the head waits for the first part of the body, whose length may change."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body = _SPOILT_LINE.sub(self._spoilt, message.get("body", b""))
        if self._start is not None:
            await self._send(_with_length(self._start, len(body)))
            self._start = None
        await self._send({**message, "body": body})

    def _spoilt(self, line: re.Match[bytes]) -> bytes:
        answer = json.loads(line[2])
        if "result" in answer:
            self._spoil(answer)
        return (line[1] or b"") + json.dumps(answer).encode() + line[3]

    def _spoil(self, answer: dict[str, Any]) -> None:
        if self._defects.mistakes_mcp_id():
            answer["id"] = f"not-{answer['id']}"
        if self._defects.forgets_mcp_result():
            del answer["result"]


def _with_length(start: Message, length: int) -> Message:
    """The head of an answer whose whole body, if its length is told, is now so long."""
    headers = [(name, str(length).encode() if name == b"content-length" else value) for name, value in start["headers"]]
    return {**start, "headers": headers}
