"""The timeline section: the panels of a run on one time axis, and the data its script reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrivals import arrival_counts
from analysis.charts.canvas import NARROW, WIDE, TimeAxis
from analysis.charts.ink import FAIL, GOOD, INK, P50, P95, P99, SERIES, series_colour
from analysis.charts.lane import WARM_UP_LABEL, Lane, LaneFault, LanePhase, draw_lane
from analysis.charts.panel import Backdrop, Panel, Series, Window, draw_panel
from analysis.charts.run_series import cpu_share, errors, good_share, memory_by_role, quantiles_ms
from analysis.charts.time_bins import TimeBins, gaps_s, time_bins
from analysis.evidence import Evidence
from analysis.report import formats
from analysis.report.data_table import DataTable, panel_table
from analysis.verdict import FaultResult, Verdict, anchor
from journal.outcomes import Kind
from journal.timeline import EventKind, Phase

COUNTED = (Kind.REQUEST, Kind.WORKFLOW, Kind.MESSAGE)
HARNESS_ROLES = ("generator", "conductor")
_CLOSED = "every user waits for its answer, so a slow target is asked less"
_OPEN = "passes begin by a schedule, however slow the target is"
_PHASE_NAMES = {
    Phase.WARM_UP: WARM_UP_LABEL,
    Phase.LOAD: "load",
    Phase.DRAIN: "drain",
    Phase.INVARIANTS: "invariants",
    Phase.ENDED: "",
}


@dataclass(frozen=True, slots=True)
class PanelView:
    """A panel as the page shows it: two drawings, and its numbers."""

    panel: Panel
    wide: str
    narrow: str
    table: DataTable
    nothing: str


@dataclass(frozen=True, slots=True)
class RunAxis:
    """What all drawings of one run share."""

    bins: TimeBins
    backdrop: Backdrop

    @property
    def axis(self) -> TimeAxis:
        """The time axis of the whole run."""
        return self.backdrop.axis


@dataclass(frozen=True, slots=True)
class TimelineView:
    """The lane and the panels."""

    lane_wide: str
    lane_narrow: str
    panels: tuple[PanelView, ...]


def run_axis(evidence: Evidence, verdict: Verdict) -> RunAxis:
    """The time axis of a run, its gaps, its faults and the suspect seconds of the generator."""
    bins = time_bins(evidence.columns, evidence.origin_ns)
    begin_s = min(bins.begin_s, 0.0)
    planned_s = max((fault.planned_s for fault in verdict.faults), default=0.0)
    axis = TimeAxis(begin_s, max(bins.end_s, verdict.load_s, planned_s * 1.05, begin_s + 1))
    injected = [fault for fault in verdict.faults if fault.injected_s is not None]
    windows = tuple(Window(start, end) for start, end in (fault_span(fault, axis) for fault in injected))
    gaps = tuple(gaps_s(evidence.columns, evidence.origin_ns))
    suspect = tuple((window.begin_s, window.end_s) for window in verdict.generator.windows)
    return RunAxis(bins, Backdrop(axis, windows, gaps, suspect))


def fault_span(fault: FaultResult, axis: TimeAxis) -> tuple[float, float]:
    """From injection to revert, to the end of the run when it was never reverted; a moment when only planned."""
    if fault.injected_s is None:
        return fault.planned_s, min(axis.end_s, fault.planned_s + (axis.end_s - axis.begin_s) / 60)
    ends = [at_s for at_s in (fault.reverted_s, fault.proven_s) if at_s is not None]
    return fault.injected_s, max(min(ends, default=axis.end_s), fault.injected_s)


def timeline_view(evidence: Evidence, verdict: Verdict, run: RunAxis) -> TimelineView:
    """The whole timeline section."""
    faults = [_lane_fault(fault, run.axis) for fault in verdict.faults]
    lane = Lane(_phases(evidence, run.axis), faults, run.backdrop.suspect, run.backdrop.gaps)
    panels = (
        _latency(evidence, run.bins),
        _good_share(evidence, run.bins),
        _rate(evidence, run.bins),
        *_arrivals(evidence, run.bins),
        _errors(evidence, run.bins),
        _users(evidence, run.bins),
        _memory(evidence, run.bins),
    )
    return TimelineView(
        lane_wide=draw_lane(lane, run.axis, WIDE),
        lane_narrow=draw_lane(lane, run.axis, NARROW),
        panels=tuple(view_panel(panel, run) for panel in panels),
    )


def view_panel(panel: Panel, run: RunAxis) -> PanelView:
    """A panel drawn twice; nothing is drawn of a panel without data."""
    wide, narrow = (
        ("", "") if panel.empty else [draw_panel(panel, run.bins, run.backdrop, canvas) for canvas in (WIDE, NARROW)]
    )
    nothing = "✓ none" if panel.shape == "bars" and run.bins.size else "Nothing was recorded."
    return PanelView(panel, wide, narrow, panel_table(panel, run.bins), nothing)


def generator_panels(evidence: Evidence, run: RunAxis) -> tuple[PanelView, ...]:
    """Whether the generator kept up: the delay of its event loops and the CPU of its processes."""
    rows = evidence.rows(Kind.GENERATOR)
    usual, longest = quantiles_ms(evidence.columns, run.bins, rows, (0.5, 1.0), name="lag")
    lag = Panel(
        id="lag",
        title="Delay of the generator's event loops",
        unit="ms",
        series=(Series("lag_p50", "p50", P50, usual), Series("lag_max", "longest", P99, longest)),
        log=True,
    )
    cpu = Panel(id="cpu", title="CPU of the generator's processes, in cores", unit="cores", series=_cpu(evidence, run))
    return tuple(view_panel(panel, run) for panel in (lag, cpu))


def script_data(evidence: Evidence, verdict: Verdict, run: RunAxis, panels: tuple[PanelView, ...]) -> dict[str, Any]:
    """What the page's script reads: the bins, every series of every panel, the faults."""
    return {
        "origin_ms": evidence.origin_ns // 1_000_000,
        "width_s": run.bins.width_s,
        "starts_s": [round(float(start), 2) for start in run.bins.starts_s],
        "faults": [
            {"label": _fault_label(fault), "span_s": fault_span(fault, run.axis)}
            for fault in verdict.faults
            if fault.injected_s is not None
        ],
        "panels": {
            view.panel.id: {
                "unit": view.panel.unit,
                "series": [
                    {"name": series.name, "label": series.label, "values": _rounded(series.values.tolist())}
                    for series in view.panel.series
                ],
            }
            for view in panels
        },
    }


