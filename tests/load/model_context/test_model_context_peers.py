"""The client against servers made with the official SDK and with fastmcp: both generations, JSON and event streams."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from journal.outcomes import Outcome
from load.checks import Expect
from load.model_context.answers import NOT_FOUND, REFUSAL, TOOL_ERROR
from tests.load.model_context.conftest import speaker

MAKERS = ("sdk", "fastmcp")
WAYS = {"events": (), "json": ("json",), "sessionless": ("sessionless",)}
ROUNDS = 85  # of ten calls each, for twelve pairs of a server and a generation: more than 10,000 calls


@pytest.fixture(scope="module", params=[(maker, way) for maker in MAKERS for way in WAYS], ids="-".join)
def peer(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The address of a server, and in which way it answers."""
    maker, way = request.param
    command = [sys.executable, str(Path(__file__).with_name("peer.py")), maker, *WAYS[way]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", way
        finally:
            process.terminate()


@pytest.mark.parametrize("stateless", [False, True], ids=["2025", "2026"])
def test_thousands_of_calls_go_without_a_protocol_error(peer: tuple[str, str], stateless: bool) -> None:
    url, way = peer
    someone = speaker(url, stateless=stateless)
    mcp = someone.session
    with closing(someone.http):
        mcp.open()
        assert mcp.stateless == stateless, "the server speaks both generations"
        assert bool(mcp.session_id) == (not stateless and way != "sessionless")
        assert {tool["name"] for tool in mcp.list_tools()} == {"echo", "add", "broken", "routed", "slow"}
        assert [resource["uri"] for resource in mcp.list_resources()] == ["peer://about"]
        for number in range(ROUNDS):
            text = f"line {number}\nand 'another' ø"
            mcp.call_tool("echo", {"text": text}, expect=Expect(result=text))
            mcp.call_tool("add", {"a": number, "b": 1}, expect=Expect(result=number + 1))
            mcp.call_tool("routed", {"region": "Zürich", "dry": True}, expect=Expect(result="Zürich True"))
            told = mcp.call_tool("slow", {"steps": 3}, progress=True, expect=Expect(result=3)).told
            assert len(told) == (0 if way == "json" else 3)
            assert "out of honey" in mcp.call_tool("broken", {"why": "out of honey"}, wanted=TOOL_ERROR).tool_error
            mcp.call_tool("echo", {"txt": "misspelt"}, wanted=REFUSAL)
            mcp.call_tool("no_such_tool", wanted=REFUSAL)
            assert mcp.read_resource("peer://about").body["contents"][0]["text"] == "a peer"
            thing = mcp.read_resource("peer://things/{number}", number=str(number)).body["contents"][0]
            assert thing["text"] == f"thing {number}"
            mcp.read_resource("peer://nothing", wanted=NOT_FOUND)
        mcp.close()
    counts = someone.counts()
    assert counts.pop(("MCP tools/call slow first event", Outcome.OK), 0) == (0 if way == "json" else ROUNDS)
    assert {outcome for _, outcome in counts} == {Outcome.OK}
    assert sum(counts.values()) >= 10 * ROUNDS
    assert counts["MCP tools/call slow", Outcome.OK] == ROUNDS
