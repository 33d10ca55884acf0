"""Ten thousand calls by the Model Context Protocol against a server of somebody else's making, and what went wrong.

Several users at a time, in sessions that begin and end, ask what the tests ask: tools that answer, that tell of their
progress, that err, that are not there, and resources likewise. Every answer is judged by the product's own client.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import gevent

from benchmarks.machine import ROOT
from journal.outcomes import Kind, Outcome
from journal.profile import Profile
from load.client.reply import Reply
from load.client.stream import Stream
from load.http import Answer, Client, Session
from load.logbook import Logbook
from load.model_context.answers import NotAsWanted
from load.model_context.session import ModelContextSession
from load.recorder import Recorder
from tests.load.model_context.round_of_calls import CALLS_PER_ROUND, look_around, round_of_calls

PEER = ROOT / "tests" / "load" / "model_context" / "peer.py"
USERS, SESSIONS_EACH, CALLS = 10, 10, 10_000
WAYS = {"JSON": ("json",), "event streams": ()}
ROUNDS_PER_SESSION = CALLS // (USERS * SESSIONS_EACH * CALLS_PER_ROUND)


@dataclass(frozen=True)
class Pair:
    """Who made the server, which generation of the protocol is spoken, and how the server was told to answer."""

    maker: str
    stateless: bool
    way: str


PAIRS = [Pair(maker, stateless, way) for maker in ("sdk", "fastmcp") for stateless in (False, True) for way in WAYS]


@dataclass(frozen=True)
class Heard:
    """What came back: requests by outcome, calls among them, answers by their type, complaints in words."""

    pair: Pair
    calls: int
    outcomes: Counter[Outcome]
    types: Counter[str]
    complaints: list[str]
    took_s: float

    @property
    def errors(self) -> int:
        """Requests whose answer was not what the protocol and the caller want."""
        return self.outcomes.total() - self.outcomes[Outcome.OK]


@contextmanager
def serving(maker: str, *options: str) -> Iterator[str]:
    """The address of a server of this maker."""
    command = [sys.executable, str(PEER), maker, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Listening(Session):
    """Counts the types of the answers beside what every session does."""

    def __init__(self, url: str, logbook: Logbook, types: Counter[str]) -> None:
        super().__init__(Client(url, Profile(name="benchmark")), logbook, "benchmark")
        self._types = types

    def judged(self, method: str, template: str, judge: Callable[[Reply], Answer], **how: Any) -> Answer:
        """One request whose answer is read at once."""

        def counted(reply: Reply) -> Answer:
            self._count(reply.headers.get("content-type", ""))
            return judge(reply)

        return super().judged(method, template, counted, **how)

    @contextmanager
    def stream(self, method: str, template: str, **how: Any) -> Iterator[Stream]:
        """One request whose answer is read as it comes."""
        with super().stream(method, template, **how) as stream:
            self._count(stream.headers.get("content-type", ""))
            yield stream

    def _count(self, content_type: str) -> None:
        self._types[content_type.partition(";")[0].strip()] += 1


def heard(pair: Pair) -> Heard:
    """All calls of one pair."""
    logbook, types = Logbook(Recorder("worker-0", (200_000,))), Counter[str]()
    began_s = time.monotonic()
    with serving(pair.maker, *WAYS[pair.way]) as url:
        users = [gevent.spawn(use, url, pair, logbook, types) for _ in range(USERS)]
        gevent.joinall(users, raise_error=True)
    took_s = time.monotonic() - began_s
    outcomes, calls = Counter[Outcome](), 0
    for frame in logbook.recorder.close():
        for endpoint, seen in frame.endpoints.items():
            if endpoint.kind is Kind.REQUEST:
                ended = {outcome: second.count for outcome, second in seen.outcomes.items()}
                outcomes.update(ended)
                calls += sum(ended.values()) * endpoint.name.startswith(("MCP tools/call", "MCP resources/read"))
    complaints = [f"{failure.endpoint.name}: {failure.detail}" for failure in logbook.take_failures()]
    return Heard(pair, calls, outcomes, types, complaints, took_s)


def use(url: str, pair: Pair, logbook: Logbook, types: Counter[str]) -> None:
    """One user: session after session; a request that goes wrong ends its session, and is counted."""
    http = Listening(url, logbook, types)
    for _ in range(SESSIONS_EACH):
        mcp = ModelContextSession(http, lambda: "", stateless=pair.stateless)
        with suppress(NotAsWanted):
            mcp.open()
            assert mcp.stateless == pair.stateless, "the server does not speak this generation"
            look_around(mcp)
            for number in range(ROUNDS_PER_SESSION):
                round_of_calls(mcp, number, hears_progress=pair.way != "JSON")
        mcp.close()
    http.close()
