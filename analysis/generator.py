"""Judges the generator before the target: was it fast enough to measure, by its loop lag and its processors."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.ceiling import LIMIT_SHARE, find_ceiling
from analysis.evidence import NS, Evidence
from analysis.verdict import Ceiling, Estimate, GateResult, GeneratorHealth, State, anchor
from analysis.words import clock
from journal.outcomes import Kind
from journal.readings import ReadingSeries

SATURATED_SHARE = 0.9
SUSTAINED_S = 10
LAG_SHARE_OF_THRESHOLD = 0.25


def lag_limit_ms(threshold_ms: float) -> float:
    """The loop lag from which on the generator, not the target, may have made an answer look slow."""
    return threshold_ms * LAG_SHARE_OF_THRESHOLD


def generator_health(evidence: Evidence) -> GeneratorHealth:
    """Loop lag and processor use in the load phase.

    Suspect: the 99th percentile of the lag is a quarter of the SLO's threshold or more, or one process used more than
    90 % of what it may use for 10 s on end, or the rate came near to what the workers can do at most.
    """
    lag = evidence.columns.histogram(evidence.rows(Kind.GENERATOR), name="lag", within=evidence.in_load)
    measured = len(lag) > 0
    p99_ms = lag.quantile_us(0.99) / 1000 if measured else None
    shares = [share for series in _generators(evidence) for share in _cpu_shares(evidence, series)]
    limit_ms = lag_limit_ms(evidence.manifest.plan.slo.threshold_ms)
    ceiling, uncalibrated = find_ceiling(evidence)
    reasons = [*_lag_doubts(p99_ms, limit_ms), *_saturations(evidence), *_ceiling_doubts(ceiling)]
    return GeneratorHealth(
        lag_p99_ms=p99_ms,
        lag_max_ms=lag.quantile_us(1.0) / 1000 if measured else None,
        cpu_share_p95=float(np.quantile(shares, 0.95)) if shares else None,
        suspect=bool(reasons),
        reason="; ".join(reasons),
        ceiling=ceiling,
        uncalibrated=uncalibrated,
    )


def generator_gate(evidence: Evidence, health: GeneratorHealth) -> GateResult:
    """The row of the generator: fit to measure, or nothing that it measured can be trusted."""
    limit_ms = lag_limit_ms(evidence.manifest.plan.slo.threshold_ms)
    unknown = "the generator did not record its own lag" if health.lag_p99_ms is None else ""
    doubt = health.reason or unknown
    busy = f"no process over {SATURATED_SHARE:.0%} of what it may use for {SUSTAINED_S} s"
    return GateResult(
        gate="generator",
        subject="generator",
        state=State.INCONCLUSIVE if doubt else State.PASS,
        required=True,
        promise=f"loop lag p99 under {limit_ms:g} ms, {busy}",
        unit="ms",
        measured=Estimate(value=health.lag_p99_ms),
        samples=0,
        reason=f"{doubt}; target not judged" if health.suspect else doubt or _good_news(health),
        anchor=anchor("generator"),
        threshold=limit_ms,
    )


def _good_news(health: GeneratorHealth) -> str:
    used = f", used {health.ceiling.used_share:.0%} of what it can do" if health.ceiling else ""
    return f"loop lag p99 {health.lag_p99_ms:.1f} ms{used}"


def _lag_doubts(p99_ms: float | None, limit_ms: float) -> Iterator[str]:
    if p99_ms is not None and p99_ms >= limit_ms:
        yield f"Generator late: loop lag p99 {p99_ms:.0f} ms (limit {limit_ms:g})"


def _ceiling_doubts(ceiling: Ceiling | None) -> Iterator[str]:
    if ceiling is not None and ceiling.used_share >= LIMIT_SHARE:
        rates = f"{ceiling.rate_per_s:,.0f} of {ceiling.per_s:,.0f} requests/s"
        yield f"Generator near its limit: {rates} that it can do ({ceiling.used_share:.0%})"


def _generators(evidence: Evidence) -> list[ReadingSeries]:
    return [series for series in evidence.readings if series.role == "generator" and series.at_ns.size > 1]


def _cpu_shares(evidence: Evidence, series: ReadingSeries) -> list[float]:
    """The share of what a process may use that it did use between each two readings in the load phase."""
    if evidence.load is None:
        return []
    within = (series.at_ns >= evidence.load.begin_ns) & (series.at_ns <= evidence.load.end_ns)
    used, passed = np.diff(_used_s(series)[within]), np.diff(series.at_ns[within]) / NS
    return [float(share) for share in used[passed > 0] / passed[passed > 0]]


def _used_s(series: ReadingSeries) -> NDArray[np.float64]:
    """The CPU time that a process used so far, in seconds of all that it may use.

    That is one core, since only one thread of a Python process runs at a time, or less where its limit is tighter; what
    it may use was not on record before the limit was.
    """
    limit = series.cpu_limit_cores[1:]
    allowed = np.where(limit > 0, np.minimum(limit, 1.0), 1.0)
    return np.concatenate(([0.0], np.cumsum(np.diff(series.cpu_s) / allowed)))


def _saturations(evidence: Evidence) -> Iterator[str]:
    """The time of each process's longest stretch in which every 10 s were used up to 90 %."""
    for series in _generators(evidence):
        stretch = _saturated(evidence, series)
        if stretch is not None:
            yield f"Generator saturated {clock(stretch[0])} to {clock(stretch[1])} ({series.subject})"


def _saturated(evidence: Evidence, series: ReadingSeries) -> tuple[float, float] | None:
    if evidence.load is None:
        return None
    at_s = (series.at_ns - evidence.origin_ns) / NS
    grid = np.arange(max(0.0, at_s[0]), min(evidence.load.duration_s, at_s[-1]) + 1e-9)
    if grid.size <= SUSTAINED_S:
        return None
    cpu_s = np.interp(grid, at_s, _used_s(series))
    begins = np.flatnonzero(cpu_s[SUSTAINED_S:] - cpu_s[:-SUSTAINED_S] > SATURATED_SHARE * SUSTAINED_S)
    return (float(grid[begins[0]]), float(grid[begins[-1] + SUSTAINED_S])) if begins.size else None
