"""`python -m benchmarks.reporting [--seconds N] [--workers N] [--series N]`: what a master needs to hear many workers.

A real master, with the fence, the run directory and all else that it has in a run; its workers are simulated by another
process. Of the master: its CPU time, as a share of one core, and its resident memory, over the measured time.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.readme import write_section
from gameday.locust_processes import MetricsAt, free_address, master_command
from journal.environment import LOAD_SECRET, LOAD_SECRET_FILE
from journal.frame_file import scan
from journal.frames import Frame
from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory, new_run_id
from journal.timeline import read_timeline

SETTLE_S = 10.0
READY_WITHIN_S = 90.0
SAMPLE_EVERY_S = 1.0
MOST_CORES = 0.5


@dataclass(frozen=True)
class Measured:
    """What one run of the benchmark found."""

    workers: int
    series: int
    seconds: float
    cores: float
    begin_mib: float
    end_mib: float
    growth_mib_per_min: float
    frames: int
    expected: int
    bytes_per_s: float


def make_run(folder: Path, workers: int, seconds: float) -> RunDirectory:
    """A run of so many workers that lasts long enough."""
    stage = Stage(users=workers, spawn_rate_per_s=float(workers), duration_s=seconds + READY_WITHIN_S)
    manifest = Manifest(
        run_id=new_run_id(),
        created_at_ns=time.time_ns(),
        command="python -m benchmarks.reporting",
        base_url="http://127.0.0.1:9",
        plan=Plan(name="reporting", load=Load(stages=(stage,), warm_up_s=1.0, drain_s=1.0, workers=workers)),
        profile=Profile(name="nobody", base_url="http://127.0.0.1:9"),
        machine=this_machine(),
        versions={},
    )
    return create_run_directory(folder / "run", manifest)


@contextmanager
def processes(run: RunDirectory, workers: int, series: int) -> Iterator[psutil.Process]:
    """Master and crowd; gives the master."""
    at = free_address()
    environment = {**os.environ, LOAD_SECRET: secrets.token_urlsafe(32), LOAD_SECRET_FILE: ""}
    limits = {"workers": workers, "workers_within_s": READY_WITHIN_S}
    command = master_command(run, base_url="http://127.0.0.1:9", at=at, metrics=MetricsAt(), **limits)  # type: ignore[arg-type]
    crowd_command = [sys.executable, "-P", "-m", "benchmarks.simulated_workers", *map(str, (at.port, workers, series))]
    with (run.logs / "master.log").open("wb") as log:
        master = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        crowd = subprocess.Popen(crowd_command, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(master.pid)
    finally:
        for process in (master, crowd):
            process.send_signal(signal.SIGKILL)
            process.wait()


def await_load(run: RunDirectory, master: psutil.Process) -> None:
    """Until all workers have joined and the load has begun."""
    ends_s = time.monotonic() + READY_WITHIN_S
    while not any(event.data.get("phase") == "load" for event in read_timeline(run.timeline)[0]):
        if time.monotonic() > ends_s or master.status() == psutil.STATUS_ZOMBIE:
            log = run.logs / "master.log"
            raise SystemExit(f"the load did not begin; see the master:\n{log.read_text()[-2000:]}")
        time.sleep(0.5)


def measure(workers: int, series: int, seconds: float) -> Measured:
    """One run: waits until all workers report, then looks at the master for so long."""
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as folder:
        run = make_run(Path(folder), workers, seconds)
        with processes(run, workers, series) as master:
            await_load(run, master)
            time.sleep(SETTLE_S)
            samples = list(_samples(run, master, seconds))
        (began_s, began_cpu_s, _, began_bytes), (ended_s, ended_cpu_s, _, ended_bytes) = samples[0], samples[-1]
        passed_s = ended_s - began_s
        lost = [event for event in read_timeline(run.timeline)[0] if event.data.get("state") == "lost"]
        assert not lost, f"{len(lost)} workers were lost on the way"
        memory = [(at_s - began_s, mib) for at_s, _, mib, _ in samples]
        return Measured(
            workers=workers,
            series=series,
            seconds=passed_s,
            cores=(ended_cpu_s - began_cpu_s) / passed_s,
            begin_mib=statistics.median(mib for _, mib in memory[:10]),
            end_mib=statistics.median(mib for _, mib in memory[-10:]),
            growth_mib_per_min=60 * statistics.linear_regression(*zip(*memory, strict=True)).slope,
            frames=_frames_within(run, began_bytes, ended_bytes),
            expected=round(workers * passed_s),
            bytes_per_s=(ended_bytes - began_bytes) / passed_s,
        )


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
    """The figures as people read them."""
    verdict = "under" if measured.cores < MOST_CORES else "NOT under"
    what = f"{measured.workers} workers, {measured.series} series each, every second, for {measured.seconds:.0f} s"
    return "\n".join(
        (
            f"| {what} | |",
            "| --- | --- |",
            f"| the master's CPU time | {measured.cores:.2f} cores ({verdict} {MOST_CORES:g}) |",
            f"| its memory at the beginning and at the end | {measured.begin_mib:.1f} and {measured.end_mib:.1f} MiB |",
            f"| growth, by a line through all samples | {measured.growth_mib_per_min:+.2f} MiB a minute |",
            f"| frames written down, of those due | {measured.frames} of {measured.expected} |",
            f"| the run directory grows by | {measured.bytes_per_s * 3600 / 1e9:.1f} GB an hour |",
        )
    )


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints, and writes the section of the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reporting", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--note", default="", help="what else is to be known of this measurement")
    options = parser.parse_args(arguments)
    table = told(measure(options.workers, options.series, options.seconds))
    print(table)
    write_section("reporting", "What a master needs to hear many workers", f"{table}\n\n{options.note}".rstrip())


if __name__ == "__main__":
    main()
