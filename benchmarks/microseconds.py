"""Where each microsecond of a request goes: the client taken apart rung by rung, and single steps by themselves.

A rung does what the one before does and more (`benchmarks.rungs`), so the difference is the price of what it adds; all
of them take turns on one core, and the differences add up to the whole.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.machine import ROOT
from benchmarks.slices import Rounds, alternate, median_us
from benchmarks.web_server import WebServer


@dataclass(frozen=True)
class Rung:
    """`adds` is what it does beyond the rung before; `parts` are steps of that which were measured by themselves."""

    name: str
    module: str
    adds: str
    parts: dict[str, str]


RUNGS = (
    Rung(
        "calls",
        "rungs",
        "the kernel, and calling it from Python: send, receive with a stamp, a look whether the connection still "
        "stands, epoll",
        {"send": "send", "recvmsg": "receive", "poll": "look"},
    ),
    Rung(
        "wire",
        "rungs",
        "gevent: its loop, a switch to the hub and one back; reading the stamp and two clocks",
        {"switches": "two switches"},
    ),
    Rung(
        "connection",
        "rungs",
        "the connection: the answer parsed, two more clocks, deadlines, whether the stamp can be believed",
        {"parse": "httptools with our callbacks"},
    ),
    Rung(
        "session",
        "rungs",
        "`client.get`: the request by its URL, cookies sent and taken, the answer's header and status looked at, the "
        "response object",
        {"header": "a known header"},
    ),
    Rung(
        "unrecorded",
        "generator",
        "Locust: draws the task, calls it, keeps the user's state, pauses for 0 s, which is another turn of the loop",
        {"yield": "the pause"},
    ),
    Rung(
        "recorded",
        "generator",
        "the recorder: start, end, and each second the frame and Locust's statistics",
        {"record": "start and end", "seal": "its share of the frame"},
    ),
)


def command(module: str, kind: str, url: str) -> list[str]:
    """How one rung is started as a process of its own."""
    return [sys.executable, "-m", f"benchmarks.{module}", kind, url, "--seconds", "600"]


def measure(server: WebServer, core: int) -> dict[str, dict[str, float]]:
    """µs of CPU time a request of each rung, and of each step."""
    found: Rounds = alternate({rung.name: command(rung.module, rung.name, server.url) for rung in RUNGS}, server, core)
    alone = ["taskset", "-c", str(core), *command("rungs", "parts", server.url)]
    parts = subprocess.run(alone, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return {"rungs": {name: median_us(rounds) for name, rounds in found.items()}, "parts": json.loads(parts)}


def rows(found: dict[str, dict[str, float]]) -> list[list[str]]:
    """The table: each rung by what it adds to the one below, in µs."""
    below_us, made = 0.0, []
    for rung in RUNGS:
        whole_us = found["rungs"][rung.name]
        parts = ", ".join(f"{said} {found['parts'][name]:.2f}" for name, said in rung.parts.items())
        made.append([rung.adds, f"{whole_us - below_us:.2f}", parts])
        below_us = whole_us
    return [*made, ["all of it", f"{below_us:.2f}", ""]]
