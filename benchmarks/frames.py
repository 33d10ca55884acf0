"""`python -m benchmarks.frames`: what a worker's frame weighs, and what it costs each of those who take it.

Frames of 20 series with log-normal times around 40 ms, for some rates per series: their length; the processor time of
the master to check a frame and write it down, of the conductor to follow it for its live view and its guards, of the
analysis to read and judge it, with report; and the memory that the analysis needs for each second of a run, for which
it merges the frames of all workers. Written to benchmarks/README.md.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.made_seconds import seconds_of_load
from benchmarks.readme import write_section
from benchmarks.reporting import make_run
from gameday.progress import Progress
from journal.frames import Frame, encode
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Phase, Timeline
from load.distributed.collector import Collector
from load.distributed.reporter import Parcel

SERIES, RATES = 20, (20, 200, 1_400)
WORKERS, SECONDS = 20, 60


@dataclass(frozen=True)
class Cost:
    """Of a frame: its length, µs of processor time for each who takes it; of a second: KB of memory to judge it."""

    requests: int
    length: float
    master_us: float
    conductor_us: float
    analysis_us: float
    analysis_kb: float


def frames_of(workers: int, seconds: int, requests: int) -> list[Frame]:
    """What so many workers tell, second by second."""
    load, now = seconds_of_load(SERIES, requests), int(time.time()) - seconds
    return [
        Frame(f"worker-{worker}", second + 1, now + second, 100, load[(second + worker) % len(load)])
        for second in range(seconds)
        for worker in range(workers)
    ]


def spent_s(work: Callable[[], object]) -> float:
    """Processor time of this process."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def written(folder: Path, frames: list[Frame]) -> tuple[RunDirectory, float]:
    """A run directory with these frames, and the seconds that a master spent on them."""
    run = make_run(folder, WORKERS, warm_up_s=1.0, seconds=float(SECONDS))
    timeline = Timeline(run.timeline)
    timeline.write(EventKind.PHASE, phase=Phase.LOAD)
    parcels = [(frame.worker, Parcel(frame.sequence, encode(frame), last=False)) for frame in frames]
    collector = Collector(run)
    took_s = spent_s(lambda: [collector.take(*each) for each in parcels])
    collector.close()
    timeline.close()
    shift_phases(run, frames)
    return run, took_s


def shift_phases(run: RunDirectory, frames: list[Frame]) -> None:
    """The load begins with the first of the frames, which were made in no time, and ends with the last."""
    begin_ns, end_ns = frames[0].second * 10**9, (frames[-1].second + 1) * 10**9
    phases = ((begin_ns, Phase.LOAD), (end_ns, Phase.DRAIN), (end_ns, Phase.ENDED))
    lines = [f'{{"at_ns": {at_ns}, "kind": "phase", "phase": "{phase}"}}\n' for at_ns, phase in phases]
    run.timeline.write_text("".join(lines))


def followed_s(run: RunDirectory) -> float:
    """Processor seconds of the conductor."""
    progress = Progress(run, run.read_manifest().plan.slo)
    return spent_s(progress.refresh)


def judged(run: RunDirectory) -> tuple[float, float]:
    """Processor seconds, and the most KB of memory of its own, of a process that judges the run.

    The file of frames is mapped: its pages are the page cache's, which takes them back when they are needed.
    """
    process = subprocess.Popen([sys.executable, "-P", "-m", "analysis", str(run.path)], stdout=subprocess.DEVNULL)
    most_kb, ended, used = 0.0, 0, None
    while not ended:
        most_kb = max(most_kb, own_kb(process.pid))
        ended, _, used = os.wait4(process.pid, os.WNOHANG)
        time.sleep(0.005)
    process.returncode = 0  # whatever the verdict is
    assert used is not None
    return used.ru_utime + used.ru_stime, most_kb


def own_kb(pid: int) -> float:
    """What a process holds beside mapped files; 0 for one that has just ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((float(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0.0)


def cost(requests: int) -> Cost:
    """The costs of a frame; of the analysis, by what as many frames again cost more."""
    whole = frames_of(WORKERS, SECONDS, requests)
    half = whole[: len(whole) // 2]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        run, master_s = written(Path(one), whole)
        small, _ = written(Path(other), half)
        follow_s = followed_s(run)
        (more_s, more_kb), (less_s, less_kb) = judged(run), judged(small)
        length = run.frames.stat().st_size / len(whole)
    return Cost(
        requests=requests,
        length=length,
        master_us=master_s / len(whole) * 1e6,
        conductor_us=follow_s / len(whole) * 1e6,
        analysis_us=(more_s - less_s) / len(half) * 1e6,
        analysis_kb=(more_kb - less_kb) / (len(half) / WORKERS),
    )


def told(costs: list[Cost]) -> str:
    """The table as people read it."""
    lines = [
        f"A frame of {SERIES} series, of each its times and its lags, beside what a worker tells of itself; "
        f"processor time to take one. Judged are runs of {WORKERS} workers.",
        "",
        "| requests a second of each series | bytes of a frame | master µs | conductor µs | analysis µs "
        "| analysis, memory KB a second of the run |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in costs:
        spent = f"{one.master_us:,.0f} | {one.conductor_us:,.0f} | {one.analysis_us:,.0f} | {one.analysis_kb:,.0f}"
        lines.append(f"| {one.requests:,} | {one.length:,.0f} | {spent} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints, and writes the section of the README."""
    table = told([cost(requests) for requests in RATES])
    print(table)
    write_section("frames", "What a frame costs", table)


if __name__ == "__main__":
    main()
