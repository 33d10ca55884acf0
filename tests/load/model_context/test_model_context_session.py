"""One session against servers that follow the protocol, and against some that do not."""

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
from tests.load.model_context.conftest import EVENTS, JSON, Heard, Script, heard, result, speaker

BOTH = pytest.mark.parametrize("stateless", [False, True], ids=["2025", "2026"])


def refused(asked: Heard, code: int, status: int = 200, **changes) -> bytes:
    error = {"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": code, "message": "no"}} | changes
    return answer(json.dumps(error).encode(), status=status, headers=JSON)


def events(*messages: object, end: str = "\n\n") -> bytes:
    text = "".join(f"event: message\ndata: {json.dumps(message)}{end}" for message in messages)
    return answer(text.encode(), headers=EVENTS)


# What is sent


def test_a_session_of_2025_shakes_hands_and_names_itself_from_then_on(scripted):
    someone, script = scripted(session_id="s-1")
    someone.session.open()
    someone.session.call_tool("echo", {"text": "x"})
    someone.session.close()
    hello, initialized, call, end = script.requests
    assert [asked.method for asked in script.requests] == [
        "initialize",
        "notifications/initialized",
        "tools/call",
        "DELETE",
    ]
    assert hello.body["params"]["protocolVersion"] == "2025-11-25"
    assert "mcp-session-id" not in hello.headers
    assert "id" not in initialized.body
    for later in (initialized, call, end):
        assert (later.headers["mcp-session-id"], later.headers["mcp-protocol-version"]) == ("s-1", "2025-11-25")
    assert call.headers["accept"] == "application/json, text/event-stream"
    assert call.headers["authorization"] == "Bearer a-token"
    assert call.headers["x-gameday-run"] == "r1"
    assert call.body["params"] == {"name": "echo", "arguments": {"text": "x"}}


def test_a_server_without_sessions_gets_no_session_id_and_no_end(scripted):
    someone, script = scripted()
    someone.session.open()
    someone.session.list_tools()
    someone.session.close()
    assert [asked.method for asked in script.requests] == ["initialize", "notifications/initialized", "tools/list"]
    assert not any("mcp-session-id" in asked.headers for asked in script.requests)


def test_the_version_that_the_server_agrees_to_is_spoken(scripted):
    def older(asked: Heard) -> bytes:
        server = {"name": "old", "version": "1"}
        return result(asked, {"protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": server})

    someone, script = scripted(initialize=older)
    someone.session.open()
    someone.session.list_tools()
    assert someone.session.version == "2025-03-26"
    assert script.requests[-1].headers["mcp-protocol-version"] == "2025-03-26"


def test_each_request_of_2026_says_everything_itself_in_its_body_and_again_in_its_headers(scripted):
    someone, script = scripted(stateless=True, session_id="never")
    someone.session.open()
    someone.session.call_tool("echo", {"text": "x"}, progress=True)
    someone.session.read_resource("a://größe/{id}", id="1/2")
    someone.session.close()
    discover, call, read = script.requests
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    for asked in script.requests:
        assert meta.items() <= asked.body["params"]["_meta"].items()
        assert asked.body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] == "aia-gameday"
        assert asked.headers["mcp-protocol-version"] == "2026-07-28"
        assert asked.headers["mcp-method"] == asked.method
        assert "mcp-session-id" not in asked.headers
    assert discover.method == "server/discover"
    assert call.headers["mcp-name"] == "echo"
    assert call.body["params"]["_meta"]["progressToken"]
    assert read.body["params"]["uri"] == "a://größe/1%2F2"
    assert read.headers["mcp-name"] == "=?base64?YTovL2dyw7bDn2UvMSUyRjI=?="


def test_requests_never_share_an_id(scripted):
    someone, script = scripted(stateless=True)
    someone.session.open()
    for _ in range(5):
        someone.session.call_tool("echo", progress=True)
    ids = [asked.body["id"] for asked in script.requests]
    assert len(set(ids)) == len(ids)


