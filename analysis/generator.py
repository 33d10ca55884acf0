"""Judges the generator before the target: was it fit to measure, by its lag, its processors and its rate?"""

from collections.abc import Iterator

import numpy as np

from analysis.ceiling import LIMIT_SHARE, find_ceiling
from analysis.evidence import NS, Evidence, Mask
from analysis.littles_law import unexplained_share
from analysis.suspicion import (
    SATURATED_SHARE,
    SUSTAINED_S,
    Suspicion,
    find_suspicion,
    generators,
    lag_limit_ms,
    stall_limit_ms,
    used_s,
)
from analysis.verdict import Ceiling, Estimate, GateResult, GeneratorHealth, State, SuspectWindow, anchor
from analysis.words import clock
from journal.histogram import Histogram
from journal.outcomes import Kind
from journal.readings import ReadingSeries

MOST_UNEXPLAINED = 0.1
_SHOWN = 3


def generator_health(evidence: Evidence, suspicion: Suspicion | None = None) -> GeneratorHealth:
    """The generator in the load phase. A few suspect seconds are left out, see `analysis.suspicion`.

    Suspect altogether: more than a fifth of the seconds is; or of the others the lag's 99th percentile is a quarter of
    the SLO's threshold or more; or the rate came near to what the workers can do; or Little's law does not hold.
    """
    found = suspicion or find_suspicion(evidence)
    left = evidence.in_load & ~found.seconds if found.few else evidence.in_load
    lag = evidence.columns.histogram(evidence.rows(Kind.GENERATOR), name="lag", within=left)
    read_lag = evidence.columns.histogram(evidence.rows(Kind.REQUEST), name="lag", within=left)
    ceiling, uncalibrated = find_ceiling(evidence)
    shares = [share for series in generators(evidence) for share in _cpu_shares(evidence, series)]
    unexplained = unexplained_share(evidence, left)
    reasons = [*_many(found), *_late(evidence, lag, read_lag), *_near_its_limit(ceiling), *_idle(unexplained)]
    return GeneratorHealth(
        lag_p99_ms=_ms(lag, 0.99),
        lag_max_ms=_ms(
            evidence.columns.histogram(evidence.rows(Kind.GENERATOR), name="lag", within=evidence.in_load), 1.0
        ),
        read_lag_p99_ms=_ms(read_lag, 0.99),
        cpu_share_p95=float(np.quantile(shares, 0.95)) if shares else None,
        suspect=bool(reasons),
        reason="; ".join(reasons),
        ceiling=ceiling,
        uncalibrated=uncalibrated,
        unexplained_share=unexplained,
        windows=found.windows,
        left_out_s=0 if reasons else int(np.count_nonzero(found.seconds)),
    )


def left_out(health: GeneratorHealth, suspicion: Suspicion) -> Mask:
    """The seconds that are not judged, shape (S,): none where the whole run is suspect."""
    return suspicion.seconds & (not health.suspect)


def generator_gate(evidence: Evidence, health: GeneratorHealth) -> GateResult:
    """The row of the generator: fit to measure, or nothing that it measured can be trusted."""
    limit_ms = lag_limit_ms(evidence.manifest.plan.slo.threshold_ms)
    stall_ms = stall_limit_ms(evidence.manifest.plan.slo.threshold_ms)
    unknown = "the generator did not record its own lag" if health.lag_p99_ms is None else ""
    doubt = health.reason or unknown
    busy = f"no process over {SATURATED_SHARE:.0%} of what it may use for {SUSTAINED_S} s"
    return GateResult(
        gate="generator",
        subject="generator",
        state=State.INCONCLUSIVE if doubt else State.PASS,
        required=True,
        promise=f"loop lag p99 under {limit_ms:g} ms, no stall of {stall_ms:g} ms, {busy}",
        unit="ms",
        measured=Estimate(value=health.lag_p99_ms),
        samples=0,
        reason=f"{doubt}; target not judged" if health.suspect else doubt or _good_news(health),
        anchor=anchor("generator"),
        threshold=limit_ms,
    )


def told(windows: tuple[SuspectWindow, ...]) -> str:
    """The first windows in words: "0:13 to 0:16 a loop stood still for 2.9 s"."""
    shown = [f"{clock(window.begin_s)} to {clock(window.end_s)} {window.reason}" for window in windows[:_SHOWN]]
    more = [f"{len(windows) - _SHOWN} more"] if len(windows) > _SHOWN else []
    return "; ".join(shown + more)


def _good_news(health: GeneratorHealth) -> str:
    left_out = f"{health.left_out_s} s left out ({told(health.windows)}); else " if health.left_out_s else ""
    used = f", used {health.ceiling.used_share:.0%} of what it can do" if health.ceiling else ""
    return f"{left_out}loop lag p99 {health.lag_p99_ms:.1f} ms{used}"


def _ms(times: Histogram, share: float) -> float | None:
    return times.quantile_us(share) / 1000 if len(times) else None


def _many(found: Suspicion) -> Iterator[str]:
    if not found.few:
        yield f"Generator suspect in {found.share:.0%} of the load ({told(found.windows)})"


def _late(evidence: Evidence, lag: Histogram, read_lag: Histogram) -> Iterator[str]:
    limit_ms = lag_limit_ms(evidence.manifest.plan.slo.threshold_ms)
    for what, times in (("loop lag", lag), ("answers read late,", read_lag)):
        p99_ms = _ms(times, 0.99)
        if p99_ms is not None and p99_ms >= limit_ms:
            yield f"Generator late: {what} p99 {p99_ms:.0f} ms (limit {limit_ms:g})"


def _near_its_limit(ceiling: Ceiling | None) -> Iterator[str]:
    if ceiling is not None and ceiling.used_share >= LIMIT_SHARE:
        rates = f"{ceiling.rate_per_s:,.0f} of {ceiling.per_s:,.0f} requests/s"
        yield f"Generator near its limit: {rates} that it can do ({ceiling.used_share:.0%})"


def _idle(unexplained: float | None) -> Iterator[str]:
    if unexplained is not None and abs(unexplained) > MOST_UNEXPLAINED:
        what = f"{unexplained:.0%} of the users' time unexplained (limit {MOST_UNEXPLAINED:.0%})"
        yield f"Generator did not apply the load: Little's law leaves {what}"


def _cpu_shares(evidence: Evidence, series: ReadingSeries) -> list[float]:
    """The share of what a process may use that it did use between each two readings in the load phase."""
    if evidence.load is None:
        return []
    within = (series.at_ns >= evidence.load.begin_ns) & (series.at_ns <= evidence.load.end_ns)
    used, passed = np.diff(used_s(series)[within]), np.diff(series.at_ns[within]) / NS
    return [float(share) for share in used[passed > 0] / passed[passed > 0]]
