"""The faults section: a card for each fault, with a strip of the time around it."""

from dataclasses import dataclass

from analysis.charts.fault_strip import draw_strip, strip_axis
from analysis.charts.panel import Backdrop
from analysis.charts.run_series import good_share
from analysis.charts.time_bins import time_bins
from analysis.evidence import Evidence
from analysis.report import fault_words
from analysis.report.data_table import DataTable, time_table
from analysis.report.timeline import RunAxis, fault_span
from analysis.verdict import FaultResult, Verdict, anchor
from journal.outcomes import Kind

_STRIP_BINS = 120


@dataclass(frozen=True, slots=True)
class FaultCard:
    """A fault with its moments and the drawing of its card."""

    id: str
    fault: FaultResult
    moments: tuple[tuple[str, str, float | None], ...]
    budget: str
    strip: str
    table: DataTable


def fault_cards(evidence: Evidence, verdict: Verdict, run: RunAxis) -> list[FaultCard]:
    """The cards in order of injection."""
    return [_card(fault, evidence, run) for fault in sorted(verdict.faults, key=_begin_s)]


def _begin_s(fault: FaultResult) -> float:
    return fault.planned_s if fault.injected_s is None else fault.injected_s


def _card(fault: FaultResult, evidence: Evidence, run: RunAxis) -> FaultCard:
    strip, table = _strip(fault, evidence, run)
    return FaultCard(
        id=anchor("fault", fault.id),
        fault=fault,
        moments=fault_words.moments(fault),
        budget=fault_words.budget(fault, evidence.manifest.plan),
        strip=strip,
        table=table,
    )


def _strip(fault: FaultResult, evidence: Evidence, run: RunAxis) -> tuple[str, DataTable]:
    """The good share around the fault, drawn and as numbers; empty when it was never injected."""
    header = ("elapsed s", "good share")
    if fault.injected_s is None:
        return "", DataTable(header, ())
    begin_s, end_s = fault.window_s[:2] if len(fault.window_s) == 2 else fault_span(fault, run.axis)
    axis = strip_axis(begin_s, end_s, run.axis)
    bins = time_bins(evidence.columns, evidence.origin_ns, span_s=(axis.begin_s, axis.end_s), most=_STRIP_BINS)
    rows = evidence.rows(Kind.REQUEST)
    shares = good_share(evidence.samples[rows].sum(axis=0), evidence.bad[rows].sum(axis=0), bins)
    spans = [
        (max(0.0, axis.begin_s), begin_s, fault.good_share_before),
        (begin_s, end_s, fault.good_share_during),
        (end_s, axis.end_s, fault.good_share_after),
    ]
    gaps, suspect = (
        tuple(span for span in spans if span[1] > axis.begin_s and span[0] < axis.end_s)
        for spans in (run.backdrop.gaps, run.backdrop.suspect)
    )
    overlapping = tuple(w for w in run.backdrop.faults if w.end_s > axis.begin_s and w.start_s < axis.end_s)
    strip = draw_strip(
        shares,
        bins,
        Backdrop(axis, overlapping, gaps, suspect),
        spans,
        target=evidence.manifest.plan.slo.good_share,
        label=f"Good share around {fault.id}",
    )
    return strip, time_table(header, bins, shares)