def test_arguments_that_a_tool_wants_in_headers_are_repeated_there(scripted):
    places = {"region": {"type": "string", "x-mcp-header": "Region"}, "dry": {"type": "boolean", "x-mcp-header": "Dry"}}
    tool = {"name": "routed", "inputSchema": {"type": "object", "properties": places}}
    someone, script = scripted(stateless=True, tools__list=lambda asked: result(asked, {"tools": [tool]}))
    someone.session.list_tools()
    someone.session.call_tool("routed", {"region": "Zürich", "dry": True, "other": 1})
    someone.session.call_tool("routed", {"region": None})
    headers = [{name: value for name, value in a.headers.items() if "param" in name} for a in script.requests[1:]]
    assert headers == [{"mcp-param-region": "=?base64?WsO8cmljaA==?=", "mcp-param-dry": "true"}, {}]


# How series are named and counted


@BOTH
def test_every_tool_and_every_resource_template_is_a_series_of_its_own(scripted, stateless):
    someone, _ = scripted(stateless=stateless, session_id="s")
    someone.session.open()
    someone.session.call_tool("echo")
    someone.session.call_tool("add")
    someone.session.read_resource("a://things/{id}", id="1")
    someone.session.read_resource("a://things/{id}", id="2")
    someone.session.close()
    opened = ["server/discover"] if stateless else ["initialize", "notifications/initialized", "end of session"]
    names = [*opened, "tools/call echo", "tools/call add"]
    counts = {(f"MCP {name}", Outcome.OK): 1 for name in names}
    assert someone.counts() == counts | {("MCP resources/read a://things/{id}", Outcome.OK): 2}


def test_all_pages_of_a_list_are_read_and_an_endless_list_is_a_wrong_answer(scripted):
    def page(asked: Heard) -> bytes:
        number = int(asked.body["params"].get("cursor", "0"))
        more = {"nextCursor": str(number + 1)} if number < 2 else {}
        return result(asked, {"resources": [{"name": f"{number}", "uri": "a://b"}], **more})

    someone, _ = scripted(stateless=True, resources__list=page)
    assert [found["name"] for found in someone.session.list_resources()] == ["0", "1", "2"]
    assert someone.counts() == {("MCP resources/list", Outcome.OK): 3}

    endless = {"resources": [], "nextCursor": "again"}
    someone, _ = scripted(stateless=True, resources__list=lambda asked: result(asked, endless))
    with pytest.raises(NotAsWanted, match="more than 50 pages"):
        someone.session.list_resources()
    assert someone.counts()["MCP resources/list", Outcome.WRONG_ANSWER] == 1


# Which generation is spoken


@pytest.mark.parametrize(("status", "body"), [(400, b"Bad Request"), (404, b"{}"), (405, b""), (400, b'{"x": 1}')])
def test_a_server_of_2025_is_spoken_to_by_handshake_after_one_question(scripted, status, body):
    someone, script = scripted(stateless=True, server__discover=lambda _: answer(body, status=status, headers=JSON))
    someone.session.open()
    someone.session.list_tools()
    assert not someone.session.stateless
    assert [asked.method for asked in script.requests][:2] == ["server/discover", "initialize"]
    assert {outcome for _, outcome in someone.counts()} == {Outcome.OK}


def test_a_server_that_names_only_older_versions_is_spoken_to_by_handshake(scripted):
    older = {"supportedVersions": ["2025-11-25"], "capabilities": {}}
    someone, _ = scripted(stateless=True, server__discover=lambda asked: result(asked, older))
    someone.session.open()
    assert someone.session.version == "2025-11-25"


@pytest.mark.parametrize("status", [200, 400])
def test_a_server_of_2026_alone_is_spoken_to_without_handshake(scripted, status):
    someone, _ = scripted(initialize=lambda asked: refused(asked, -32022, status))
    someone.session.open()
    someone.session.list_tools()
    assert someone.session.stateless


