"""HTTP as journeys see it: calls by path template, each one counted, classified and checked."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from journal.outcomes import Endpoint, Kind, Outcome
from journal.profile import Profile
from load.checks import OK, Expect
from load.logbook import Logbook
from load.transport import Connection, Origin, Reply

USER_AGENT = "aia-gameday"
RUN_HEADER = "x-gameday-run"


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
        self._origin = Origin.of(base_url, verify_tls=profile.verify_tls)
        self._connection = Connection(self._origin, profile.request_timeout_s)
        self._paths = profile.paths
        constant = {"Host": self._origin.authority, "User-Agent": USER_AGENT, "Accept": "application/json"}
        self._constant = {**constant, **(headers or {})}
        self._head = _lines(self._constant)

    def send(
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
    ) -> Reply:
        """One exchange at the contract path `template`, which the profile may move; `path` fills its {placeholders}.

        The body is JSON (`body`), a form, or bytes (`content`); `headers` come before those that the client has itself.
        """
        payload, content_type = _payload(body, form, content)
        target = self.target(method, template)
        for name, value in (path or {}).items():
            target = target.replace(f"{{{name}}}", quote(value, safe=""))
        if query:
            target += "?" + urlencode(query)
        own, content_type = self._own_headers(headers, content_type)
        head = f"{method} {target} HTTP/1.1\r\n{own}"
        if token:
            head += _lines({"Authorization": f"Bearer {token}"})
        if payload or method in {"POST", "PUT", "PATCH"}:
            head += f"{content_type}Content-Length: {len(payload)}\r\n"
        return self._connection.exchange(method, head.encode("latin-1") + b"\r\n" + payload)

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
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items() if not {"\r", "\n"} & set(value))


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
    """The requests of one user. Each is counted before it is sent and after it ended, and judged in between."""

    def __init__(self, client: Client, logbook: Logbook, journey: str) -> None:
        self._client = client
        self._logbook = logbook
        self._journey = journey

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
        endpoint = Endpoint(Kind.REQUEST, self._journey, name or f"{method} {template}")
        series = self._logbook.series(endpoint)
        began_s = time.time()
        series.start()
        reply = self._client.send(method, template, **request)
        answer = judge(reply)
        series.end(answer.outcome, reply.service_us)
        self._logbook.ended(endpoint, answer.outcome, reply, answer.detail, began_s)
        return answer

    def close(self) -> None:
        """Closes the connection of this user."""
        self._client.close()
