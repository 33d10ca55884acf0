"""Judges the memory of each process of the target: a leak is proven, excluded, or takes so many more hours to tell."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import NS, Evidence
from analysis.trend import FEWEST_POINTS, Floats, bin_means, gls_slope, hours_needed, residual_noise, shape
from analysis.verdict import Estimate, GateResult, MemoryResult, State, anchor
from analysis.words import duration, signed
from journal.readings import ReadingSeries

TARGET_ROLES = frozenset({"api", "worker", "redis"})
HARNESS_ROLES = frozenset({"generator", "conductor"})
DATA_STORES = frozenset({"redis"})
"""What grows with the data that it is given to keep; its growth is told, but not called a leak."""

MATERIAL_MIB = 16.0
"""Allocators, caches and late imports take some MiB in the first minutes: no smaller growth is ever called a leak."""

SHORTEST_CLEAN_H = 59 / 60
"""An hour, but for what lies before its first reading and after its last one."""

_READ_ANEW_NS = 10 * NS
_BY_WORKING_SET = "; judged by its working set, which holds page cache too, as its own memory was not told"
_BINS = 32
_UNDECLARED_WARM_UP = 0.25
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FloorSeries:
    """Memory of one incarnation after its warm-up: hours since the begin of the load phase, MiB; equal lengths."""

    at_h: Floats
    mib: Floats


def memory_results(evidence: Evidence) -> tuple[MemoryResult, ...]:
    """One result per process of the target that was read, by its longest incarnation in the load phase.

    Where memory decides, the harness's own processes are held to the same measure.
    """
    gates = evidence.manifest.plan.gates
    roles = TARGET_ROLES | (HARNESS_ROLES if "memory" in gates.required else set())
    subjects: dict[str, list[ReadingSeries]] = {}
    for series in evidence.readings:
        if series.role in roles:
            subjects.setdefault(name_of(series), []).append(series)
    tolerance = gates.leak_tolerance_mib_per_h
    return tuple(_judge(evidence, incarnations, tolerance) for _, incarnations in sorted(subjects.items()))


def name_of(series: ReadingSeries) -> str:
    """A process by its subject; the harness and the target may both have a worker-0."""
    return f"{series.role} {series.subject}" if series.role in HARNESS_ROLES else series.subject


def memory_gates(results: tuple[MemoryResult, ...], *, required: bool) -> Iterator[GateResult]:
    """One row per process; one open row when the gate is required and nothing of the target was read.

    The harness's own processes and data stores inform: neither makes the target a leaking one.
    """
    informing = DATA_STORES | HARNESS_ROLES
    if required and all(result.role in informing for result in results):
        nothing = "the target's memory was not read"
        yield _gate("memory", State.INCONCLUSIVE, Estimate(value=None), 0, nothing, required=True, tolerance=0.0)
    for result in results:
        yield _gate(
            result.subject,
            State(result.state),
            result.slope_mib_per_h,
            result.points,
            result.reason,
            required=required and result.role not in informing,
            tolerance=result.tolerance_mib_per_h,
            needs_s=None if result.hours_needed is None else result.hours_needed * 3600,
        )


def is_working_set(evidence: Evidence, series: ReadingSeries) -> bool:
    """Whether nothing is known of an incarnation but the working set of its container, which holds page cache too."""
    return evidence.manifest.readings.of_containers and not (series.uss_bytes > 0).all()


def floor_series(evidence: Evidence, series: ReadingSeries) -> FloorSeries:
    """What is judged of one incarnation: private memory (USS), or RSS where that could not be read.

    Of a container these are its anonymous memory and its working set.

    Its time in the load phase, whose warm-up is over; of a process that began later, not its first quarter either.
    """
    memory = series.uss_bytes if (series.uss_bytes > 0).all() else series.rss_bytes
    if evidence.load is None or not series.at_ns.size:
        return FloorSeries(np.zeros(0), np.zeros(0))
    begin_ns, end_ns = evidence.load.begin_ns, evidence.load.end_ns
    if series.at_ns[0] > begin_ns:
        begin_ns = int(series.at_ns[0] + _UNDECLARED_WARM_UP * (min(end_ns, series.at_ns[-1]) - series.at_ns[0]))
    within = np.flatnonzero((series.at_ns >= begin_ns) & (series.at_ns <= end_ns) & (memory > 0))
    chosen = within[_fresh(series.at_ns[within], memory[within])]
    return FloorSeries((series.at_ns[chosen] - evidence.origin_ns) / NS / 3600, memory[chosen] / _MIB)


def _fresh(at_ns: NDArray[np.int64], memory: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which readings are news: USS is costly, so it is read every few seconds only and repeated between.

    One that repeats the one before counts each ten seconds: by then it was read anew, and a level that stays is known.
    """
    changed = np.diff(memory, prepend=-1) != 0
    last_change = np.maximum.accumulate(np.where(changed, np.arange(memory.size), 0))
    repeats = (at_ns - at_ns[last_change]) // _READ_ANEW_NS
    return np.asarray(changed | (np.diff(repeats, prepend=0) > 0))