def test_a_server_that_speaks_neither_generation_is_counted_as_a_failure(scripted):
    nothing = dict.fromkeys(("initialize", "server__discover"), lambda _: answer(b"{}", status=404, headers=JSON))
    someone, _ = scripted(**nothing)
    with pytest.raises(NotAsWanted):
        someone.session.open()
    counts = {("MCP initialize", Outcome.OK): 1, ("MCP server/discover", Outcome.CLIENT_ERROR): 1}
    assert someone.counts() == counts


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(401, Outcome.CLIENT_ERROR), (403, Outcome.CLIENT_ERROR), (429, Outcome.LIMITED), (503, Outcome.SERVER_ERROR)],
)
@BOTH
def test_being_turned_away_is_not_taken_for_another_generation(scripted, stateless, status, outcome):
    away = dict.fromkeys(("initialize", "server__discover"), lambda _: answer(b"{}", status=status, headers=JSON))
    someone, script = scripted(stateless=stateless, **away)
    with pytest.raises(NotAsWanted):
        someone.session.open()
    assert [out for _, out in someone.counts()] == [outcome]
    assert len(script.requests) == 1


def test_a_handshake_that_is_answered_with_an_unknown_version_is_a_wrong_answer(scripted):
    def unknown(asked: Heard) -> bytes:
        server = {"name": "odd", "version": "1"}
        return result(asked, {"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": server})

    someone, _ = scripted(initialize=unknown)
    with pytest.raises(NotAsWanted, match="1999-01-01"):
        someone.session.open()


def test_a_session_id_with_characters_that_no_header_should_hold_is_a_wrong_answer(scripted):
    someone, _ = scripted(session_id="a b")
    with pytest.raises(NotAsWanted, match="characters"):
        someone.session.open()


def test_a_notification_that_is_not_taken_with_202_is_a_wrong_answer(scripted):
    someone, _ = scripted(notifications__initialized=lambda _: answer(b"{}", status=200, headers=JSON))
    with pytest.raises(NotAsWanted, match="200 instead of 202"):
        someone.session.open()


# Sessions that end


def test_a_session_that_the_server_ended_is_counted_and_another_one_is_opened(scripted):
    def gone(asked: Heard) -> bytes | None:
        script.session_id = "new"
        return answer(b"{}", status=404, headers=JSON) if asked.headers["mcp-session-id"] == "old" else None

    someone, script = scripted(session_id="old", tools__call=gone)
    someone.session.open()
    assert someone.session.call_tool("echo").ok
    assert someone.session.session_id == "new"
    assert [asked.method for asked in script.requests] == [
        "initialize",
        "notifications/initialized",
        "tools/call",
        "initialize",
        "notifications/initialized",
        "tools/call",
    ]
    assert "mcp-session-id" not in script.requests[3].headers
    assert someone.failures() == ["the session has ended (404)"]
    counts = someone.counts()
    assert counts["MCP tools/call echo", Outcome.CLIENT_ERROR] == 1
    assert counts["MCP tools/call echo", Outcome.OK] == 1
    assert counts["MCP initialize", Outcome.OK] == 2


def test_a_server_whose_sessions_never_hold_is_given_up_after_the_second(scripted):
    someone, script = scripted(session_id="s", tools__call=lambda _: answer(b"{}", status=404, headers=JSON))
    someone.session.open()
    with pytest.raises(NotAsWanted, match="the session has ended"):
        someone.session.call_tool("echo")
    assert sum(asked.method == "tools/call" for asked in script.requests) == 2


@pytest.mark.parametrize("status", [200, 204, 404, 405])
def test_the_end_of_a_session_may_be_granted_needless_or_not_allowed(scripted, status):
    someone, _ = scripted(session_id="s", DELETE=lambda _: answer(b"", status=status))
    someone.session.open()
    someone.session.close()
    assert someone.counts()["MCP end of session", Outcome.OK] == 1


# Answers that are wrong


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
