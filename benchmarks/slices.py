"""Generators on one core, in turn: all of them are started and stopped, then each goes on for a slice of time at once.

So a slow moment of a shared machine meets neighbours alike, and no slice has a start in it. A round is the sum of many
short slices of each generator; every second turn goes backward, so that a drift of the machine favours nobody.
"""

import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.machine import CpuWatch, process
from benchmarks.web_server import WebServer

ROUNDS, TURNS, SLICE_S = 5, 6, 0.4
STARTED_AFTER, STARTS_WITHIN_S, SETTLE_S = 10_000, 60.0, 0.02


@dataclass(frozen=True)
class Slice:
    """What one generator did: requests by the server's own count, seconds, and CPU seconds."""

    requests: int
    lasted_s: float
    cpu_s: float

    @property
    def us(self) -> float:
        """µs of CPU time a request."""
        return 1e6 * self.cpu_s / self.requests

    def __add__(self, other: "Slice") -> "Slice":
        return Slice(self.requests + other.requests, self.lasted_s + other.lasted_s, self.cpu_s + other.cpu_s)


NOTHING = Slice(0, 0.0, 0.0)
Rounds = dict[str, list[Slice]]


def alternate(
    commands: dict[str, Sequence[str]], server: WebServer, core: int, *, turns: int = TURNS, slice_s: float = SLICE_S
) -> Rounds:
    """The rounds of each generator, by name; every one keeps its connections while it stands still."""
    with ExitStack() as stack:
        running: dict[str, subprocess.Popen[str]] = {}
        for name, command in commands.items():
            running[name] = stack.enter_context(process(command, core, GOMAXPROCS="1"))
            stack.callback(running[name].kill)  # who is stopped hears nothing else
            _await_load(name, running[name], server)
            running[name].send_signal(signal.SIGSTOP)
        rounds = [_round(running, server, turns, slice_s) for _ in range(ROUNDS)]
        return {name: [one[name] for one in rounds] for name in commands}


def _await_load(name: str, run: subprocess.Popen[str], server: WebServer) -> None:
    before, ends_s = server.served(), time.monotonic() + STARTS_WITHIN_S
    while server.served() - before < STARTED_AFTER:
        time.sleep(0.05)
        if run.poll() is not None or time.monotonic() > ends_s:
            run.kill()
            raise SystemExit(f"{name} sends nothing: {run.communicate()[0][-500:]}")


def _round(
    running: dict[str, subprocess.Popen[str]], server: WebServer, turns: int, slice_s: float
) -> dict[str, Slice]:
    sums = dict.fromkeys(running, NOTHING)
    for turn in range(turns):
        for name in list(running)[:: -1 if turn % 2 else 1]:
            sums[name] += _slice(running[name], server, slice_s)
    return sums


def _slice(run: subprocess.Popen[str], server: WebServer, slice_s: float) -> Slice:
    run.send_signal(signal.SIGCONT)
    time.sleep(SETTLE_S)
    watch, before, began_s = CpuWatch(run.pid), server.served(), time.perf_counter()
    time.sleep(slice_s)
    cpu_s, served, lasted_s = watch.used_s(), server.served() - before - 1, time.perf_counter() - began_s
    run.send_signal(signal.SIGSTOP)
    return Slice(served, lasted_s, cpu_s)


def median_us(rounds: Sequence[Slice]) -> float:
    """The median of the µs of CPU time a request."""
    return statistics.median(one.us for one in rounds)


def times_faster(ours: Sequence[Slice], other: Sequence[Slice]) -> float:
    """Requests per CPU second against those of another: the median of the ratios of each round."""
    return statistics.median(theirs.us / mine.us for mine, theirs in zip(ours, other, strict=True))
