"""One session against servers that follow the protocol, and against some that do not."""

import pytest

from journal.outcomes import Outcome
from load.model_context.answers import NotAsWanted
from tests.load.hostile import answer
from tests.load.model_context.conftest import JSON, Heard, refused, result

BOTH = pytest.mark.parametrize("stateless", [False, True], ids=["2025", "2026"])


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