def _rounded(values: list[float]) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _latency(evidence: Evidence, bins: TimeBins) -> Panel:
    rows, name = evidence.rows(Kind.REQUEST), evidence.histogram_of(Kind.REQUEST)
    p50, p95, p99 = quantiles_ms(evidence.columns, bins, rows, (0.5, 0.95, 0.99), name=name)
    return Panel(
        id="latency",
        title=f"{'Response' if name == 'response' else 'Service'} time of requests that were answered properly",
        unit="ms",
        series=(Series("p50", "p50", P50, p50), Series("p95", "p95", P95, p95), Series("p99", "p99", P99, p99)),
        log=True,
        rule=evidence.manifest.plan.slo.threshold_ms,
        height=130,
    )


def _good_share(evidence: Evidence, bins: TimeBins) -> Panel:
    rows, slo = evidence.rows(Kind.REQUEST), evidence.manifest.plan.slo
    values = good_share(evidence.samples[rows].sum(axis=0), evidence.bad[rows].sum(axis=0), bins)
    finite = values[np.isfinite(values)]
    lowest = min([slo.good_share, *finite.tolist()])
    return Panel(
        id="good-share",
        title=f"Requests answered properly in less than {slo.threshold_ms:g} ms",
        unit="share",
        series=(Series("good_share", "good", GOOD, values),),
        rule=slo.good_share,
        floor=max(0.0, np.floor(lowest * 10 - 0.5) / 10),
        ceiling=1.005,
    )


def _rate(evidence: Evidence, bins: TimeBins) -> Panel:
    rows = evidence.rows(Kind.REQUEST)
    sent = bins.rates(evidence.columns.started[rows].sum(axis=0))
    well = bins.rates((evidence.samples - evidence.failed)[rows].sum(axis=0))
    return Panel(
        id="rate",
        title="Requests",
        unit="per s",
        series=(Series("sent", "sent", P50, sent), Series("answered_ok", "ok", GOOD, well)),
        note=f"sent, and answered properly (ok); {_OPEN if evidence.manifest.plan.load.arrivals else _CLOSED}",
    )


