"""One user's way of speaking the Model Context Protocol: every request is counted, as a series of its own per tool."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import quote

import gevent

from journal.outcomes import Outcome
from journal.profile import MODEL_CONTEXT_PATH
from load.checks import Expect
from load.client.errors import RequestError, TimedOut
from load.client.reply import Reply
from load.client.stream import Stream
from load.http import Session
from load.model_context import incoming
from load.model_context.answers import RESULT, NotAsWanted, RpcAnswer, Wanted, accepted, ended, judged
from load.model_context.json_rpc import notification, request
from load.model_context.versions import CLIENT, HANDSHAKE_VERSIONS, STATELESS_VERSION, Generation, Handshake, Stateless

ACCEPT = "application/json, text/event-stream"
EVERY_STATUS = range(100, 1000)
MOST_PAGES = 50
_NO_SUCH_GENERATION = {400, 404, 405, 406}

Check = Callable[[RpcAnswer], str]
Judge = Callable[[incoming.Incoming], RpcAnswer]


class ModelContextSession:
    """From `open` to `close`. A request that does not go as wanted is counted as such, and raises NotAsWanted.

    When the server says that the session has ended, that answer is counted; then a new one is opened, and the request
    is sent again, all of which is counted too. A call that tells its progress may take up to `patience_s`, as long as
    it is never silent for longer than any request may take.
    """

    def __init__(self, http: Session, token: Callable[[], str], *, stateless: bool, patience_s: float = 15.0) -> None:
        self._http = http
        self._token = token
        self._patience_s = patience_s
        self._ids = count(1)
        self._generation: Generation = Stateless() if stateless else Handshake()
        self._under_way = False

    @property
    def version(self) -> str:
        """The version of the protocol that is spoken."""
        return self._generation.version

    @property
    def stateless(self) -> bool:
        """Whether it is of the generation without sessions."""
        return isinstance(self._generation, Stateless)

    @property
    def session_id(self) -> str:
        """What the server gave along with the handshake; "" when nothing."""
        return self._generation.session_id if isinstance(self._generation, Handshake) else ""

    # From open to close

    def open(self) -> None:
        """Agrees on a version. A server that does not know the generation is asked for the other one."""
        first, second = (self._discover, self._shake_hands) if self.stateless else (self._shake_hands, self._discover)
        if not first(tentative=True):
            second(tentative=False)

    def _discover(self, *, tentative: bool) -> bool:
        """Whether the server speaks the stateless version."""
        self._generation = Stateless()
        answer = self._asked("server/discover", {}, tentative=tentative, check=None if tentative else _stateless_too)
        return bool(answer.body) and not _stateless_too(answer)

    def _shake_hands(self, *, tentative: bool) -> bool:
        """Whether the server opened a session, or at least agreed on a version."""
        self._generation = handshake = Handshake()
        hello = {"protocolVersion": handshake.version, "capabilities": {}, "clientInfo": CLIENT}
        answer = self._asked("initialize", hello, tentative=tentative, check=_agreed)
        if not answer.body:
            return False
        handshake.version = answer.body["protocolVersion"]
        handshake.session_id = answer.session_id
        self._tell("notifications/initialized")
        return True

    def close(self) -> None:
        """Ends the session, if the server gave one; not in the middle of a request, when the user is stopped there."""
        if not self.session_id or self._under_way:
            return
        headers = self._generation.headers("", {})
        name = "MCP end of session"
        self._http.judged("DELETE", MODEL_CONTEXT_PATH, ended, name=name, token=self._token(), headers=headers)
        self._generation = Handshake()

    # What there is

    def list_tools(self) -> list[dict[str, Any]]:
        """The tools, over all pages."""
        return self._pages("tools/list", "tools", self._learn)

    def _learn(self, answer: RpcAnswer) -> str:
        refused = self._generation.learn(answer.body["tools"])
        return "; ".join(f"the tool {name} has {why}" for name, why in refused.items())

    def list_resources(self) -> list[dict[str, Any]]:
        """The resources, over all pages."""
        return self._pages("resources/list", "resources")

    def _pages(self, method: str, name: str, check: Check | None = None) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        params: dict[str, Any] = {}
        for page in range(MOST_PAGES):
            last = page + 1 == MOST_PAGES
            answer = self._kept(method, method, params, check=_no_more if last else check)
            items += answer.body[name]
            if not (cursor := answer.body.get("nextCursor")):
                break
            params = {"cursor": cursor}
        return items

    # What it does

    def call_tool(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        wanted: Wanted = RESULT,
        expect: Expect | None = None,
        progress: bool = False,
    ) -> RpcAnswer:
        """Calls a tool; `expect` names fields of its structured result.

        `progress` asks to be told on the way; then the time to the first event is a series of its own.
        """
        params: dict[str, Any] = {"name": tool, "arguments": dict(arguments or {})}
        if progress:
            params["_meta"] = {"progressToken": f"{tool}-{next(self._ids)}"}

        def check(answer: RpcAnswer) -> str:
            if answer.body and not answer.tool_error and expect and (complaint := expect.complaint(answer.structured)):
                return complaint
            return _foreign_progress(answer, params.get("_meta", {}).get("progressToken"))

        name = f"tools/call {tool}"
        return self._kept(name, "tools/call", params, wanted=wanted, check=check, streamed=progress)

    def read_resource(self, uri: str, *, wanted: Wanted = RESULT, **path: str) -> RpcAnswer:
        """Reads a resource; `path` fills the {placeholders} of its URI, which is counted by its template."""
        filled = uri
        for name, value in path.items():
            filled = filled.replace(f"{{{name}}}", quote(value, safe=""))
        return self._kept(f"resources/read {uri}", "resources/read", {"uri": filled}, wanted=wanted)

    # How it is sent

    def _kept(self, name: str, method: str, params: dict[str, Any], **how: Any) -> RpcAnswer:
        """A request within a session, and once more in a new one when the old one has ended."""
        try:
            return self._asked(method, params, name=name, **how)
        except NotAsWanted as error:
            if not error.answer.session_ended:
                raise
        self._shake_hands(tentative=False)
        return self._asked(method, params, name=name, **how)

    def _asked(
        self,
        method: str,
        params: dict[str, Any],
        *,
        name: str = "",
        wanted: Wanted = RESULT,
        check: Check | None = None,
        tentative: bool = False,
        streamed: bool = False,
    ) -> RpcAnswer:
        """A request and its answer, whose body is empty when it was tentative and the server speaks differently."""
        request_id = next(self._ids)
        meta = {**self._generation.meta(), **params.get("_meta", {})}
        body = request(request_id, method, {**params, "_meta": meta} if meta else params)

        def judge(came: incoming.Incoming) -> RpcAnswer:
            answer = judged(came, method, request_id, wanted, session_id=self.session_id)
            if tentative and _speaks_differently(answer):
                return RpcAnswer(Outcome.OK, answer.status)
            complaint = check(answer) if check and answer.ok else ""
            return replace(answer, outcome=Outcome.WRONG_ANSWER, detail=complaint) if complaint else answer

        send = self._listened if streamed else self._sent
        return send(f"MCP {name or method}", judge, self._dressed(body, self._generation.headers(method, params)))

    def _tell(self, method: str) -> None:
        sent = self._dressed(notification(method), self._generation.headers(method, {}))
        self._sent(f"MCP {method}", accepted, sent)

    def _dressed(self, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        return {"body": body, "token": self._token(), "headers": {"Accept": ACCEPT, **headers}}

    def _sent(self, name: str, judge: Judge, sent: dict[str, Any]) -> RpcAnswer:
        """A request whose answer is read at once."""

        def judge_reply(reply: Reply) -> RpcAnswer:
            if reply.outcome is not Outcome.OK:
                return RpcAnswer(reply.outcome, detail=reply.detail)
            return judge(incoming.of_reply(reply))

        self._under_way = True
        answer = self._http.judged("POST", MODEL_CONTEXT_PATH, judge_reply, name=name, **sent)
        self._under_way = False
        assert isinstance(answer, RpcAnswer)
        if not answer.ok:
            raise NotAsWanted(name, answer)
        return answer

    def _listened(self, name: str, judge: Judge, sent: dict[str, Any]) -> RpcAnswer:
        """A request whose answer is read as it comes."""
        self._under_way = True
        try:
            with self._http.stream("POST", MODEL_CONTEXT_PATH, name=name, expect=EVERY_STATUS, **sent) as stream:
                answer = judge(self._all_of(stream))
                if not answer.ok:
                    raise NotAsWanted(name, answer)
        except RequestError as error:
            self._under_way = False
            if isinstance(error, NotAsWanted):
                raise
            raise NotAsWanted(name, RpcAnswer(error.outcome, detail=str(error))) from error
        self._under_way = False
        return answer

    def _all_of(self, stream: Stream) -> incoming.Incoming:
        """The whole answer. Raises RequestError: it was not whole in time, or not at all."""
        timer = gevent.Timeout.start_new(self._patience_s)
        try:
            return incoming.of_stream(stream)
        except gevent.Timeout as error:
            if error is not timer:
                raise
            raise TimedOut(f"no whole answer within {self._patience_s:g} s") from None
        finally:
            timer.close()


def _speaks_differently(answer: RpcAnswer) -> bool:
    """Whether a server said that it does not know this generation, which is no failure of anybody."""
    refused = answer.error is not None and answer.status == 200
    return answer.outcome is Outcome.CLIENT_ERROR and (refused or answer.status in _NO_SUCH_GENERATION)


def _stateless_too(answer: RpcAnswer) -> str:
    """Empty when a server says that it speaks the stateless version."""
    offered = answer.body.get("supportedVersions", [])
    return "" if STATELESS_VERSION in offered else f"the server speaks only {offered!r:.60}"


def _agreed(answer: RpcAnswer) -> str:
    """What is wrong with the answer to a handshake."""
    version = answer.body["protocolVersion"]
    session_id = answer.session_id
    if version not in HANDSHAKE_VERSIONS:
        return f"the handshake was answered with the version {version!r:.40}"
    if not all("\x21" <= character <= "\x7e" for character in session_id):
        return "the session id has characters that it must not have"
    return ""


def _no_more(answer: RpcAnswer) -> str:
    return f"there are more than {MOST_PAGES} pages" if answer.body.get("nextCursor") else ""


def _foreign_progress(answer: RpcAnswer, token: str | None) -> str:
    """What is wrong with the progress that was told before an answer."""
    told = [call.params.get("progressToken") for call in answer.told if call.method == "notifications/progress"]
    return "progress was told of another request" if any(given != token for given in told) else ""
