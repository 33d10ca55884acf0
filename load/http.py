"""HTTP as journeys see it: calls by path template, each one counted, classified and checked.

Whoever drives users on a schedule sets `Session.intended_at_ns` before a pass begins: the epoch time at which it was
meant to begin. The next request counts as started then and its response time runs from then; the other requests of the
pass depend on the one before, so theirs run from their own sending. While it is 0 no response times are recorded.
"""

import json
import re
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from gevent import GreenletExit

from journal.outcomes import Endpoint, Kind, Outcome
from journal.profile import Profile
from load.checks import OK, Expect
from load.client.connection import Connection
from load.client.errors import BadStatus, RequestError
from load.client.origin import Limits, Origin
from load.client.reply import Reply
from load.client.stream import Stream
from load.logbook import Logbook, Timing
from load.recorder import Series

USER_AGENT = "aia-gameday"
RUN_HEADER = "x-gameday-run"
_PACED = -1
_LINE_BREAK = re.compile(r"[\r\n]")
_AS_IT_IS = re.compile(r"[\w.~-]*", re.ASCII)


class Request(NamedTuple):
    """A request that is about to be sent: the name that it is counted under, and what `Client.send` takes."""

    name: str
    method: str
    template: str
    parts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `body` is the JSON object of the answer, empty when it was none."""

    outcome: Outcome
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was the expected answer."""
        return self.outcome is Outcome.OK


class Client:
    """Requests as bytes and answers as JSON over one connection; it counts nothing.

    Used as it is for what is not load: signing up, checking invariants, tidying up.
    """

    def __init__(self, base_url: str, profile: Profile, headers: Mapping[str, str] | None = None) -> None:
        self._origin = Origin.of(base_url, verify_tls=profile.verify_tls, ca_file=profile.ca_file)
        self._connection = Connection(self._origin, Limits(total_s=profile.request_timeout_s))
        self._paths = profile.paths
        constant = {"Host": self._origin.authority, "User-Agent": USER_AGENT, "Accept": "application/json"}
        self._constant = {**constant, **(headers or {})}
        self._head = _lines(self._constant)
        self._dropped = ""

    def send(self, method: str, template: str, **request: Any) -> Reply:
        """One exchange; takes what `encode` takes."""
        connection = self._connection
        try:
            answer = connection.exchange(self.encode(method, template, **request), without_body=method == "HEAD")
        except RequestError as error:
            return self.lost(error)
        return Reply(
            Outcome.OK,
            answer.service_ns // 1000,
            answer.status,
            answer.head,
            answer.body,
            "",
            answer.head_before,
            answer.lag_ns // 1000 if answer.stamped else None,
            answer.began_ns,
            answer.received_ns,
        )

    def lost(self, error: RequestError) -> Reply:
        """What became of the last request instead of an answer."""
        connection = self._connection
        elapsed_ns, began_ns = connection.elapsed_ns, connection.began_ns
        return Reply(
            error.outcome,
            elapsed_ns // 1000,
            detail=self._why(error),
            head_before=connection.head_before,
            began_ns=began_ns,
            received_ns=began_ns + elapsed_ns,
        )

    def stream(self, method: str, template: str, **request: Any) -> Stream:
        """One request whose answer is read while it arrives, for a with block; takes what `encode` takes.

        Raises:
            RequestError: there was no header of an answer within the time-out.
        """
        return self._connection.stream(self.encode(method, template, **request))

    def streamed(self, stream: Stream | None, error: RequestError | None) -> Reply:
        """What became of a stream, of which nothing more is read: all of its answer, or an error."""
        if stream is None:
            assert error is not None
            return self.lost(error)
        outcome = Outcome.OK if error is None else error.outcome
        # a whole answer that is wrong took as long as its last byte; one that stopped coming, until it was given up
        given_up = outcome in {Outcome.TIMEOUT, Outcome.CUT}
        service_us = self._connection.elapsed_ns // 1000 if given_up else stream.service_us
        return Reply(
            outcome,
            service_us,
            stream.status,
            stream.head,
            detail="" if error is None else self._why(error),
            head_before=stream.head_before,
            began_ns=stream.began_ns,
            received_ns=stream.began_ns + service_us * 1000,
        )

    def drop(self, why: str) -> bool:
        """Breaks the connection, also under a request, which says `why` then; False when there is none."""
        if not self._connection.drop():
            return False
        self._dropped = why
        return True

    @property
    def is_dropped(self) -> bool:
        """Whether it was, and nobody has opened it again."""
        return bool(self._dropped)

    def connect(self) -> None:
        """Opens the connection again after a drop. Raises RequestError."""
        self._connection.connect()
        self._dropped = ""

    def _why(self, error: RequestError) -> str:
        return self._dropped if self._dropped and error.outcome is Outcome.CUT else str(error)

    def encode(
        self,
        method: str,
        template: str,
        *,
        token: str = "",
        body: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """A request for the contract path `template`, which the profile may move; `path` fills its {placeholders}.

        The body is JSON (`body`), a form, or bytes (`content`); `headers` come before those that the client has itself.
        """
        payload, content_type = _payload(body, form, content)
        target = self.target(method, template)
        for name, value in (path or {}).items():
            quoted = value if _AS_IT_IS.fullmatch(value) else quote(value, safe="")  # which is slow, and ids are plain
            target = target.replace(f"{{{name}}}", quoted)
        if query:
            target += "?" + urlencode(query)
        own, content_type = self._own_headers(headers, content_type)
        head = f"{method} {target} HTTP/1.1\r\n{own}"
        if token:
            head += _lines({"Authorization": f"Bearer {token}"})
        if payload or method in {"POST", "PUT", "PATCH"}:
            head += f"{content_type}Content-Length: {len(payload)}\r\n"
        return head.encode("latin-1") + b"\r\n" + payload

    def _own_headers(self, given: Mapping[str, str] | None, content_type: str) -> tuple[str, str]:
        """The head's constant lines and the line of the content's type, each given by the caller or else by us."""
        typed = f"Content-Type: {content_type}\r\n"
        if not given:
            return self._head, typed
        names = {name.lower() for name in given}
        kept = {name: value for name, value in self._constant.items() if name.lower() not in names}
        # a header is bytes: what is beyond Latin-1 goes as UTF-8, which most servers take it for
        sent = {name: value.encode().decode("latin-1") for name, value in given.items()}
        return _lines({**kept, **sent}), "" if "content-type" in names else typed

    def target(self, method: str, template: str) -> str:
        """The path of this target for a path of the contract; empty when the profile says that it has none."""
        return self._paths.get(f"{method} {template}", self._paths.get(template, template))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _lines(headers: Mapping[str, str]) -> str:
    # a value with a line break would be two headers; tokens come from the target, so this is not ours to trust
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items() if not _LINE_BREAK.search(value))


