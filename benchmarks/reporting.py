"""`python -m benchmarks.reporting [--crowd WORKERSxREQUESTS …]`: what a master needs to hear many workers.

A real master, with the fence, the run directory and all else that it has in a run; its workers are simulated by another
process. Of the master: its CPU time, as a share of one core, and its memory, which the product's own verdict judges
from the readings of the run, after a warm-up. With several crowds: a table of what each takes.
"""

import argparse
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from analysis.evidence import load_evidence
from analysis.memory import memory_results
from analysis.verdict import MemoryResult, State
from benchmarks.machine import ROOT, CpuWatch
from benchmarks.readme import write_section
from gameday.locust_processes import MetricsAt, free_address, master_command
from journal.environment import LOAD_SECRET, LOAD_SECRET_FILE
from journal.frame_file import scan
from journal.frames import Frame
from journal.manifest import Manifest, this_machine
from journal.plan import Gates, Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory, new_run_id
from journal.timeline import Phase, read_timeline

READY_WITHIN_S = 90.0
ENDS_WITHIN_S = 90.0
SAMPLE_EVERY_S = 1.0
MOST_CORES = 0.5
ONE = "reporting", "What a master needs to hear many workers"
MANY = "masters", "How many workers one master hears"


@dataclass(frozen=True)
class Measured:
    """What one run of the benchmark found."""

    workers: int
    series: int
    requests: int
    seconds: float
    cores: float
    crowd_cores: float
    begin_mib: float
    end_mib: float
    memory: MemoryResult
    frames: int
    expected: int
    bytes_per_s: float


def make_run(folder: Path, workers: int, warm_up_s: float, seconds: float) -> RunDirectory:
    """A run of so many workers that lasts long enough, and whose memory is to be judged."""
    lasts_s = warm_up_s + seconds + READY_WITHIN_S
    stage = Stage(users=workers, spawn_rate_per_s=float(workers), duration_s=lasts_s)
    load = Load(stages=(stage,), warm_up_s=warm_up_s, drain_s=1.0, workers=workers)
    manifest = Manifest(
        run_id=new_run_id(),
        created_at_ns=time.time_ns(),
        command="python -m benchmarks.reporting",
        base_url="http://127.0.0.1:9",
        plan=Plan(name="reporting", load=load, gates=Gates(required=("memory",))),
        profile=Profile(name="nobody", base_url="http://127.0.0.1:9"),
        machine=this_machine(),
        versions={},
    )
    return create_run_directory(folder / "run", manifest)


@contextmanager
def processes(
    run: RunDirectory, workers: int, series: int, requests: int
) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """Master and crowd; the block's end is that of the run, in order."""
    at = free_address()
    environment = {**os.environ, LOAD_SECRET: secrets.token_urlsafe(32), LOAD_SECRET_FILE: ""}
    limits = {"workers": workers, "workers_within_s": READY_WITHIN_S}
    command = master_command(run, base_url="http://127.0.0.1:9", at=at, metrics=MetricsAt(), **limits)  # type: ignore[arg-type]
    crowd_command = [sys.executable, "-m", "benchmarks.simulated_workers"]
    crowd_command += map(str, (at.port, workers, series, requests))
    with (run.logs / "master.log").open("wb") as log:
        master = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        crowd = subprocess.Popen(crowd_command, env=environment, stdout=log, stderr=log, cwd=ROOT)
    try:
        yield psutil.Process(master.pid), psutil.Process(crowd.pid)
        master.send_signal(signal.SIGTERM)
        for process in (master, crowd):
            process.wait(ENDS_WITHIN_S)
    finally:
        for process in (master, crowd):
            process.kill()
            process.wait()


def await_phase(run: RunDirectory, phase: Phase, both: Sequence[psutil.Process], within_s: float) -> None:
    """Until the run has come so far."""
    ends_s = time.monotonic() + within_s
    while not any(event.data.get("phase") == phase for event in read_timeline(run.timeline)[0]):
        if time.monotonic() > ends_s or any(one.status() == psutil.STATUS_ZOMBIE for one in both):
            log = run.logs / "master.log"
            raise SystemExit(f"the phase {phase} did not begin; see the master:\n{log.read_text()[-2000:]}")
        time.sleep(0.5)


def measure(workers: int, series: int, requests: int, warm_up_s: float, seconds: float) -> Measured:
    """One run: waits until all workers report and the warm-up is over, then looks at the master for so long."""
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as folder:
        run = make_run(Path(folder), workers, warm_up_s, seconds)
        with processes(run, workers, series, requests) as (master, crowd):
            await_phase(run, Phase.WARM_UP, (master, crowd), READY_WITHIN_S)
            await_phase(run, Phase.LOAD, (master, crowd), warm_up_s + SAMPLE_EVERY_S + READY_WITHIN_S)
            crowd_watch = CpuWatch(crowd.pid)
            samples = list(_samples(run, master, seconds))
            crowd_cores = crowd_watch.share()
        (began_s, began_cpu_s, _, began_bytes), (ended_s, ended_cpu_s, _, ended_bytes) = samples[0], samples[-1]
        passed_s = ended_s - began_s
        lost = [event for event in read_timeline(run.timeline)[0] if event.data.get("state") == "lost"]
        assert not lost, f"{len(lost)} workers were lost on the way"
        memory = [mib for _, _, mib, _ in samples]
        frames = _frames_within(run, began_bytes, ended_bytes)
        return Measured(
            workers=workers,
            series=series,
            requests=requests,
            seconds=passed_s,
            cores=(ended_cpu_s - began_cpu_s) / passed_s,
            crowd_cores=crowd_cores,
            begin_mib=statistics.median(memory[:10]),
            end_mib=statistics.median(memory[-10:]),
            memory=judged_memory(run),
            frames=frames,
            expected=round(workers * passed_s),
            bytes_per_s=(ended_bytes - began_bytes) / passed_s,
        )