def _arrivals(evidence: Evidence, bins: TimeBins) -> Iterator[Panel]:
    """The schedule of an open model and what became of it."""
    counts = arrival_counts(evidence)
    if counts is None:
        return
    started = bins.rates(np.maximum(counts.handed - counts.late, 0))
    yield Panel(
        id="arrivals",
        title="Arrivals",
        unit="per s",
        series=(
            Series("planned", "planned", P50, bins.rates(counts.planned)),
            Series("in_time", "in time", GOOD, started),
            Series("late", "late", series_colour(3), bins.rates(counts.late)),
            Series("unstarted", "not begun", FAIL, bins.rates(counts.unstarted)),
        ),
        note="passes through the journeys, by the second in which they were due",
    )


def _errors(evidence: Evidence, bins: TimeBins) -> Panel:
    found = errors(evidence.columns, bins, evidence.rows(*COUNTED))
    colours = dict(zip(found, (FAIL, *SERIES), strict=False))
    return Panel(
        id="errors",
        title=f"Operations that ended badly, in each {formats.duration(bins.width_s)}",
        unit="count",
        series=tuple(
            Series(f"ended_{outcome.name.lower()}", outcome.label, colours[outcome], values)
            for outcome, values in found.items()
        ),
        shape="bars",
        height=72,
    )


def _users(evidence: Evidence, bins: TimeBins) -> Panel:
    users = Series("users", "users", INK, bins.peaks(evidence.columns.users))
    return Panel(id="users", title="Users", unit="users", series=(users,), shape="steps", height=56)


def _memory(evidence: Evidence, bins: TimeBins) -> Panel:
    target = [series for series in evidence.readings if series.role not in HARNESS_ROLES]
    roles = memory_by_role(target, bins, evidence.origin_ns)
    return Panel(
        id="memory-by-role",
        title="Memory of the target, all processes of a role together",
        unit="MiB",
        series=tuple(
            Series(f"role_{number}", formats.clean(role), series_colour(number), values)
            for number, (role, values) in enumerate(sorted(roles.items()))
        ),
        height=84,
    )


def _cpu(evidence: Evidence, run: RunAxis) -> tuple[Series, ...]:
    own = [series for series in evidence.readings if series.role in HARNESS_ROLES and series.at_ns.size > 1]
    shares = [cpu_share(series, run.bins, evidence.origin_ns) for series in own]
    return tuple(
        Series(f"process_{number}", formats.clean(series.subject), series_colour(number), values)
        for number, (series, values) in enumerate(zip(own, shares, strict=True))
    )


def _phases(evidence: Evidence, axis: TimeAxis) -> list[LanePhase]:
    """The phases as far as the axis shows them."""
    events = [event for event in evidence.events_of(EventKind.PHASE) if event.data.get("phase") in _PHASE_NAMES]
    begins = [evidence.elapsed_s(event.at_ns) for event in events]
    phases = []
    for event, begin_s, end_s in zip(events, begins, [*begins[1:], axis.end_s], strict=False):
        seen = max(begin_s, axis.begin_s), min(end_s, axis.end_s)
        if seen[1] > seen[0] and event.data["phase"] != Phase.ENDED:
            phases.append(LanePhase(_PHASE_NAMES[event.data["phase"]], *seen))
    return phases


def _fault_label(fault: FaultResult) -> str:
    return formats.clean(f"{fault.id} {fault.fault or fault.experiment}")


def _lane_fault(fault: FaultResult, axis: TimeAxis) -> LaneFault:
    begin_s, end_s = fault_span(fault, axis)
    return LaneFault(fault.id, _fault_label(fault), begin_s, end_s, _style(fault), anchor("fault", fault.id))


def _style(fault: FaultResult) -> str:
    if fault.injected_s is None:
        return "planned"
    if fault.effect == "none":
        return "no_effect"
    return "not_reverted" if fault.reverted_s is None and fault.proven_s is None else "effective"
