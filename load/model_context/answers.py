"""From what came back over HTTP to what it means: a result, an error that was wanted, or what is wrong with it."""

from dataclasses import dataclass
from typing import Any

from journal.outcomes import Outcome
from load.client.errors import RequestError
from load.client.reply import Reply
from load.http import Answer, unexpected
from load.model_context import results
from load.model_context.incoming import Incoming
from load.model_context.json_rpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    RESOURCE_NOT_FOUND,
    Call,
    Malformed,
    Result,
    RpcError,
    answer_among,
)

_SERVER_ERRORS = range(-32019, -31999)  # JSON-RPC's own, without what the Model Context Protocol made of the rest
_OF_THE_PROTOCOL = range(-32768, -31999)


class NotAsWanted(RequestError):
    """A request did not go as it should; `answer` says how it went, and it is counted as such."""

    def __init__(self, name: str, answer: "RpcAnswer") -> None:
        super().__init__(f"{name}: {answer.detail}")
        self.answer = answer
        self.outcome = answer.outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers are the expected ones: a result that is no tool error, a tool error, errors of these codes."""

    result: bool = False
    tool_error: bool = False
    codes: frozenset[int] = frozenset()


RESULT = Wanted(result=True)
TOOL_ERROR = Wanted(tool_error=True)
# what a server makes of a tool that it does not know, or of wrong arguments, is either, depending on its version
REFUSAL = Wanted(tool_error=True, codes=frozenset({INVALID_PARAMS}))
ANY = Wanted(result=True, tool_error=True, codes=frozenset({INVALID_PARAMS}))
NOT_FOUND = Wanted(codes=frozenset({INVALID_PARAMS, RESOURCE_NOT_FOUND}))


@dataclass(frozen=True, slots=True)
class RpcAnswer(Answer):
    """An answer whose `body` is the result of a request; `told` are the notifications that came before it.

    `error` is the protocol error, if it was one; `session_id` the session that the server gave or kept, and
    `session_ended` says that it knows the session no more.
    """

    error: RpcError | None = None
    told: tuple[Call, ...] = ()
    session_id: str = ""
    session_ended: bool = False

    @property
    def tool_error(self) -> str:
        """What a tool said went wrong."""
        return results.tool_error(self.body) if "content" in self.body else ""

    @property
    def structured(self) -> dict[str, Any]:
        """What a tool gave back, as an object."""
        return results.structured(self.body)


def judged(incoming: Incoming, method: str, request_id: int, wanted: Wanted, *, session_id: str = "") -> RpcAnswer:
    """What the answer to a request is, which was sent within the session `session_id` if that is not empty."""
    status = incoming.status
    if status == 404 and session_id:
        return RpcAnswer(Outcome.CLIENT_ERROR, 404, detail="the session has ended (404)", session_ended=True)
    answer = answer_among(incoming.messages, request_id)
    told = tuple(message for message in incoming.messages if isinstance(message, Call))
    if isinstance(answer, RpcError):
        return _refused(status, answer, wanted, told)
    if status != 200:
        return RpcAnswer(unexpected(status), status, detail=f"{status} instead of 200")
    if isinstance(answer, Malformed):
        return RpcAnswer(Outcome.WRONG_ANSWER, status, detail=answer.complaint, told=told)
    return _answered(incoming, method, answer, wanted, told)


def _refused(status: int, error: RpcError, wanted: Wanted, told: tuple[Call, ...]) -> RpcAnswer:
    if error.code in wanted.codes and status in {200, 400, 404}:
        return RpcAnswer(Outcome.OK, status, error=error, told=told)
    return RpcAnswer(_outcome_of(status, error.code), status, detail=str(error), error=error, told=told)


def _outcome_of(status: int, code: int) -> Outcome:
    if status != 200:
        return unexpected(status)
    if code == INTERNAL_ERROR or (code in _SERVER_ERRORS and code != RESOURCE_NOT_FOUND):
        return Outcome.SERVER_ERROR
    return Outcome.CLIENT_ERROR if code in _OF_THE_PROTOCOL else Outcome.WRONG_ANSWER


def _answered(incoming: Incoming, method: str, answer: Result, wanted: Wanted, told: tuple[Call, ...]) -> RpcAnswer:
    complaint = results.complaint(method, answer.value)
    error = "" if complaint or method != "tools/call" else results.tool_error(answer.value)
    if not complaint and not (wanted.tool_error if error else wanted.result):
        complaint = error or "a result instead of an error"
    outcome = Outcome.WRONG_ANSWER if complaint else Outcome.OK
    return RpcAnswer(outcome, 200, answer.value, complaint, told=told, session_id=incoming.session_id)


def accepted(incoming: Incoming) -> RpcAnswer:
    """What the answer to a notification is: 202 and nothing else."""
    status = incoming.status
    if status != 202:
        return RpcAnswer(unexpected(status), status, detail=f"{status} instead of 202")
    return RpcAnswer(Outcome.OK, 202)


def ended(reply: Reply) -> RpcAnswer:
    """What the answer to the end of a session is: it is over, was over already, or may not be ended by clients."""
    if reply.outcome is not Outcome.OK:
        return RpcAnswer(reply.outcome, detail=reply.detail)
    if 200 <= reply.status < 300 or reply.status in {404, 405}:
        return RpcAnswer(Outcome.OK, reply.status)
    return RpcAnswer(unexpected(reply.status), reply.status, detail=f"{reply.status} to the end of the session")