def judged_memory(run: RunDirectory) -> MemoryResult:
    """What the product says of the master's memory; it needs no frames, which would take minutes to read."""
    run.frames.write_bytes(b"")
    results = memory_results(load_evidence(run))
    return next(result for result in results if result.subject == "generator master")


def _samples(run: RunDirectory, master: psutil.Process, seconds: float) -> Iterator[tuple[float, float, float, int]]:
    """Time, the master's CPU time, its memory in MiB, the length of its file of frames; once a second."""
    ends_s = time.monotonic() + seconds
    while True:
        cpu = master.cpu_times()
        yield time.monotonic(), cpu.user + cpu.system, master.memory_info().rss / 2**20, run.frames.stat().st_size
        if time.monotonic() >= ends_s:
            return
        time.sleep(SAMPLE_EVERY_S)


def _frames_within(run: RunDirectory, begin: int, end: int) -> int:
    """How many frames the master wrote down in a stretch of its file; torn ends belong to nobody."""
    with run.frames.open("rb") as file:
        file.seek(begin)
        return sum(isinstance(found, Frame) for found in scan(file.read(end - begin)))


def told(measured: Measured) -> str:
    """The figures of one run as people read them."""
    verdict = "under" if measured.cores < MOST_CORES else "NOT under"
    what = f"{measured.workers} workers, {_each(measured)}, for {measured.seconds:.0f} s after a warm-up"
    return "\n".join(
        (
            f"| {what} | |",
            "| --- | --- |",
            f"| the master's CPU time | {measured.cores:.2f} cores ({verdict} {MOST_CORES:g}) |",
            f"| its memory at the beginning and at the end | {measured.begin_mib:.1f} and {measured.end_mib:.1f} MiB |",
            f"| its memory, as the product judges it | {_memory_words(measured.memory)} |",
            f"| frames written down, of those due | {measured.frames:,} of {measured.expected:,} |",
            f"| the run directory grows by | {measured.bytes_per_s * 3600 / 1e9:.1f} GB an hour |",
            f"| a frame has | {measured.bytes_per_s / measured.workers:,.0f} bytes |",
        )
    )


def _each(measured: Measured) -> str:
    return f"each of {measured.series} series with {measured.requests} requests every second"


def _memory_words(memory: MemoryResult) -> str:
    said = f"{memory.shape}: {memory.reason.removeprefix(memory.subject).strip()}"
    return said if memory.state != State.INCONCLUSIVE else f"{said} (it calls nothing clean before an hour)"


def told_many(measured: list[Measured]) -> str:
    """A line for each crowd."""
    head = (
        f"{measured[0].series} series each, for {measured[0].seconds:.0f} s after a warm-up; the frames of a second "
        "tell of so many requests. The simulated workers share the machine with the master.",
        "",
        "| workers | requests/s told of | the master's cores | per worker, millicores | the workers' cores "
        "| master's memory MiB | frames written, of those due | run directory MB/s |",
        f"|{' ---: |' * 8}",
    )
    return "\n".join((*head, *map(_line, measured)))


def _line(one: Measured) -> str:
    told_of = one.workers * one.series * one.requests
    return (
        f"| {one.workers} | {told_of:,} | {one.cores:.2f} | {1000 * one.cores / one.workers:.2f} "
        f"| {one.crowd_cores:.2f} | {one.end_mib:.0f} | {one.frames:,} of {one.expected:,} "
        f"| {one.bytes_per_s / 1e6:.2f} |"
    )


def crowd(text: str) -> tuple[int, int]:
    """Workers, and the requests a second of each series of each of them, written as 200x20."""
    workers, _, requests = text.partition("x")
    return int(workers), int(requests)


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints, and writes the section of the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reporting", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to measure (600)")
    parser.add_argument("--warm-up-s", type=float, default=180.0, help="how long to wait before that (180)")
    parser.add_argument("--crowd", type=crowd, nargs="+", default=[(200, 20)], help="such as 200x20; one after another")
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--note", default="", help="what else is to be known of this measurement")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no process is left behind
    found = [
        measure(workers, options.series, requests, options.warm_up_s, options.seconds)
        for workers, requests in options.crowd
    ]
    one_only = len(found) == 1
    table = told(found[0]) if one_only else told_many(found)
    name, title = ONE if one_only else MANY
    print(table)
    write_section(name, title, f"{table}\n\n{options.note}".rstrip())


if __name__ == "__main__":
    main()
