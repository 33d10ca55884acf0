"""The client against servers made with the official SDK and with fastmcp: both generations, JSON and event streams."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from journal.outcomes import Outcome
from tests.load.model_context.conftest import speaker
from tests.load.model_context.round_of_calls import CALLS_PER_ROUND, look_around, round_of_calls

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
        look_around(mcp)
        for number in range(ROUNDS):
            round_of_calls(mcp, number, hears_progress=way != "json")
        mcp.close()
    counts = someone.counts()
    assert counts.pop(("MCP tools/call slow first event", Outcome.OK), 0) == (0 if way == "json" else ROUNDS)
    assert {outcome for _, outcome in counts} == {Outcome.OK}
    assert sum(counts.values()) >= CALLS_PER_ROUND * ROUNDS
    assert counts["MCP tools/call slow", Outcome.OK] == ROUNDS
