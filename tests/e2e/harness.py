"""Whole game days as a user runs them: the command in a child process, its exit code, its run directory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from analysis.verdict import GateResult, Verdict, read_verdict

T = TypeVar("T")

SHORT_PLAN = """\
name: short
seed: 3
load:
  stages:
    - {users: 20, spawn_rate_per_s: 20, duration_s: 14}
  warm_up_s: 3
  workers: 1
  think_time: {min_s: 0.05, max_s: 0.2}
gates:
  required: [latency, availability, invariants]
"""


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    code: int
    output: str
    path: Path

    @property
    def verdict(self) -> Verdict:
        return read_verdict(self.path / "verdict.json")

    def failed(self) -> list[GateResult]:
        return [gate for gate in self.verdict.gates if gate.state == "fail"]

    def failed_subjects(self, gate: str) -> set[str]:
        return {row.subject for row in self.failed() if row.gate == gate}


def gameday(*arguments: str, cwd: Path, ledger: Path, timeout_s: float = 150) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GAMEDAY_LEDGER": str(ledger)}
    return subprocess.run(
        [sys.executable, "-P", "-m", "gameday", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class Background:
    """A command that runs beside the test, in a session of its own."""

    process: subprocess.Popen[str]
    log: Path

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def eventually(look: Callable[[], T], *, within_s: float, what: str) -> T:
    """The first true value of `look`, polled until the deadline."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s:g} s: {what}")


def timeline(path: Path) -> list[dict[str, object]]:
    file = path / "timeline.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]