def _payload(body: Any, form: Mapping[str, str] | None, content: bytes | None) -> tuple[bytes, str]:
    if content is not None:
        return content, "application/octet-stream"
    if form is not None:
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    return (b"" if body is None else json.dumps(body).encode()), "application/json"


def json_object(reply: Reply) -> dict[str, Any] | None:
    """The JSON object of an answer, None when it is something else."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def judge(reply: Reply, expect: Expect) -> Answer:
    """How an exchange ended, seen by somebody who expected something of it."""
    if reply.outcome is not Outcome.OK:
        return Answer(reply.outcome, detail=reply.detail)
    body = json_object(reply)
    if reply.status != expect.status:
        said = str((body or {}).get("detail", ""))[:80]
        detail = f"{reply.status} instead of {expect.status}{': ' + said if said else ''}"
        return Answer(unexpected(reply.status), reply.status, body or {}, detail)
    if body is None:
        return Answer(Outcome.WRONG_ANSWER, reply.status, detail="the answer is no JSON object")
    complaint = expect.complaint(body)
    return Answer(Outcome.WRONG_ANSWER if complaint else Outcome.OK, reply.status, body, complaint)


def unexpected(status: int) -> Outcome:
    """What an answer is counted as whose status is not the expected one."""
    if status == 429:
        return Outcome.LIMITED
    if status >= 500:
        return Outcome.SERVER_ERROR
    # another success, or a redirect, which is never followed: the answer is not the one that the contract promises
    return Outcome.CLIENT_ERROR if status >= 400 else Outcome.WRONG_ANSWER


class Session:
    """The requests of one user. Each is counted before it is sent and after it ended, and judged in between.

    `before` is called with each request, whose parts it may replace.
    """

    def __init__(self, client: Client, logbook: Logbook, journey: str) -> None:
        self._client = client
        self._logbook = logbook
        self._journey = journey
        self._known: dict[str, tuple[Endpoint, Series]] = {}
        self.intended_at_ns = 0
        self.before: Callable[[Request], Request] | None = None

    def call(self, method: str, template: str, *, expect: Expect = OK, **request: Any) -> Answer:
        """One request that should be answered as expected; takes what `Client.send` takes."""
        return self.judged(method, template, lambda reply: judge(reply, expect), **request)

    def refused(
        self, invariant: str, method: str, template: str, *, status: int, example: str, **request: Any
    ) -> Answer:
        """One request that the target must refuse with `status`.

        Being granted instead is an answer like any other for the endpoint, and a violation of the invariant, with
        `example` to name it; so that one wrong thing is reported once, under its own name.
        """

        def judged(reply: Reply) -> Answer:
            answer = judge(reply, Expect(status))
            granted = reply.outcome is Outcome.OK and 200 <= reply.status < 300
            if granted or answer.ok:
                self._logbook.checked(invariant, violated=granted, example=f"{example}: answered {reply.status}")
            return Answer(Outcome.OK, reply.status, answer.body) if granted else answer

        return self.judged(method, template, judged, **request)

    def judged(
        self, method: str, template: str, judge: Callable[[Reply], Answer], *, name: str = "", **request: Any
    ) -> Answer:
        """One request whose answer the caller judges; it is counted under `name`, else as `METHOD template`."""
        if self.before is not None:
            request = self.before(Request(name or f"{method} {template}", method, template, request)).parts
        endpoint, series = self._series(name or f"{method} {template}")
        intended_ns = self._take_intended_ns()
        began_ns = time.time_ns()
        series.start(intended_ns if intended_ns > 0 else began_ns)
        reply = self._client.send(method, template, **request)
        answer = judge(reply)
        self._end(series, answer.outcome, reply, intended_ns)
        self._logbook.ended(endpoint, answer.outcome, reply, answer.detail, began_ns / 1e9)
        return answer

    def _series(self, name: str) -> tuple[Endpoint, Series]:
        known = self._known.get(name)
        if known is None:
            endpoint = Endpoint(Kind.REQUEST, self._journey, name)
            known = self._known[name] = (endpoint, self._logbook.series(endpoint))
        return known

    def _take_intended_ns(self) -> int:
        """When the next request is meant to begin; 0 without a schedule, negative within a pass that has begun."""
        intended_ns = self.intended_at_ns
        if intended_ns > 0:
            self.intended_at_ns = _PACED
        return intended_ns

    @staticmethod
    def _end(series: Series, outcome: Outcome, reply: Reply, intended_ns: int) -> None:
        if not intended_ns:
            series.end(outcome, reply.service_us, lag_us=reply.lag_us)
            return
        since_ns = intended_ns if intended_ns > 0 else reply.began_ns
        series.end(
            outcome,
            reply.service_us,
            lag_us=reply.lag_us,
            response_us=max(0, reply.received_ns - since_ns) // 1000,
        )

    @contextmanager
    def stream(
        self, method: str, template: str, *, name: str = "", expect: Container[int] = (200,), **request: Any
    ) -> Iterator[Stream]:
        """One request whose answer is read while it arrives; takes what `Client.encode` takes.

        It counts as ended with the block: as good, or as what a RequestError says that ends the block. A caller who
        finds the answer wrong raises `load.client.errors.BadAnswer`. The time to the first server-sent event becomes a
        message series of its own, `NAME first event`.

        Raises:
            RequestError: the request got no answer; BadStatus: one that is not in `expect`.
        """
        if self.before is not None:
            request = self.before(Request(name or f"{method} {template}", method, template, request)).parts
        endpoint, series = self._series(name or f"{method} {template}")
        intended_ns, began_ns = self._take_intended_ns(), time.time_ns()
        series.start(intended_ns if intended_ns > 0 else began_ns)
        stream: Stream | None = None
        ended: RequestError | None = None
        stopped = False
        try:
            with self._client.stream(method, template, **request) as stream:
                if stream.status not in expect:
                    raise BadStatus(stream.status, f"{stream.status} instead of {expect}")
                yield stream
        except RequestError as error:
            ended = error
            raise
        except (GreenletExit, GeneratorExit):
            stopped = True  # a user that is stopped leaves the request unfinished
            raise
        finally:
            if not stopped:
                reply = self._client.streamed(stream, ended)
                self._end(series, reply.outcome, reply, intended_ns)
                self._logbook.ended(endpoint, reply.outcome, reply, reply.detail, began_ns / 1e9)
                if stream is not None and stream.first_event_us:
                    self._first_event(endpoint, stream.first_event_us)

    def drop(self, why: str) -> bool:
        """Breaks the connection, as `Client.drop` does."""
        return self._client.drop(why)

    def reconnect(self) -> None:
        """Opens the connection again after a drop, which is a message series of its own. Raises RequestError."""
        if not self._client.is_dropped:
            return
        timing = Timing(self._logbook, Endpoint(Kind.MESSAGE, self._journey, "HTTP connect"))
        try:
            self._client.connect()
        except RequestError as error:
            timing.end(error.outcome, str(error))
            raise
        timing.end()

    def _first_event(self, endpoint: Endpoint, first_event_us: int) -> None:
        first = self._logbook.series(Endpoint(Kind.MESSAGE, self._journey, f"{endpoint.name} first event"))
        first.start()
        first.end(Outcome.OK, first_event_us)

    def close(self) -> None:
        """Closes the connection of this user."""
        self._client.close()
