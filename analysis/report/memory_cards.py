"""The memory section: each process with its floor, its slope and what they say."""

from dataclasses import dataclass

import numpy as np

from analysis.charts.memory_chart import FLOOR_POINTS, MemoryCurve, draw_memory
from analysis.evidence import Evidence
from analysis.memory import FloorSeries, floor_series, name_of
from analysis.report.data_table import DataTable
from analysis.report.timeline import RunAxis
from analysis.trend import bin_means
from analysis.verdict import MemoryResult, Verdict, anchor
from journal.readings import ReadingSeries

_NOTHING = FloorSeries(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class MemoryCard:
    """A process's memory, drawn and as numbers."""

    id: str
    result: MemoryResult
    chart: str
    table: DataTable


def memory_cards(evidence: Evidence, verdict: Verdict, run: RunAxis) -> list[MemoryCard]:
    """One card per process, in the verdict's order."""
    return [_card(result, evidence, run) for result in verdict.memory]


def _card(result: MemoryResult, evidence: Evidence, run: RunAxis) -> MemoryCard:
    own = [s for s in evidence.readings if (name_of(s), s.role) == (result.subject, result.role)]
    curve = _curve(result, own, evidence)
    if curve is None:
        return MemoryCard(anchor("memory", result.subject), result, "", DataTable(("elapsed s", "floor MiB"), ()))
    floor = zip(curve.floor_s.round(1).tolist(), curve.floor_mib.round(3).tolist(), strict=True)
    table = DataTable(("elapsed s", "floor MiB"), tuple(floor))
    return MemoryCard(anchor("memory", result.subject), result, draw_memory(curve, run.axis), table)


def _curve(result: MemoryResult, own: list[ReadingSeries], evidence: Evidence) -> MemoryCurve | None:
    """What was judged: the longest incarnation within the load; None without two readings."""
    judged = max((floor_series(evidence, series) for series in own), key=_length_h, default=_NOTHING)
    if judged.mib.size < 2:
        return None
    floor_h, floor_mib = bin_means(judged.at_h, judged.mib, min(FLOOR_POINTS, judged.mib.size))
    return MemoryCurve(
        subject=result.subject,
        at_s=judged.at_h * 3600,
        mib=judged.mib,
        floor_s=floor_h * 3600,
        floor_mib=floor_mib,
        restarts_s=tuple(evidence.elapsed_s(int(series.at_ns[0])) for series in own[1:]),
        slope_mib_per_h=result.slope_mib_per_h,
        tolerance_mib_per_h=result.tolerance_mib_per_h,
    )


def _length_h(judged: FloorSeries) -> float:
    return float(judged.at_h[-1] - judged.at_h[0]) if judged.at_h.size else -1.0
