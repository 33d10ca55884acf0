"""The parts of the client, for any input; where the official SDK has the same part, its word is the measure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter

from journal.outcomes import Outcome
from load.client.reply import Reply
from load.model_context import incoming, results
from load.model_context.header_values import argument_headers, header_value, mirrored
from load.model_context.json_rpc import Call, Malformed, Result, RpcError, answer_among, message_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = st.recursive(SCALARS, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3))
IDS = st.integers() | st.text(max_size=10)
ERRORS = st.fixed_dictionaries({"code": st.integers() | SCALARS, "message": st.text() | SCALARS})
PARTS = {
    "jsonrpc": st.just("2.0") | SCALARS,
    "id": IDS | SCALARS,
    "method": st.text() | SCALARS,
    "params": st.dictionaries(st.text(), VALUES, max_size=2) | VALUES,
    "result": st.dictionaries(st.text(), VALUES, max_size=2) | VALUES,
    "error": ERRORS | VALUES,
}
NEARLY_MESSAGES = st.fixed_dictionaries({}, optional=PARTS)
SDK_KINDS = {JSONRPCResponse: Result, JSONRPCError: RpcError, JSONRPCNotification: Call, JSONRPCRequest: Call}


@given(VALUES | NEARLY_MESSAGES)
def test_any_json_is_a_message_or_malformed_and_never_an_exception(value: Any) -> None:
    assert isinstance(message_of(value), Result | RpcError | Call | Malformed)


@given(NEARLY_MESSAGES)
def test_what_is_taken_for_a_message_the_sdk_takes_for_the_same(value: dict[str, Any]) -> None:
    message = message_of(value)
    if isinstance(message, Malformed):
        return
    if isinstance(message, RpcError):
        value = {"id": None, **value}  # since 2026-07-28 an error that names no request may also leave the id out
    theirs = jsonrpc_message_adapter.validate_python(value, by_name=False)
    assert isinstance(message, SDK_KINDS[type(theirs)])
    if isinstance(message, Result | RpcError):
        assert message.id == theirs.id


@given(IDS, st.dictionaries(st.text(), VALUES, max_size=3))
def test_a_proper_result_is_taken_whole(request_id: int | str, value: dict[str, Any]) -> None:
    assert message_of({"jsonrpc": "2.0", "id": request_id, "result": value}) == Result(request_id, value)


@given(st.lists(NEARLY_MESSAGES.map(message_of), max_size=5), st.integers())
def test_an_answer_belongs_to_its_request_or_is_malformed(messages: list[Any], request_id: int) -> None:
    answer = answer_among(messages, request_id)
    if isinstance(answer, Result):
        assert answer.id == request_id
        assert [message for message in messages if not isinstance(message, Call)] == [answer]


@given(st.sampled_from(["initialize", "server/discover", "tools/list", "tools/call", "resources/read"]), VALUES)
def test_any_result_is_judged_without_an_exception(method: str, value: Any) -> None:
    parts = {"tools": value, "content": value, "contents": value, "isError": value, "nextCursor": value}
    for result in ({}, parts, {**parts, "capabilities": {}, "supportedVersions": []}):
        complaint = results.complaint(method, result)
        if not complaint and method == "tools/call":
            results.tool_error(result)
            results.structured(result)


# Bodies


def texts_in(body: bytes) -> list[Any]:
    """The `n` of each notification in an event stream."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
    came = incoming.of_reply(Reply(Outcome.OK, 1, 200, head, body))
    return [message.params["n"] if isinstance(message, Call) else message for message in came.messages]


def noted(value: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "note", "params": {"n": value}})


LINES = st.sampled_from(
    [f"data: {noted(1)}", f"data:{noted(2)}", "event: message", "event: other", ": ping", "id: 7", ""]
)


@given(st.lists(LINES, max_size=12), st.sampled_from(["\r\n", "\r"]))
def test_the_end_of_a_line_may_be_written_in_three_ways(lines: list[str], end: str) -> None:
    assert texts_in(end.join(lines).encode()) == texts_in("\n".join(lines).encode())


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_what_was_written_as_events_is_read_from_them(values: list[Any]) -> None:
    body = "".join(f"id: 1\nevent: message\ndata: {noted(value)}\n\n: ping\n\n" for value in values).encode()
    assert texts_in(b"\xef\xbb\xbf" + body) == values


@given(st.binary(max_size=200), st.sampled_from(["text/event-stream", "application/json", "text/html", ""]))
def test_any_bytes_are_read_without_an_exception(body: bytes, kind: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
    assert incoming.of_reply(Reply(Outcome.OK, 1, 200, head, body)).status == 200


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (f"data: {noted(1)}\n\n", [1]),
        (f"data: {noted(1)}\n", []),
        ("id: 5\ndata:\n\n", []),
        (f"event: other\ndata: {noted(1)}\n\ndata: {noted(2)}\n\n", [2]),
        ("data: {\ndata: }\n\n", [Malformed("the message does not say jsonrpc 2.0")]),
        ("data: a\n\n", [Malformed("the message is no JSON")]),
    ],
)
def test_events_are_read_by_the_rules(body: str, values: list[Any]) -> None:
    assert texts_in(body.encode()) == values


# Headers


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_as_the_value_of_a_header(text: str) -> None:
    written = header_value(text)
    assert written.isascii()
    assert written == written.strip()
    assert "\n" not in written
    assert inbound.decode_header_value(written) == text


SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "boolean", "number", "object", ["string", "null"]])},
        optional={"x-mcp-header": st.sampled_from(["A", "a", "B-1", "", "b c", "é", 5])},
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b", "x-mcp-header"]), inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "$defs": st.dictionaries(st.sampled_from(["a", "x-mcp-header"]), inner, max_size=2),
            "default": inner,
        },
    ),
    max_leaves=8,
)
PROPERTIES = st.dictionaries(st.sampled_from(["a", "b"]), SCHEMAS)
WHOLE_SCHEMAS = st.fixed_dictionaries({"type": st.just("object")}, optional={"properties": PROPERTIES})


@given(WHOLE_SCHEMAS, st.dictionaries(st.sampled_from(["a", "b"]), SCALARS | st.dictionaries(st.just("a"), SCALARS)))
def test_tools_are_refused_and_arguments_repeated_as_the_sdk_does_it(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    theirs = inbound.find_invalid_x_mcp_header(schema)
    try:
        places = mirrored(schema)
    except ValueError:
        assert theirs is not None
        return
    assert theirs is None
    assert places == inbound.x_mcp_header_map(schema)
    assert argument_headers(places, arguments) == inbound.mcp_param_headers(places, arguments)
