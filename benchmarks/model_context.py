"""What a call by the Model Context Protocol costs the one who calls: our client beside the SDK's and fastmcp's.

Usage: python -m benchmarks.model_context

All three call the same tool of the same server, made with the official SDK, one call after the other, by version
2026-07-28 with answers in JSON and by 2025-11-25 with event streams. Told is the processor time of the calling process
alone, per call, as the median of five rounds in turn. Ours is recorded and judged, theirs is not recorded.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastmcp
import mcp

from journal.profile import Profile
from load.checks import Expect
from load.http import Client, Session
from load.logbook import Logbook
from load.model_context.session import ModelContextSession
from load.recorder import Recorder

PEER = Path(__file__).parents[1] / "tests" / "load" / "model_context" / "peer.py"
ROUNDS, CALLS = 5, 300


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server made with the official SDK, without sessions."""
    command = [sys.executable, str(PEER), "sdk", "sessionless"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def ours(url: str, *, stateless: bool) -> float:
    """Processor seconds of all calls."""
    http = Session(Client(url, Profile(name="benchmark")), Logbook(Recorder("worker-0", (200_000,))), "benchmark")
    session = ModelContextSession(http, lambda: "", stateless=stateless)
    session.open()
    began_s = time.process_time()
    for number in range(CALLS):
        session.call_tool("echo", {"text": str(number)}, expect=Expect(result=str(number)))
    spent_s = time.process_time() - began_s
    http.close()
    return spent_s


def sdk(url: str, *, stateless: bool) -> float:
    """The same by the client of the official SDK."""
    return asyncio.run(_theirs(mcp.Client(f"{url}/mcp", mode="2026-07-28" if stateless else "legacy")))


def fast(url: str, **_: bool) -> float:
    """The same by fastmcp's client, which chooses the generation itself."""
    return asyncio.run(_theirs(fastmcp.Client(f"{url}/mcp")))


async def _theirs(client: Any) -> float:
    async with client:
        began_s = time.process_time()
        for number in range(CALLS):
            answer = await client.call_tool("echo", {"text": str(number)})
            assert answer.structured_content == {"result": str(number)}
        return time.process_time() - began_s


def medians_us(url: str, *, stateless: bool) -> dict[str, float]:
    """Who → µs of processor time per call."""
    clients: dict[str, Callable[..., float]] = {"ours": ours, "sdk": sdk, "fastmcp": fast}
    spent: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(ROUNDS):
        for name, run in clients.items():
            spent[name].append(run(url, stateless=stateless))
    return {name: statistics.median(rounds) / CALLS * 1e6 for name, rounds in spent.items()}


def main() -> None:
    """Prints a line per generation."""
    with serving() as url:
        for stateless, version in ((True, "2026-07-28, JSON"), (False, "2025-11-25, event streams")):
            medians = medians_us(url, stateless=stateless)
            told = ", ".join(f"{name} {spent_us:,.0f} µs" for name, spent_us in medians.items())
            ratio = medians["sdk"] / medians["ours"]
            print(f"{version}: {told}; the SDK's client costs {ratio:.1f} times ours")


if __name__ == "__main__":
    main()
