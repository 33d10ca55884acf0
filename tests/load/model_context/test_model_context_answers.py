"""Answers of servers that are wrong, or errors, or come bit by bit: what each counts as."""

import json
import select
import socket
import threading

import gevent
import pytest

from journal.outcomes import Outcome
from load.checks import Expect
from load.model_context.answers import NOT_FOUND, REFUSAL, TOOL_ERROR, NotAsWanted
from tests.load.hostile import HostileServer, answer, serving
from tests.load.model_context.conftest import EVENTS, JSON, Heard, Script, events, heard, refused, result, speaker

BOTH = pytest.mark.parametrize("stateless", [False, True], ids=["2025", "2026"])


def not_ours(asked: Heard) -> dict:
    return {"jsonrpc": "2.0", "id": asked.body["id"], "result": {"content": []}}


WRONG_ANSWERS = {
    "another id": (lambda a: result(a, {"content": []}, id=4711), "carries the id 4711"),
    "the id as text": (lambda a: result(a, {"content": []}, id=str(a.body["id"])), "carries the id"),
    "true as id": (lambda a: result(a, {"content": []}, id=True), "the id of a result is True"),
    "no id": (lambda a: result(a, {"content": []}, id=None), "the id of a result is None"),
    "another version of JSON-RPC": (lambda a: result(a, {"content": []}, jsonrpc="1.0"), "jsonrpc 2.0"),
    "no result": (lambda a: result(a, {}, result=None), "neither result nor error"),
    "result and error": (
        lambda a: result(a, {"content": []}, error={"code": 1, "message": ""}),
        "both result and error",
    ),
    "a result that is text": (lambda a: result(a, {}, result="hello"), "the result is no object"),
    "no content": (lambda a: result(a, {}), "the result has no content"),
    "content without type": (lambda a: result(a, {"content": [{}]}), "one of content has no type"),
    "content that is no object": (lambda a: result(a, {"content": [1]}), "one of content is no object"),
    "isError that is text": (lambda a: result(a, {"content": [], "isError": "yes"}), "isError is no boolean"),
    "more input wanted": (lambda a: result(a, {"resultType": "input_required"}), "input_required"),
    "a batch": (lambda a: answer(json.dumps([not_ours(a)]).encode(), headers=JSON), "a batch"),
    "no JSON": (lambda _: answer(b"{", headers=JSON), "no JSON"),
    "endless depth": (lambda _: answer(b"[" * 100_000, headers=JSON), "no JSON"),
    "HTML": (lambda _: answer(b"<html>", headers="Content-Type: text/html\r\n"), "of the type 'text/html'"),
    "no type at all": (lambda _: answer(b"{}"), "of the type ''"),
    "accepted instead of answered": (lambda _: answer(b"", status=202), "202 instead of 200"),
    "an error without code": (lambda a: result(a, {}, result=None, error={"message": ""}), "whole number as code"),
    "an error that is text": (lambda a: result(a, {}, result=None, error="no"), "the error is no object"),
    "an empty stream": (lambda _: answer(b"", headers=EVENTS), "no answer came"),
    "a stream that ends before its answer": (lambda a: events(not_ours(a), end="\n"), "no answer came"),
    "a stream of notifications alone": (lambda _: events({"jsonrpc": "2.0", "method": "a"}), "no answer came"),
    "a stream without JSON": (lambda _: answer(b"data: hello\n\n", headers=EVENTS), "no JSON"),
    "a stream with another's answer": (lambda a: events(not_ours(a) | {"id": 4711}), "carries the id 4711"),
    "two answers": (lambda a: events(not_ours(a), not_ours(a)), "answered twice"),
    "another's progress": (
        lambda a: events(
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "x", "progress": 1}},
            not_ours(a),
        ),
        "progress was told of another request",
    ),
}


