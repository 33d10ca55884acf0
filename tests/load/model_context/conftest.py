"""A user's session with a server, the counts that it leaves, and servers that say whatever a test wants."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from journal.outcomes import Outcome
from journal.profile import Profile
from load.http import RUN_HEADER, Client, Session
from load.logbook import Logbook
from load.model_context.session import ModelContextSession
from load.recorder import Recorder
from tests.load.hostile import HostileServer, answer, serving

JSON, EVENTS = "Content-Type: application/json\r\n", "Content-Type: text/event-stream\r\n"


@dataclass
class Speaker:
    """A session, and where its requests are counted."""

    http: Session
    logbook: Logbook
    session: ModelContextSession

    def counts(self) -> dict[tuple[str, Outcome], int]:
        """How often each operation ended in each way; nothing may be sent afterwards."""
        totals: dict[tuple[str, Outcome], int] = {}
        for frame in self.logbook.recorder.close():
            for endpoint, seen in frame.endpoints.items():
                for outcome, ended in seen.outcomes.items():
                    totals[endpoint.name, outcome] = totals.get((endpoint.name, outcome), 0) + ended.count
        return totals

    def failures(self) -> list[str]:
        """What was wrong, in the order in which it happened."""
        return [failure.detail for failure in self.logbook.take_failures()]


def speaker(url: str, *, stateless: bool, timeout_s: float = 5.0, patience_s: float = 10.0) -> Speaker:
    logbook = Logbook(Recorder("worker-0", (200_000,)))
    profile = Profile(name="test", request_timeout_s=timeout_s)
    http = Session(Client(url, profile, {RUN_HEADER: "r1"}), logbook, "tests")
    session = ModelContextSession(http, lambda: "a-token", stateless=stateless, patience_s=patience_s)
    return Speaker(http, logbook, session)


@dataclass
class Heard:
    """One request as a scripted server got it."""

    verb: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def method(self) -> str:
        return self.body.get("method", self.verb)


def heard(request: bytes) -> Heard:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Heard(first.split(" ")[0], headers, json.loads(body) if body else {})


Answers = Callable[[Heard], bytes | None]


def result(request: Heard, value: dict[str, Any], *, headers: str = JSON, **changes: Any) -> bytes:
    """A proper answer, or one with `changes`; a change to None leaves that part out."""
    whole = {"jsonrpc": "2.0", "id": request.body["id"], "result": value} | changes
    kept = {name: part for name, part in whole.items() if part is not None}
    return answer(json.dumps(kept).encode(), headers=headers)


PROPER: dict[str, dict[str, Any]] = {
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {}},
    "tools/call": {"content": [{"type": "text", "text": "hello"}]},
    "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
    "resources/list": {"resources": [{"name": "a", "uri": "a://b"}]},
    "resources/read": {"contents": [{"uri": "a://b", "text": "x"}]},
}


@dataclass
class Script:
    """What a scripted server says, by method; handshakes it does properly unless told otherwise."""

    answers: dict[str, Answers] = field(default_factory=dict)
    requests: list[Heard] = field(default_factory=list)
    session_id: str = ""

    def reply(self, request: bytes) -> bytes:
        asked = heard(request)
        self.requests.append(asked)
        own = self.answers.get(asked.method)
        return (own(asked) if own else None) or self._proper(asked)

    def _proper(self, asked: Heard) -> bytes:
        if asked.method == "initialize":
            return self._hello(asked)
        if asked.method in PROPER:
            return result(asked, PROPER[asked.method])
        return answer(b"", status=202 if asked.method == "notifications/initialized" else 200)

    def _hello(self, asked: Heard) -> bytes:
        session = f"Mcp-Session-Id: {self.session_id}\r\n" if self.session_id else ""
        server, agreed = {"name": "script", "version": "1"}, asked.body["params"]["protocolVersion"]
        hello = {"protocolVersion": agreed, "capabilities": {}, "serverInfo": server}
        return result(asked, hello, headers=JSON + session)


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[Speaker, Script]]]:
    """Makes a scripted server and somebody who speaks to it."""
    with ExitStack() as running:

        def make(*, stateless: bool = False, session_id: str = "", **answers: Answers) -> tuple[Speaker, Script]:
            named = {name.replace("__", "/"): reply for name, reply in answers.items()}
            script = Script(answers=named, session_id=session_id)

            def handle(server: HostileServer, connection: socket.socket) -> None:
                while request := server.read_request(connection):
                    connection.sendall(script.reply(request))

            server = running.enter_context(serving(handle))
            return speaker(server.url, stateless=stateless), script

        yield make


def refused(asked: Heard, code: int, status: int = 200, **changes) -> bytes:
    error = {"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": code, "message": "no"}} | changes
    return answer(json.dumps(error).encode(), status=status, headers=JSON)


def events(*messages: object, end: str = "\n\n") -> bytes:
    text = "".join(f"event: message\ndata: {json.dumps(message)}{end}" for message in messages)
    return answer(text.encode(), headers=EVENTS)
