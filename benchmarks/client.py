"""The HTTP client beside its peers: speed on one core, the price of the recorder, memory of idle users, truth.

`python -m benchmarks.client speed|recorder|microseconds|truth|idle` measures one of them and keeps the figures; `write`
puts what is there into `benchmarks/README.md`. `python -m benchmarks.run client` does all of it.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import microseconds
from benchmarks.machine import CpuWatch, cores, free_port, process, wait_for_port
from benchmarks.peers import FAST_HTTP_USER, HEY, K6, OURS, UNRECORDED, Load, Peer
from benchmarks.readme import write_section
from benchmarks.slices import SLICE_S, TURNS, Slice, alternate, median_us, times_faster
from benchmarks.web_server import web_server

ROUNDS = 5
IDLE_USERS = 10_000
AIM_OF_HEY = 1.1
DELAY_MS, WORK_US = 20.0, 500
PAIR_TURNS, PAIR_SLICE_S = 5, 1.0  # a slice has its share of what happens once a second
FIGURES = Path(__file__).with_name("client.json")


def keep(name: str, found: Any) -> None:
    """Puts what was found beside what other measurements left."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps({**figures, name: found}, indent=1) + "\n")


# Speed


def in_turn(peers: Sequence[Peer], **how: Any) -> dict[str, list[dict[str, float]]]:
    """Each of them under the same load, in slices; see `benchmarks.slices`."""
    mine, its = cores()
    with web_server(its) as server, tempfile.TemporaryDirectory() as folder:
        load = Load(server.url, seconds=600.0)
        commands = {peer.name: peer.command(load, Path(folder)) for peer in peers}
        found = alternate(commands, server, mine, **how)
    return {name: [asdict(one) for one in rounds] for name, rounds in found.items()}


def speed() -> None:
    """Every peer in turn against the same nginx, round by round."""
    keep("speed", in_turn((OURS, FAST_HTTP_USER, K6, HEY)))


def recorder() -> None:
    """The price of the recorder: with it and without, in pairs of neighbouring slices."""
    keep("recorder", in_turn((OURS, UNRECORDED), turns=PAIR_TURNS, slice_s=PAIR_SLICE_S))


def where_each_goes() -> None:
    """What each layer below a request adds to its cost."""
    mine, its = cores()
    with web_server(its) as server:
        keep("microseconds", microseconds.measure(server, mine))


# Truth


def truth_of(peer: Peer, users: int, core: int, server_core: int) -> dict[str, float]:
    """What one peer says of a server that delays by a known amount, beside what that server knows."""
    port = free_port()
    server = [sys.executable, "-m", "benchmarks.truth_server", str(port), "--delay-ms", str(DELAY_MS)]
    load = Load(f"http://127.0.0.1:{port}", users=users, seconds=4.0, work_us=WORK_US)
    with process(server, server_core) as truth:
        wait_for_port(port)
        with tempfile.TemporaryDirectory() as folder:
            with process(peer.command(load, Path(folder)), core, GOMAXPROCS="1") as run:
                time.sleep(2.5)
                watch = CpuWatch(run.pid)
                time.sleep(1.0)
                cpu = watch.share()
                output, _ = run.communicate(timeout=60)
            said = peer.percentiles_ms(output, Path(folder))
        truth.terminate()
        true = json.loads(truth.communicate(timeout=20)[0].splitlines()[-1])
    off = {f"off{share}_ms": said[share] - true[f"p{share}_ms"] for share in (50, 99)}
    return {"cpu": cpu, "count": true["count"], "true50_ms": true["p50_ms"], "true99_ms": true["p99_ms"], **off}


def truth() -> None:
    """Every peer in turn against the server that knows, round by round."""
    mine, its = cores()
    peers = {OURS: 50, FAST_HTTP_USER: 50, K6: 50, HEY: 400}
    found: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer, users in peers.items():
            found[peer.name].append(truth_of(peer, users, mine, its))
    keep("truth", found)


# Memory


def idle() -> None:
    """How much memory a worker takes whose users keep idle connections."""
    mine, its = cores()
    with web_server(its) as server:
        command = [sys.executable, "-m", "benchmarks.generator", "recorded", server.url, "--users", str(IDLE_USERS)]
        with process([*command, "--pause-s", "600", "--seconds", "25"], mine) as run:
            output, _ = run.communicate(timeout=120)
    keep("idle", json.loads(output.splitlines()[-1]))