@BOTH
@pytest.mark.parametrize(("reply", "said"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_a_wrong_answer_is_counted_and_named_as_one(scripted, stateless, reply, said):
    someone, _ = scripted(stateless=stateless, tools__call=reply)
    with pytest.raises(NotAsWanted) as caught:
        someone.session.call_tool("echo")
    assert said in str(caught.value)
    assert someone.failures()[0] in str(caught.value)
    assert someone.counts() == {("MCP tools/call echo", Outcome.WRONG_ANSWER): 1}


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        (-32603, 200, Outcome.SERVER_ERROR),
        (-32000, 200, Outcome.SERVER_ERROR),
        (-32019, 200, Outcome.SERVER_ERROR),
        (-32002, 200, Outcome.CLIENT_ERROR),
        (-32020, 200, Outcome.CLIENT_ERROR),
        (-32602, 200, Outcome.CLIENT_ERROR),
        (-32601, 404, Outcome.CLIENT_ERROR),
        (-32020, 400, Outcome.CLIENT_ERROR),
        (-32603, 500, Outcome.SERVER_ERROR),
        (-32603, 429, Outcome.LIMITED),
        (7, 200, Outcome.WRONG_ANSWER),
    ],
)
def test_a_protocol_error_counts_by_its_status_else_by_its_code(scripted, code, status, outcome):
    someone, _ = scripted(stateless=True, tools__call=lambda asked: refused(asked, code, status))
    with pytest.raises(NotAsWanted, match=f"protocol error {code}"):
        someone.session.call_tool("echo")
    assert [out for _, out in someone.counts()] == [outcome]


def test_an_error_that_names_no_request_is_taken_for_this_one(scripted):
    someone, _ = scripted(stateless=True, tools__call=lambda asked: refused(asked, -32700, 400, id=None))
    with pytest.raises(NotAsWanted, match="-32700"):
        someone.session.call_tool("echo")


def test_a_tool_error_is_told_apart_from_a_protocol_error_and_each_can_be_wanted(scripted):
    failed = {"content": [{"type": "text", "text": "out of honey"}], "isError": True}
    someone, _ = scripted(stateless=True, tools__call=lambda asked: result(asked, failed))
    with pytest.raises(NotAsWanted, match="tool error: out of honey"):
        someone.session.call_tool("echo")
    assert someone.session.call_tool("echo", wanted=TOOL_ERROR).tool_error == "tool error: out of honey"
    assert someone.session.call_tool("echo", wanted=REFUSAL).ok
    with pytest.raises(NotAsWanted, match="out of honey"):
        someone.session.call_tool("echo", wanted=NOT_FOUND)

    someone, _ = scripted(stateless=True, tools__call=lambda asked: refused(asked, -32602))
    assert someone.session.call_tool("echo", wanted=REFUSAL).error.code == -32602
    with pytest.raises(NotAsWanted, match="-32602"):
        someone.session.call_tool("echo", wanted=TOOL_ERROR)


@pytest.mark.parametrize("wanted", [TOOL_ERROR, REFUSAL, NOT_FOUND])
def test_being_served_where_an_error_was_due_is_a_wrong_answer(scripted, wanted):
    someone, _ = scripted(stateless=True)
    with pytest.raises(NotAsWanted, match="a result instead of an error"):
        someone.session.call_tool("echo", wanted=wanted)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"content": [], "structuredContent": {"n": 5}}, ""),
        ({"content": [{"type": "text", "text": '{"n": 5}'}]}, ""),
        ({"content": [{"type": "text", "text": "5"}]}, "the answer has no n"),
        ({"content": [], "structuredContent": {"n": 6}}, "n is 6, not 5"),
    ],
)
def test_what_a_tool_gave_back_is_checked_by_its_fields(scripted, given, complaint):
    someone, _ = scripted(stateless=True, tools__call=lambda asked: result(asked, given))
    if not complaint:
        assert someone.session.call_tool("echo", expect=Expect(n=5)).structured == {"n": 5}
        return
    with pytest.raises(NotAsWanted, match=complaint):
        someone.session.call_tool("echo", expect=Expect(n=5))


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}, "no text, integer or boolean"),
        ({"properties": {"a": {"items": {"type": "string", "x-mcp-header": "A"}}}}, "reached by names alone"),
    ],
)
def test_a_tool_that_asks_for_headers_against_the_rules_is_named(scripted, schema, why):
    tools = {"tools": [{"name": "odd", "inputSchema": schema}]}
    someone, _ = scripted(stateless=True, tools__list=lambda asked: result(asked, tools))
    with pytest.raises(NotAsWanted, match=f"the tool odd has .*{why}"):
        someone.session.list_tools()


