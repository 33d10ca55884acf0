"""`python -m benchmarks.model_context`: the Model Context Protocol against servers of others, and what a call costs.

First ten thousand calls each against servers made with the official SDK and with fastmcp, by both generations of the
protocol, answered in JSON and in event streams: how many answers were not what the protocol wants. Then the cost of a
call for the one who calls: our client beside the SDK's and fastmcp's, with the same tool of the same server, one call
after the other. Told is the processor time of the calling process alone, per call, as the median of five rounds in
turn. Ours is recorded and judged, theirs is not recorded. Written to benchmarks/README.md.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import fastmcp
import mcp

from benchmarks.model_context_calls import CALLS, PAIRS, SESSIONS_EACH, USERS, WAYS, Heard, heard, serving
from benchmarks.readme import write_section
from journal.profile import Profile
from load.checks import Expect
from load.http import Client, Session
from load.logbook import Logbook
from load.model_context.session import ModelContextSession
from load.model_context.versions import HANDSHAKE_VERSIONS, STATELESS_VERSION
from load.recorder import Recorder

ROUNDS, TIMED_CALLS, WARM_UP_CALLS = 5, 300, 30
MAKERS = {"sdk": f"official SDK {version('mcp')}", "fastmcp": f"fastmcp {version('fastmcp')}"}
JSON_TYPE, EVENTS_TYPE = "application/json", "text/event-stream"


def ours(url: str, *, stateless: bool) -> float:
    """Processor seconds of all calls."""
    http = Session(Client(url, Profile(name="benchmark")), Logbook(Recorder("worker-0", (200_000,))), "benchmark")
    session = ModelContextSession(http, lambda: "", stateless=stateless)
    session.open()

    def call(times: int) -> float:
        began_s = time.process_time()
        for number in range(times):
            session.call_tool("echo", {"text": str(number)}, expect=Expect(result=str(number)))
        return time.process_time() - began_s

    call(WARM_UP_CALLS)
    spent_s = call(TIMED_CALLS)
    session.close()
    http.close()
    return spent_s


def sdk(url: str, *, stateless: bool) -> float:
    """The same by the client of the official SDK."""
    return asyncio.run(_theirs(mcp.Client(f"{url}/mcp", mode=_mode(stateless))))


def fast(url: str, *, stateless: bool) -> float:
    """The same by fastmcp's client."""
    return asyncio.run(_theirs(fastmcp.Client(f"{url}/mcp", mode=_mode(stateless))))


def _mode(stateless: bool) -> str:
    return STATELESS_VERSION if stateless else "legacy"


async def _theirs(client: Any) -> float:
    async def call(times: int) -> float:
        began_s = time.process_time()
        for number in range(times):
            answer = await client.call_tool("echo", {"text": str(number)})
            assert answer.structured_content == {"result": str(number)}
        return time.process_time() - began_s

    async with client:
        await call(WARM_UP_CALLS)
        return await call(TIMED_CALLS)


def costs_us(*, stateless: bool, way: str) -> dict[str, float]:
    """Who → µs of processor time per call, at a server made with the official SDK."""
    clients: dict[str, Callable[..., float]] = {"ours": ours, "sdk": sdk, "fastmcp": fast}
    spent: dict[str, list[float]] = {name: [] for name in clients}
    with serving("sdk", *WAYS[way]) as url:
        for _ in range(ROUNDS):
            for name, run in clients.items():
                spent[name].append(run(url, stateless=stateless))
    return {name: statistics.median(rounds) / TIMED_CALLS * 1e6 for name, rounds in spent.items()}


def _generation(stateless: bool) -> str:
    return f"{STATELESS_VERSION}, stateless" if stateless else f"{HANDSHAKE_VERSIONS[0]}, session handshake"


def correctness(found: list[Heard]) -> str:
    """The table of what came back, and every complaint in words."""
    lines = [
        "### No protocol error",
        f"{USERS} users at a time, {USERS * SESSIONS_EACH} sessions. The calls: tools that answer, that want an "
        "argument in a header too, that tell of their progress, that err, get wrong arguments, are not there; "
        "resources that are there, are named by a template, are not there. Each answer is checked against the "
        "protocol and for its content. The other requests are what a session needs; notifications are answered by "
        "nothing. Servers told to stream events may answer in JSON where there is no event to stream.",
        "",
        "| server | protocol | told to answer in | calls | requests | answers in JSON | in event streams "
        "| protocol errors |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines.extend(map(_line, found))
    errors, calls = sum(one.errors for one in found), sum(one.calls for one in found)
    whole = all(one.calls == CALLS for one in found)
    lines += ["", f"**{errors} protocol errors in {calls:,} calls.**{'' if whole else ' Some calls are missing.'}"]
    return "\n".join((*lines, *(f"- {complaint}" for one in found for complaint in one.complaints[:5])))


def _line(one: Heard) -> str:
    return (
        f"| {MAKERS[one.pair.maker]} | {_generation(one.pair.stateless)} | {one.pair.way} | {one.calls:,} "
        f"| {one.outcomes.total():,} | {one.types[JSON_TYPE]:,} | {one.types[EVENTS_TYPE]:,} | {one.errors} |"
    )


def cost() -> str:
    """The table of what a call costs."""
    lines = [
        "### What a call costs",
        f"A tool that gives back its argument, of a server made with the {MAKERS['sdk']}; processor time of the "
        f"calling process, the median of {ROUNDS} rounds of {TIMED_CALLS} calls each. Ours is recorded and judged.",
        "",
        f"| protocol | answers | ours µs | {MAKERS['sdk']} µs | {MAKERS['fastmcp']} µs | the SDK's client by ours |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for stateless in (False, True):
        for way in WAYS:
            us = costs_us(stateless=stateless, way=way)
            theirs = f"{us['sdk']:,.0f} | {us['fastmcp']:,.0f} | × {us['sdk'] / us['ours']:.1f}"
            lines.append(f"| {_generation(stateless)} | {way} | {us['ours']:,.0f} | {theirs} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints, and writes the section of the README."""
    found = []
    for pair in PAIRS:
        found.append(one := heard(pair))
        print(f"{pair.maker}, {_generation(pair.stateless)}, {pair.way}: {one.calls:,} calls", end=" ")
        print(f"in {one.took_s:.0f} s, {one.errors} protocol errors", flush=True)
    text = f"{correctness(found)}\n\n{cost()}"
    print(text)
    write_section("model-context", "The Model Context Protocol", text)


if __name__ == "__main__":
    main()
