"""What a user asks of the server in `peer.py`, again and again, and what has to come back."""

from load.checks import Expect
from load.model_context.answers import NOT_FOUND, REFUSAL, TOOL_ERROR
from load.model_context.session import ModelContextSession

CALLS_PER_ROUND = 10
TOOLS = {"echo", "add", "broken", "routed", "slow"}


def look_around(mcp: ModelContextSession) -> None:
    """Learns what there is."""
    assert {tool["name"] for tool in mcp.list_tools()} == TOOLS
    assert [resource["uri"] for resource in mcp.list_resources()] == ["peer://about"]


def round_of_calls(mcp: ModelContextSession, number: int, *, hears_progress: bool) -> None:
    """Ten calls: tools that answer, tell of their progress, err or are not there, and resources likewise."""
    text = f"line {number}\nand 'another' ø"
    mcp.call_tool("echo", {"text": text}, expect=Expect(result=text))
    mcp.call_tool("add", {"a": number, "b": 1}, expect=Expect(result=number + 1))
    mcp.call_tool("routed", {"region": "Zürich", "dry": True}, expect=Expect(result="Zürich True"))
    told = mcp.call_tool("slow", {"steps": 3}, progress=True, expect=Expect(result=3)).told
    assert len(told) == (3 if hears_progress else 0)
    assert "out of honey" in mcp.call_tool("broken", {"why": "out of honey"}, wanted=TOOL_ERROR).tool_error
    mcp.call_tool("echo", {"txt": "misspelt"}, wanted=REFUSAL)
    mcp.call_tool("no_such_tool", wanted=REFUSAL)
    assert mcp.read_resource("peer://about").body["contents"][0]["text"] == "a peer"
    thing = mcp.read_resource("peer://things/{number}", number=str(number)).body["contents"][0]
    assert thing["text"] == f"thing {number}"
    mcp.read_resource("peer://nothing", wanted=NOT_FOUND)
