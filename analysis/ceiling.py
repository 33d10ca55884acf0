"""How much of what the generator can do at most a run asked for, by the calibration before its load."""

import math
from typing import Any

import numpy as np

from analysis.evidence import Evidence
from analysis.verdict import Ceiling
from analysis.words import counted
from journal.outcomes import Kind
from journal.timeline import EventKind

LIMIT_SHARE = 0.8
_SENT = (Kind.REQUEST, Kind.MESSAGE)


def find_ceiling(evidence: Evidence) -> tuple[Ceiling | None, str]:
    """The ceiling of all workers together and what of it was used; else None, and why it is not known."""
    if not evidence.manifest.plan.load.calibration_s:
        return None, "not calibrated, as the plan wants it (load.calibration_s: 0)"
    told = {event.data.get("worker"): event.data for event in evidence.events_of(EventKind.CALIBRATION)}
    found = [data for data in told.values() if _whole(data)]
    workers = max(1, len(evidence.columns.workers))
    if len(found) < workers:
        return None, f"{len(found)} of {counted(workers, 'worker')} calibrated"
    per_s = sum(data["ceiling_per_s"] for data in found)
    rate_per_s = _busy_rate_per_s(evidence)
    return Ceiling(
        per_s=per_s,
        rate_per_s=rate_per_s,
        used_share=rate_per_s / per_s,
        service_p50_ms=max(data["service_p50_ms"] for data in found),
        service_p99_ms=max(data["service_p99_ms"] for data in found),
    ), ""


def _whole(data: Any) -> bool:
    numbers = [data.get(name) for name in ("ceiling_per_s", "service_p50_ms", "service_p99_ms")]
    known = all(isinstance(value, int | float) and math.isfinite(value) for value in numbers)
    return known and data["ceiling_per_s"] > 0


def _busy_rate_per_s(evidence: Evidence) -> float:
    """What was sent in the load phase in a busy second: only every twentieth saw more."""
    sent = evidence.columns.started[evidence.rows(*_SENT)].sum(axis=0)[evidence.in_load]
    return float(np.quantile(sent, 0.95)) if sent.size else 0.0
