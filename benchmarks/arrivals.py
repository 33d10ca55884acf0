"""How well the open model keeps its schedule: 2,000 arrivals a second on one core, by the product's own frames.

A whole Locust process with all that a worker does is pinned to one core; a target that answers at once has another.
Each arrival is a pass of one request. Written to benchmarks/README.md, with the table of coordinated omission.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.evidence import Evidence, load_evidence
from benchmarks import omission
from benchmarks.readme import write_section
from gameday.locust_processes import journeys_folder
from journal.histogram import Histogram
from journal.manifest import Manifest, this_machine
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Endpoint, Kind, Outcome
from journal.plan import Arrivals, ArrivalStage, Load, Plan, ThinkTime
from journal.profile import Platform, Profile
from journal.profile_journeys import ProfileJourney, RequestStep
from journal.run_directory import RunDirectory, create_run_directory, new_run_id
from load.health import null_server

RATE_PER_S = 2000.0
SECONDS, WARM_UP_S = 10.0, 2.0
ROUNDS = 5
LIMIT_MS = 2.0


@dataclass(frozen=True)
class Round:
    """One run after its warm-up: delays in ms from intended to actual start, CPU as a share of the core."""

    rate_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    late: int
    dropped: int
    service_p99_ms: float
    response_p99_ms: float
    cpu_share: float

    def row(self, number: str) -> str:
        delays = f"{self.p50_ms:.2f} | {self.p99_ms:.2f} | {self.max_ms:.1f} | {self.late} | {self.dropped}"
        requests = f"{self.service_p99_ms:.2f} | {self.response_p99_ms:.2f} | {self.cpu_share:.0%}"
        return f"| {number} | {self.rate_per_s:,.0f} | {delays} | {requests} |"


def manifest(url: str) -> Manifest:
    """The plan of one run against this address."""
    stage = ArrivalStage(rate_per_s=RATE_PER_S, duration_s=SECONDS + WARM_UP_S)
    arrivals = Arrivals(process="poisson", stages=(stage,), max_in_flight=200, spawn_rate_per_s=500.0)
    load = Load(
        arrivals=arrivals,
        warm_up_s=WARM_UP_S,
        drain_s=1.0,
        workers=1,
        calibration_s=0.0,
        mix={"one_request": 1},
        think_time=ThinkTime(min_s=0.0, max_s=0.0),
    )
    journey = ProfileJourney(steps=(RequestStep(path="/"),))
    return Manifest(
        run_id=new_run_id(),
        created_at_ns=time.time_ns(),
        command="benchmarks.arrivals",
        base_url=url,
        plan=Plan(name="arrivals", load=load),
        profile=Profile(name="null", base_url=url, journeys={"one_request": journey}, platform=Platform(kind="none")),
        machine=this_machine(),
        versions={},
    )


@contextmanager
def null_target(core: int) -> Iterator[str]:
    """The address of a target that answers at once, on a core of its own, for the length of a block."""
    command = [sys.executable, "-I", "-S", str(Path(null_server.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, {core})
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def run_once(url: str, core: int, folder: Path) -> Round:
    """One run of plain Locust with the open model, read back from its run directory."""
    run = create_run_directory(folder, manifest(url))
    files = str(journeys_folder())  # the mix chooses the journey of the profile
    command = [sys.executable, "-P", "-m", "locust", "--headless", "-f", files, "--run-dir", str(run.path)]
    with (folder / "locust.log").open("w") as log:
        process = subprocess.Popen([*command, "--only-summary"], stdout=log, stderr=log)
        os.sched_setaffinity(process.pid, {core})
        if process.wait(120):
            sys.exit((folder / "locust.log").read_text()[-2000:])
    return measured(run)


def measured(run: RunDirectory) -> Round:
    """What the frames and readings of a run say of it."""
    evidence = load_evidence(run)
    columns, within = evidence.columns, evidence.in_load
    delay, seconds = histogram(evidence, [columns.endpoints.index(ARRIVALS)], "response"), int(within.sum())
    rows = evidence.rows(Kind.REQUEST)
    if int(columns.count[rows][:, Outcome.OK].sum()) != int(columns.started[rows].sum()):
        sys.exit(f"not every request was answered; see {run.path}")
    return Round(
        rate_per_s=len(delay) / seconds,
        p50_ms=delay.quantile_us(0.5) / 1000,
        p99_ms=delay.quantile_us(0.99) / 1000,
        max_ms=delay.quantile_us(1.0) / 1000,
        late=due(evidence, LATE_ARRIVALS),
        dropped=due(evidence, DROPPED_ARRIVALS),
        service_p99_ms=histogram(evidence, rows, "service").quantile_us(0.99) / 1000,
        response_p99_ms=histogram(evidence, rows, "response").quantile_us(0.99) / 1000,
        cpu_share=cpu_share(evidence),
    )


def histogram(evidence: Evidence, rows: list[int], name: str) -> Histogram:
    """The merged histogram of some endpoints within the load phase."""
    return evidence.columns.histogram(rows, name=name, within=evidence.in_load)


def due(evidence: Evidence, endpoint: Endpoint) -> int:
    """How many operations of an endpoint were due within the load phase."""
    columns = evidence.columns
    row = [columns.endpoints.index(endpoint)] if endpoint in columns.endpoints else []
    return int(columns.started[row][:, evidence.in_load].sum())


def cpu_share(evidence: Evidence) -> float:
    """The share of its core that the worker used."""
    (series,) = [series for series in evidence.readings if series.role == "generator"]
    return float((series.cpu_s[-2] - series.cpu_s[1]) / (series.at_ns[-2] - series.at_ns[1]) * 1e9)


def median(rounds: list[Round]) -> Round:
    """The median of each figure over the rounds."""
    columns = zip(*(vars(found).values() for found in rounds), strict=True)
    return Round(*(statistics.median(column) for column in columns))  # type: ignore[arg-type]


COLUMNS = (
    *("round", "arrivals/s", "delay p50 ms", "delay p99 ms", "longest ms", "late", "dropped"),
    *("service p99 ms", "response p99 ms", "CPU of the core"),
)
HOW = (
    f"{RATE_PER_S:,.0f} Poisson arrivals a second for {SECONDS:g} s after a warm-up of {WARM_UP_S:g} s: one Locust "
    "process with all that a worker does (starter, client, recorder, reports), pinned to one core, each arrival a pass "
    "of one request to a target on another core that answers at once.\n"
    "The delay is that from the intended to the actual start of a pass, of every arrival, from the frames of the run. "
)
OMISSION = (
    "A server answers in 1 ms for 100 s, then stands still for 100 s; a request is due each 10 ms. Computed with the "
    "product's own schedule and histograms, not waited for."
)


def section(rounds: list[Round]) -> str:
    """What goes into the page of results."""
    usual, machine = median(rounds), this_machine()
    kept = "kept" if usual.p99_ms <= LIMIT_MS else "not kept"
    promise = f"Promised: p99 at most {LIMIT_MS:g} ms; {kept} with {usual.p99_ms:.2f} ms (median of {len(rounds)})."
    priority = "real-time" if os.sched_getscheduler(0) in {os.SCHED_FIFO, os.SCHED_RR} else "ordinary"
    lines = [
        HOW + promise,
        "",
        *(f"| {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * (len(COLUMNS) - 1)}"),
        *(round_.row(str(number)) for number, round_ in enumerate(rounds, start=1)),
        *(usual.row("median"), ""),
        f"{machine.processor}, {machine.cores} cores, Python {machine.python}, {priority} priority.",
        *("", "### Coordinated omission", OMISSION, "", omission.table()),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measures the schedule and writes its section."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the generator, one for the target")
    rounds = []
    with tempfile.TemporaryDirectory() as folder, null_target(cores[1]) as url:
        for number in range(1, ROUNDS + 1):
            rounds.append(run_once(url, cores[0], Path(folder) / f"round-{number}"))
            print(rounds[-1].row(str(number)), flush=True)
    write_section("arrivals", "Arrivals on their moments", section(rounds))
    print(median(rounds).row("median"))


if __name__ == "__main__":
    main()