def _judge(evidence: Evidence, incarnations: list[ReadingSeries], tolerance: float) -> MemoryResult:
    floors = [(floor_series(evidence, series), series) for series in incarnations]
    floor, longest = max(floors, key=lambda each: each[0].at_h[-1] - each[0].at_h[0] if each[0].at_h.size else -1.0)
    subject, role = name_of(incarnations[0]), incarnations[0].role
    bins = min(_BINS, floor.at_h.size)
    when, level = bin_means(floor.at_h, floor.mib, bins) if bins >= FEWEST_POINTS else (floor.at_h, floor.mib)
    cached = is_working_set(evidence, longest)
    excuse = "as a data store may" if role in DATA_STORES else "which files in its cache may explain" if cached else ""
    judged = _decide(when, level, floor, tolerance, excuse) if when.size >= FEWEST_POINTS <= bins else _TOO_FEW
    return MemoryResult(
        subject=subject,
        role=role,
        state=judged.state,
        slope_mib_per_h=judged.slope,
        tolerance_mib_per_h=tolerance,
        incarnations=len(incarnations),
        points=floor.at_h.size,
        start_mib=float(floor.mib[0]) if floor.mib.size else None,
        end_mib=float(floor.mib[-1]) if floor.mib.size else None,
        shape=judged.shape,
        hours_needed=judged.hours_needed,
        reason=f"{subject} {judged.reason}{_BY_WORKING_SET if cached else ''}",
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    state: State
    slope: Estimate
    shape: str
    hours_needed: float | None
    reason: str


_TOO_FEW = _Judged(State.INCONCLUSIVE, Estimate(value=None), "unknown", None, "has too few readings of its memory")


def _decide(when: Floats, level: Floats, floor: FloorSeries, tolerance: float, excuse: str) -> _Judged:
    """Leak: the lower 99 % bound of a straight and material rise is above the tolerance. Clean: the upper is below it.

    A rise for which there is an excuse proves no leak.

    Clean also takes an hour, and the time after which a slope as large as the tolerance would have shown.
    """
    slope = gls_slope(when, level)
    estimate = Estimate(value=slope.value, low=slope.low, high=slope.high)
    looks = shape(when, level, slope) if slope.low > tolerance else "flat"
    span_h = float(floor.at_h[-1] - floor.at_h[0])
    value, low, high = (signed(bound) for bound in (slope.value, slope.low, slope.high))
    words = f"{value} MiB/h ({low} to {high}, tolerance {tolerance:g})"
    if looks == "line" and slope.low * span_h > MATERIAL_MIB:
        if excuse:
            return _Judged(State.INCONCLUSIVE, estimate, "growth", None, f"grows {words}, {excuse}")
        return _Judged(State.FAIL, estimate, "leak", None, f"leaks {words}")
    sigma, phi = residual_noise(floor.at_h, floor.mib)
    total_h = max(SHORTEST_CLEAN_H, hours_needed(sigma, phi, span_h / (floor.at_h.size - 1), tolerance))
    if slope.high < tolerance and span_h >= total_h:
        return _Judged(State.PASS, estimate, "flat", None, f"is clean: {words}")
    further_h = total_h - span_h if span_h < total_h else span_h
    told = {"flat": "", "line": ", too little to call it a leak"}.get(looks, f", a {looks} rather than a leak")
    reason = f"{words}{told}: open, {duration(further_h * 3600)} more needed"
    return _Judged(State.INCONCLUSIVE, estimate, "rise" if looks == "line" else looks, further_h, reason)


def _gate(
    subject: str,
    state: State,
    slope: Estimate,
    points: int,
    reason: str,
    *,
    required: bool,
    tolerance: float,
    needs_s: float | None = None,
) -> GateResult:
    return GateResult(
        gate="memory",
        subject=subject,
        state=state,
        required=required,
        promise=f"< {tolerance:g} MiB/h" if tolerance else "no leak",
        unit="MiB/h",
        measured=slope,
        samples=points,
        reason=reason,
        anchor=anchor("memory", subject),
        threshold=tolerance or None,
        needs_s=needs_s,
    )
