"""`python -m benchmarks.scaling`: reckons from the measurements in benchmarks/README.md what a great load would take.

It writes the table of docs/scaling.md, which explains each line. Nothing is measured here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.machine import ROOT
from benchmarks.measured import Section, section
from benchmarks.readme import write_section

PAGE = ROOT / "docs" / "scaling.md"
RATES_PER_S = (10_000, 100_000, 1_000_000)
SERIES = 20
BUSY_AT_MOST = 0.7
ANSWER_S, THINK_S = 0.05, 1.0
WORKER_BASE_MIB, PORTS = 80.0, 28_232
GIB = 2**30


@dataclass(frozen=True)
class Measured:
    """What the sections of the README say; curves are points of (requests a second of a series, figure).

    Requests of one worker, but in `analysis_kb`: there they are those of all.
    """

    client_us: float
    arrival_us: float
    user_kib: float
    request_bytes: float
    frame_bytes: Sequence[tuple[float, float]]
    master_cores: Sequence[tuple[float, float]]
    conductor_us: Sequence[tuple[float, float]]
    analysis_us: Sequence[tuple[float, float]]
    analysis_kb: Sequence[tuple[float, float]]


def read() -> Measured:
    """All of them, from the README."""
    client, arrivals, frames, masters = map(section, ("client", "arrivals", "frames", "masters"))
    usual = {"round": "median"}
    judged_workers = frames.stated(r"runs of (\d+) workers")
    return Measured(
        client_us=client.figure("µs of CPU a request", generator="aia-gameday, recorder on"),
        arrival_us=1e6 * arrivals.figure("CPU of the core", **usual) / arrivals.figure("arrivals/s", **usual),
        user_kib=1024 * client.stated(r"after one request: ([\d,]+) MiB") / 10_000,
        request_bytes=section("network").figure("bytes", request="GET with a token of 300 bytes"),
        frame_bytes=_curve(frames, "bytes of a frame"),
        master_cores=_master_cores(masters),
        conductor_us=_curve(frames, "conductor µs"),
        analysis_us=_curve(frames, "analysis µs"),
        analysis_kb=[
            (rate * judged_workers, kb) for rate, kb in _curve(frames, "analysis, memory KB a second of the run")
        ],
    )


def _curve(frames: Section, column: str) -> list[tuple[float, float]]:
    rate = "requests a second of each series"
    return [(float(row[rate].replace(",", "")), frames.figure(column, rate=row[rate])) for row in frames.rows(column)]


def _master_cores(masters: Section) -> list[tuple[float, float]]:
    """Cores of a worker, by the requests of each of its series; of several crowds of one rate the largest."""
    found: dict[float, float] = {}
    for row in masters.rows("the master's cores"):
        workers, told_of = (float(row[name].replace(",", "")) for name in ("workers", "requests/s told of"))
        found[told_of / workers / SERIES] = float(row["the master's cores"]) / workers
    return sorted(found.items())


def between(points: Sequence[tuple[float, float]], at: float) -> float:
    """The figure at a rate: a power law between the two points around it, the nearest point outside of all."""
    inside = min(max(at, points[0][0]), points[-1][0])
    for (low, one), (high, other) in pairwise(points):
        if inside <= high:
            share = math.log(inside / low) / math.log(high / low)
            return one * (other / one) ** share
    return points[-1][1]


@dataclass(frozen=True)
class Needs:
    """What one load takes; a request costs `request_us`, and a user makes one in `user_s`."""

    rate_per_s: float
    request_us: float
    user_s: float
    measured: Measured

    @property
    def workers(self) -> int:
        return max(1, math.ceil(self.rate_per_s * self.request_us / 1e6 / BUSY_AT_MOST))

    @property
    def of_a_series(self) -> float:
        """Requests a second of one series of one worker."""
        return self.rate_per_s / self.workers / SERIES

    @property
    def users(self) -> float:
        return self.rate_per_s * self.user_s

    @property
    def worker_mib(self) -> float:
        return WORKER_BASE_MIB + self.users / self.workers * self.measured.user_kib / 1024

    @property
    def master_cores(self) -> float:
        return self.workers * between(self.measured.master_cores, self.of_a_series)

    @property
    def conductor_cores(self) -> float:
        return self.workers * between(self.measured.conductor_us, self.of_a_series) / 1e6

    @property
    def frame_bytes(self) -> float:
        return between(self.measured.frame_bytes, self.of_a_series)

    @property
    def journal_bytes_per_s(self) -> float:
        return self.workers * self.frame_bytes

    @property
    def judging_cpu_h(self) -> float:
        """Hours of processor time to judge an hour."""
        return self.workers * between(self.measured.analysis_us, self.of_a_series) / 1e6

    @property
    def judging_gib(self) -> float:
        """Memory to judge ten minutes."""
        return 600 * 1024 * between(self.measured.analysis_kb, self.rate_per_s / SERIES) / GIB

    @property
    def network_gbit_per_s(self) -> float:
        return self.rate_per_s * self.measured.request_bytes * 8 / 1e9


LINES: tuple[tuple[str, Callable[[Needs], str]], ...] = (
    ("workers, a core each", lambda of: f"{of.workers:,}"),
    ("requests/s of a worker", lambda of: f"{of.rate_per_s / of.workers:,.0f}"),
    ("users, each a connection", lambda of: f"{of.users:,.0f}"),
    ("users of a worker", lambda of: f"{of.users / of.workers:,.0f}"),
    ("connections of a worker, of its ports to one address", lambda of: f"{of.users / of.workers / PORTS:.0%}"),
    ("memory of a worker with them, MiB", lambda of: f"{of.worker_mib:,.0f}"),
    ("memory of all workers, GiB", lambda of: f"{of.workers * of.worker_mib / 1024:,.1f}"),
    ("network to the target, both ways, Gbit/s", lambda of: f"{of.network_gbit_per_s:,.2f}"),
    ("frame, KB", lambda of: f"{of.frame_bytes / 1e3:,.0f}"),
    ("network to the master, Mbit/s", lambda of: f"{of.journal_bytes_per_s * 8 / 1e6:,.1f}"),
    ("master, cores", lambda of: f"{of.master_cores:.2f}"),
    ("conductor, cores", lambda of: f"{of.conductor_cores:.2f}"),
    ("journal, GB an hour", lambda of: f"{of.journal_bytes_per_s * 3600 / 1e9:,.1f}"),
    ("1 GiB of journal lasts, minutes", lambda of: f"{GIB / of.journal_bytes_per_s / 60:,.0f}"),
    ("judging an hour, minutes of a core", lambda of: f"{of.judging_cpu_h * 60:,.0f}"),
    ("judging ten minutes, GiB of memory", lambda of: f"{of.judging_gib:,.1f}"),
)


def table(measured: Measured) -> str:
    """The needs by rate: of lean users who think, and of described journeys on a schedule of arrivals."""
    kinds = (("lean", measured.client_us, ANSWER_S + THINK_S), ("described", measured.arrival_us, ANSWER_S))
    needs = [Needs(float(rate), *how, measured) for _, *how in kinds for rate in RATES_PER_S]
    names = [f"{kind}, {rate:,}/s" for kind, *_ in kinds for rate in RATES_PER_S]
    constants = (
        f"Reckoned from: {measured.client_us:.1f} µs of CPU for a lean request, {measured.arrival_us:.0f} µs for a "
        f"described one that arrives on schedule; {measured.user_kib:.1f} KiB a user; {measured.request_bytes:.0f} "
        f"bytes on the network; {SERIES} series; an answer takes {ANSWER_S * 1000:g} ms, lean users think for "
        f"{THINK_S:g} s."
    )
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    lines += [f"| {name} | {' | '.join(map(show, needs))} |" for name, show in LINES]
    return "\n".join((constants, "", *lines))


def main() -> None:
    """Reckons, prints, and writes the table of the page."""
    text = table(read())
    print(text)
    write_section("scaling", "The table", text, PAGE)


if __name__ == "__main__":
    main()
