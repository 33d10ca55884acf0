"""The HTTP client beside its peers: speed on one core, the price of the recorder, memory of idle users, truth.

`python -m benchmarks.client speed|truth|idle` measures one of them and keeps the figures; `write` puts what is there
into `benchmarks/README.md`. `python -m benchmarks.run client` does all of it.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import CpuWatch, cores, free_port, process, wait_for_port
from benchmarks.peers import FAST_HTTP_USER, HEY, K6, OURS, UNRECORDED, Load, Peer
from benchmarks.readme import write_section
from benchmarks.web_server import WebServer, web_server

ROUNDS = 5
STARTED_AFTER, SETTLE_S, MEASURE_S = 2_000, 0.8, 2.0
IDLE_USERS = 10_000
DELAY_MS, WORK_US = 20.0, 500
Rounds = dict[str, list[dict[str, float]]]
FIGURES = Path(__file__).with_name("client.json")


def keep(name: str, found: Any) -> None:
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps({**figures, name: found}, indent=1) + "\n")


# Speed


def speed_of(peer: Peer, server: WebServer, core: int) -> dict[str, float]:
    """Requests per second by the server's own count, and the share of its core that the generator used."""
    load = Load(server.url, seconds=20.0)
    idle = server.served()
    with (
        tempfile.TemporaryDirectory() as folder,
        process(peer.command(load, Path(folder)), core, GOMAXPROCS="1") as run,
    ):
        while server.served() - idle < STARTED_AFTER and run.poll() is None:
            time.sleep(0.02)
        time.sleep(SETTLE_S)
        watch, before, began_s = CpuWatch(run.pid), server.served(), time.perf_counter()
        time.sleep(MEASURE_S)
        served, lasted_s = server.served() - before - 1, time.perf_counter() - began_s
        return {"per_s": served / lasted_s, "cpu": watch.share()}


def speed() -> None:
    peers = (OURS, UNRECORDED, FAST_HTTP_USER, K6, HEY)
    found: Rounds = {peer.name: [] for peer in peers}
    mine, its = cores()
    with web_server(its) as server:
        for _ in range(ROUNDS):
            for peer in peers:
                found[peer.name].append(speed_of(peer, server, mine))
    keep("speed", found)


# Truth


def truth_of(peer: Peer, users: int, core: int, server_core: int) -> dict[str, float]:
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
    mine, its = cores()
    peers = {OURS: 50, FAST_HTTP_USER: 50, K6: 50, HEY: 400}
    found: Rounds = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer, users in peers.items():
            found[peer.name].append(truth_of(peer, users, mine, its))
    keep("truth", found)


# Memory


def idle() -> None:
    mine, its = cores()
    with web_server(its) as server:
        command = [sys.executable, "-m", "benchmarks.generator", "recorded", server.url, "--users", str(IDLE_USERS)]
        with process([*command, "--pause-s", "600", "--seconds", "25"], mine) as run:
            output, _ = run.communicate(timeout=120)
    keep("idle", json.loads(output.splitlines()[-1]))


# What is written


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def per_cpu_s(one: dict[str, float]) -> float:
    return one["per_s"] / one["cpu"]


def ratio(found: Rounds, ours: Peer, peer: Peer) -> float:
    pairs = zip(found[ours.name], found[peer.name], strict=True)
    return statistics.median(per_cpu_s(mine) / per_cpu_s(other) for mine, other in pairs)


def speed_row(name: str, rounds: list[dict[str, float]]) -> list[str]:
    fast = statistics.median(per_cpu_s(one) for one in rounds)
    return [
        name,
        f"{median(rounds, 'per_s'):,.0f}",
        f"{median(rounds, 'cpu'):.0%}",
        f"{fast:,.0f}",
        f"{1e6 / fast:.1f}",
    ]


def speed_text(found: Rounds) -> str:
    against = ", ".join(f"{ratio(found, OURS, peer):.2f} × {peer.name}" for peer in (FAST_HTTP_USER, K6, HEY))
    return (
        "### Speed on one core\n50 users, small JSON and a cookie with every answer over loopback from nginx with one "
        "worker on the other core; nginx counts the requests. Ours is `HttpUser` in Locust with one request per task, "
        "cookies and default headers. The machine is shared and gives a generator less than a whole core at times, so "
        "the ratios are of requests per second of CPU time.\n\n"
        + table(
            ["generator", "requests/s", "of its core", "requests per CPU second", "µs of CPU a request"],
            [speed_row(name, rounds) for name, rounds in found.items()],
        )
        + f"\nPer CPU second that is {against}. The recorder costs {1 - ratio(found, OURS, UNRECORDED):.1%}.\n"
    )


def truth_text(found: Rounds) -> str:
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
    return (
        f"### Idle users\n{IDLE_USERS:,} users of one worker, each with a keep-alive connection after one request: "
        f"{found['rss_mb']:,.0f} MiB resident ({found['count']:.0f} requests recorded).\n"
    )


def write() -> None:
    figures = json.loads(FIGURES.read_text())
    texts: dict[str, Callable[[Any], str]] = {"speed": speed_text, "truth": truth_text, "idle": idle_text}
    parts = [text(figures[name]) for name, text in texts.items() if name in figures]
    write_section("client", "The HTTP client", "\n".join(parts))


MEASUREMENTS: dict[str, Callable[[], None]] = {"speed": speed, "truth": truth, "idle": idle, "write": write}


def main(names: Sequence[str] = ()) -> None:
    for name in names or MEASUREMENTS:
        if name not in MEASUREMENTS:
            sys.exit(f"there is no measurement {name!r}; there are: {', '.join(MEASUREMENTS)}")
        MEASUREMENTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