# What is written


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def median(rounds: list[dict[str, float]], name: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(one[name] for one in rounds)


def slices_of(rounds: list[dict[str, float]]) -> list[Slice]:
    """What was kept, as slices again."""
    return [Slice(int(one["requests"]), one["lasted_s"], one["cpu_s"]) for one in rounds]


def speed_row(name: str, rounds: list[Slice]) -> list[str]:
    """One generator as a row of the table."""
    us = median_us(rounds)
    return [
        name,
        f"{statistics.median(one.requests / one.lasted_s for one in rounds):,.0f}",
        f"{statistics.median(one.cpu_s / one.lasted_s for one in rounds):.0%}",
        f"{1e6 / us:,.0f}",
        f"{us:.1f}",
    ]


def speed_text(kept: dict[str, list[dict[str, float]]]) -> str:
    """What was found of the speed, in words and a table."""
    found = {name: slices_of(rounds) for name, rounds in kept.items()}
    ratios = {peer: times_faster(found[OURS.name], found[peer.name]) for peer in (FAST_HTTP_USER, K6, HEY)}
    against = ", ".join(f"{ratio:.2f} × {peer.name}" for peer, ratio in ratios.items())
    return (
        "### Speed on one core\n50 users, small JSON and a cookie with every answer over loopback from nginx with one "
        "worker on the other core; nginx counts the requests. Ours is `HttpUser` in Locust with one request per task, "
        "cookies and default headers. The machine is shared and gives a generator less than a whole core at times, so "
        "the ratios are of requests per second of CPU time, and the generators take turns in slices of "
        f"{SLICE_S:g} s: {TURNS} make a round, {ROUNDS} rounds give medians.\n\n"
        + table(
            ["generator", "requests/s", "of its core", "requests per CPU second", "µs of CPU a request"],
            [speed_row(name, rounds) for name, rounds in found.items()],
        )
        + f"\nPer CPU second that is {against}.{_short_of_aim(median_us(found[OURS.name]), ratios[HEY])}\n"
    )


def _short_of_aim(our_us: float, ratio: float) -> str:
    """What is missing to the aim, which the price of each step explains further down; empty when nothing is."""
    if ratio >= AIM_OF_HEY:
        return ""
    missing_us = our_us * (1 - ratio / AIM_OF_HEY)
    return f" The aim of {AIM_OF_HEY:g} × hey is missed by {missing_us:.1f} µs a request."


def recorder_text(kept: dict[str, list[dict[str, float]]]) -> str:
    """The price of the recorder, in words."""
    on, off = slices_of(kept[OURS.name]), slices_of(kept[UNRECORDED.name])
    costs = sorted(1 - without.us / recorded.us for recorded, without in zip(on, off, strict=True))
    return (
        f"### The price of the recorder\nThe same with the recorder on and off, in pairs of neighbouring slices of "
        f"{PAIR_SLICE_S:g} s, {PAIR_TURNS} pairs to a round: {median_us(on):.2f} against {median_us(off):.2f} µs a "
        f"request. Of the requests per CPU second it costs {statistics.median(costs):.1%}, the median of {len(costs)} "
        f"rounds, which lie between {costs[0]:.1%} and {costs[-1]:.1%}.\n"
    )


def microseconds_text(found: dict[str, dict[str, float]]) -> str:
    """Where each microsecond goes, as a table."""
    return (
        "### Where each microsecond goes\nThe same request, taken apart: each line is a generator that does what the "
        "line above does and this besides, and the figure is what it needs more, in µs of CPU time a request (medians "
        f"of {ROUNDS} rounds; they take turns as above). What a step takes by itself in a loop, with everything in the "
        "cache, stands beside it.\n\n" + table(["what", "µs", "by itself"], microseconds.rows(found))
    )


def truth_text(found: dict[str, list[dict[str, float]]]) -> str:
    """What was found of the truth, in words and a table."""
    rows = [
        [
            name,
            f"{median(rounds, 'cpu'):.0%}",
            *(f"{median(rounds, f'true{share}_ms'):.2f}" for share in (50, 99)),
            *(f"{median(rounds, f'off{share}_ms'):+.2f}" for share in (50, 99)),
        ]
        for name, rounds in found.items()
    ]
    return (
        f"### Truth under load\nA server on the other core delays each answer by {DELAY_MS:g} ms and records how long "
        f"each request was really with it. Each generator has 50 users that compute for {WORK_US} µs after every "
        "answer, as journeys do, so that its core is full; hey cannot compute, so it has 400 connections.\n\n"
        + table(
            ["generator", "of its core", "true p50 (ms)", "true p99 (ms)", "p50 off by (ms)", "p99 off by (ms)"], rows
        )
    )


def idle_text(found: dict[str, float]) -> str:
    """What was found of idle users, in words."""
    return (
        f"### Idle users\n{IDLE_USERS:,} users of one worker, each with a keep-alive connection after one request: "
        f"{found['rss_mb']:,.0f} MiB resident ({found['count']:.0f} requests recorded).\n"
    )


def write() -> None:
    """Writes the section from all that is kept."""
    figures = json.loads(FIGURES.read_text())
    texts: dict[str, Callable[[Any], str]] = {
        "speed": speed_text,
        "recorder": recorder_text,
        "microseconds": microseconds_text,
        "truth": truth_text,
        "idle": idle_text,
    }
    parts = [text(figures[name]) for name, text in texts.items() if name in figures]
    write_section("client", "The HTTP client", "\n".join(parts))


MEASUREMENTS: dict[str, Callable[[], None]] = {
    "speed": speed,
    "recorder": recorder,
    "microseconds": where_each_goes,
    "truth": truth,
    "idle": idle,
    "write": write,
}


def main(names: Sequence[str] = ()) -> None:
    """Takes the measurements that are named, or all, and writes the section."""
    for name in names or MEASUREMENTS:
        if name not in MEASUREMENTS:
            sys.exit(f"there is no measurement {name!r}; there are: {', '.join(MEASUREMENTS)}")
        MEASUREMENTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
