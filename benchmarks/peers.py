"""The generators that are compared: how each is started for the same load, and what it says of the latency."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import tool

K6_SCRIPT = """
import http from 'k6/http';
import { check } from 'k6';
export const options = {
  vus: Number(__ENV.USERS), duration: __ENV.FOR_S + 's', summaryTrendStats: ['med', 'p(99)'], noUsageReport: true,
};
const workMs = Number(__ENV.WORK_US) / 1000;
export default function () {
  const answer = http.get(__ENV.URL);
  check(answer, { ok: (a) => a.status === 200 });
  if (workMs) { const ends = performance.now() + workMs; while (performance.now() < ends) {} }
}
"""


@dataclass(frozen=True)
class Load:
    """The same for each generator; `work_us` is what a user computes after each answer, where it can."""

    url: str
    users: int = 50
    seconds: float = 6.0
    work_us: int = 0


@dataclass(frozen=True)
class Peer:
    """A generator, all of whose threads share one core."""

    name: str
    command: Callable[[Load, Path], list[str]]
    percentiles_ms: Callable[[str, Path], dict[int, float]]


def _own(kind: str) -> Callable[[Load, Path], list[str]]:
    def command(load: Load, _: Path) -> list[str]:
        told = ["--users", str(load.users), "--seconds", str(load.seconds), "--work-us", str(load.work_us)]
        return [sys.executable, "-m", "benchmarks.generator", kind, load.url, *told]

    return command


def _own_percentiles(output: str, _: Path) -> dict[int, float]:
    found = json.loads(output.splitlines()[-1])
    return {share: found[f"p{share}_ms"] for share in (50, 99) if f"p{share}_ms" in found}


def _k6(load: Load, folder: Path) -> list[str]:
    script = folder / "script.js"
    script.write_text(K6_SCRIPT)
    told = {"URL": f"{load.url}/item", "USERS": load.users, "FOR_S": round(load.seconds), "WORK_US": load.work_us}
    given = [word for name, value in told.items() for word in ("-e", f"{name}={value}")]
    return [tool("k6"), "run", "--quiet", "--summary-export", str(folder / "summary.json"), *given, str(script)]


def _k6_percentiles(_: str, folder: Path) -> dict[int, float]:
    found = json.loads((folder / "summary.json").read_text())["metrics"]["http_req_duration"]
    return {50: found["med"], 99: found["p(99)"]}


def _hey(load: Load, _: Path) -> list[str]:
    return [tool("hey"), "-z", f"{load.seconds:g}s", "-c", str(load.users), f"{load.url}/item"]


def _hey_percentiles(output: str, _: Path) -> dict[int, float]:
    return {share: 1000 * float(re.search(rf"{share}%+ in ([\d.]+) secs", output)[1]) for share in (50, 99)}  # type: ignore[index]


OURS = Peer("aia-gameday, recorder on", _own("recorded"), _own_percentiles)
UNRECORDED = Peer("aia-gameday, recorder off", _own("unrecorded"), _own_percentiles)
FAST_HTTP_USER = Peer("Locust FastHttpUser", _own("fasthttp"), _own_percentiles)
K6 = Peer("k6, GOMAXPROCS=1", _k6, _k6_percentiles)
HEY = Peer("hey, GOMAXPROCS=1", _hey, _hey_percentiles)
