"""JSON-RPC 2.0 as the Model Context Protocol narrows it: requests to send, and what a message that came in is."""

from dataclasses import dataclass, field
from typing import Any

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
RESOURCE_NOT_FOUND = -32002  # until 2025-11-25; later versions say INVALID_PARAMS
UNSUPPORTED_VERSION = -32022


@dataclass(frozen=True, slots=True)
class Result:
    """A request was answered."""

    id: int | str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RpcError:
    """A request was refused; `id` is None when the other side could not read it."""

    id: int | str | None
    code: int
    message: str
    data: Any = None

    def __str__(self) -> str:
        return f"protocol error {self.code}: {self.message[:80]}"


@dataclass(frozen=True, slots=True)
class Call:
    """The other side tells something, or asks when it has an `id`."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """It is no message of the protocol, for this reason."""

    complaint: str


Message = Result | RpcError | Call | Malformed


def request(request_id: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A request as it is sent."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def notification(method: str) -> dict[str, Any]:
    """A notification as it is sent; it is answered by nothing."""
    return {"jsonrpc": "2.0", "method": method}


def message_of(value: Any) -> Message:
    """What a JSON value is."""
    if not isinstance(value, dict):
        return Malformed("a batch of messages" if isinstance(value, list) else "the message is no JSON object")
    if value.get("jsonrpc") != "2.0":
        return Malformed("the message does not say jsonrpc 2.0")
    if "method" in value:
        return _call(value)
    if ("result" in value) == ("error" in value):
        return Malformed("the message has both result and error" if "result" in value else "neither result nor error")
    return _result(value) if "result" in value else _error(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _call(value: dict[str, Any]) -> Message:
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        return Malformed("a method is no text, or its params are no object")
    if "id" in value and not _is_id(value["id"]):
        return Malformed(f"the id of a request is {value['id']!r:.40}")
    return Call(method, params, value.get("id"))


def _result(value: dict[str, Any]) -> Message:
    if not isinstance(value["result"], dict):
        return Malformed("the result is no object")
    if not _is_id(value.get("id")):
        return Malformed(f"the id of a result is {value.get('id')!r:.40}")
    return Result(value["id"], value["result"])


def _error(value: dict[str, Any]) -> Message:
    error, told_id = value["error"], value.get("id")
    if not isinstance(error, dict):
        return Malformed("the error is no object")
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return Malformed("the error has no whole number as code, or no text as message")
    if told_id is not None and not _is_id(told_id):
        return Malformed(f"the id of an error is {told_id!r:.40}")
    return RpcError(told_id, code, message, error.get("data"))


def answer_among(messages: list[Message], request_id: int) -> Result | RpcError | Malformed:
    """The answer to a request: the one result or error among any number of notifications.

    An answer to another request is Malformed here, and so are two answers and none at all; an error without an id
    answers whatever was sent, since the other side could not read it.
    """
    answers = [message for message in messages if not isinstance(message, Call)]
    if not answers:
        return Malformed("no answer came")
    first = answers[0]
    if isinstance(first, Malformed):
        return first
    if first.id != request_id and not (isinstance(first, RpcError) and first.id is None):
        return Malformed(f"the answer to request {request_id!r} carries the id {first.id!r:.40}")
    return first if len(answers) == 1 else Malformed("the request was answered twice")