def test_what_the_server_asks_or_tells_on_the_way_does_not_hide_the_answer(scripted):
    def chatty(asked: Heard) -> bytes:
        token = asked.body["params"]["_meta"]["progressToken"]
        progress = {"progressToken": token, "progress": 1}
        return events(
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}},
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress},
            {"jsonrpc": "2.0", "id": 9, "method": "ping"},
            not_ours(asked),
        )

    someone, _ = scripted(tools__call=chatty)
    told = [call.method for call in someone.session.call_tool("echo", progress=True).told]
    assert told == ["notifications/message", "notifications/progress", "ping"]


# Answers that are read while they come


def chunk(text: str) -> bytes:
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


def stream_head() -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def progress_of(asked: Heard) -> dict:
    told = {"progressToken": asked.body["params"]["_meta"]["progressToken"], "progress": 1}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}


def event(message: object) -> str:
    return f"data: {json.dumps(message)}\n\n"


@pytest.mark.parametrize("ends", ["wholly", "cut", "silent", "pinging", "garbled"])
def test_a_call_with_progress_is_counted_by_how_its_stream_ends_and_by_its_first_event(ends):
    """The answer after the progress comes wholly, or breaks off, or never comes, silently or with signs of life."""

    def handle(server: HostileServer, connection: socket.socket) -> None:
        while request := server.read_request(connection):
            asked = heard(request)
            connection.sendall(stream_head() + chunk(event(progress_of(asked))))
            if ends == "cut":
                return
            if ends == "wholly":
                connection.sendall(chunk(event(not_ours(asked))) + b"0\r\n\r\n")
            if ends == "garbled":
                connection.sendall(chunk("data: {\n\n") + b"0\r\n\r\n")
            while ends == "pinging":  # until the client has gone
                connection.sendall(chunk(": ping\n\n"))
                select.select([connection], [], [], 0.05)

    with serving(handle) as server:
        someone = speaker(server.url, stateless=True, timeout_s=0.5, patience_s=1.0)
        outcomes = {"wholly": Outcome.OK, "cut": Outcome.CUT, "garbled": Outcome.WRONG_ANSWER}
        outcome = outcomes.get(ends, Outcome.TIMEOUT)
        for _ in range(2):
            if ends == "wholly":
                assert len(someone.session.call_tool("echo", progress=True).told) == 1
                continue
            with pytest.raises(NotAsWanted) as caught:
                someone.session.call_tool("echo", progress=True)
            assert caught.value.answer.outcome is outcome
        counts = {("MCP tools/call echo", outcome): 2, ("MCP tools/call echo first event", Outcome.OK): 2}
        assert someone.counts() == counts
        assert server.connections == (1 if ends in {"wholly", "garbled"} else 2)


def test_a_session_is_also_renewed_for_a_call_with_progress(scripted):
    def gone(asked: Heard) -> bytes | None:
        script.session_id = "new"
        return answer(b"{}", status=404, headers=JSON) if asked.headers["mcp-session-id"] == "old" else None

    someone, script = scripted(session_id="old", tools__call=gone)
    someone.session.open()
    assert someone.session.call_tool("echo", progress=True).ok
    assert someone.counts()["MCP tools/call echo", Outcome.CLIENT_ERROR] == 1


def test_a_user_who_is_stopped_within_a_request_does_not_begin_to_end_the_session():
    asked_for = threading.Event()

    def handle(server: HostileServer, connection: socket.socket) -> None:
        while request := server.read_request(connection):
            if heard(request).method == "tools/call":
                asked_for.set()
                continue
            connection.sendall(script.reply(request))

    script = Script(session_id="s")
    with serving(handle) as server:
        someone = speaker(server.url, stateless=False)

        def work() -> None:
            try:
                someone.session.open()
                someone.session.call_tool("echo")
            finally:
                someone.session.close()

        user = gevent.spawn(work)
        while not asked_for.is_set():
            gevent.sleep(0.01)
        user.kill(timeout=2)
        assert user.dead
        assert heard(server.requests[-1]).method == "tools/call"
