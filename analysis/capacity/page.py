"""The result of a search as one HTML page in the look of the report: no network, no script."""

from dataclasses import dataclass

from markupsafe import Markup

from analysis.capacity.chart import LevelPanel, draw_levels, panels
from analysis.capacity.level import LEVEL_CONFIDENCE, LevelState, Visit
from analysis.capacity.result import Capacity, CapacityResult
from analysis.capacity.terminal import SIGNS, meaning, usl_words
from analysis.capacity.words import sentence
from analysis.charts.canvas import NARROW, WIDE
from analysis.report.data_table import DataTable
from analysis.report.formats import significant
from analysis.report.page import environment, stylesheet
from analysis.words import bounds, percent
from journal.manifest import Manifest

_CSS_CLASS = {LevelState.PASS: "pass", LevelState.FAIL: "fail"}


@dataclass(frozen=True, slots=True)
class _Row:
    visit: Visit
    held: str
    sign: str
    css: str
    share: str
    unexplained: str


@dataclass(frozen=True, slots=True)
class _Chart:
    panel: LevelPanel
    wide: str
    narrow: str


def capacity_page(manifest: Manifest, result: CapacityResult) -> str:
    """The page."""
    slo = manifest.plan.slo
    charts = [
        _Chart(panel, *(draw_levels(panel, result.capacities, canvas) for canvas in (WIDE, NARROW)))
        for panel in panels(slo.threshold_ms, slo.good_share)
        if any(capacity.visits for capacity in result.capacities)
    ]
    return (
        environment()
        .get_template("capacity.html.j2")
        .render(
            manifest=manifest,
            result=result,
            meaning=meaning(result),
            answers=[(found, sentence(found), usl_words(found)) for found in result.capacities],
            charts=charts,
            rows=[_row(found, visit) for found in result.capacities for visit in _in_order(found)],
            table=_table(result),
            confidence=f"{LEVEL_CONFIDENCE:.1%}".replace("%", " %"),
            style=Markup(stylesheet()),  # noqa: S704  # our own file
        )
    )


def _in_order(found: Capacity) -> list[Visit]:
    return sorted(found.visits, key=lambda visit: (visit.n, visit.begin_s))


def _row(found: Capacity, visit: Visit) -> _Row:
    state, share = LevelState(visit.state), visit.subject_share
    known = f" ({bounds(share)})" if share.low is not None else ""
    return _Row(
        visit=visit,
        held=found.fault or "healthy",
        sign=SIGNS[state],
        css=_CSS_CLASS.get(state, "open"),
        share=f"{percent(share.value)} %{known}" if share.value is not None else "–",
        unexplained=_remainder(visit),
    )


def _remainder(visit: Visit) -> str:
    """Of the users' time what is not explained, of arrivals those that were not started."""
    share = visit.unexplained if visit.unstarted is None else visit.unstarted
    return "–" if share is None else f"{significant(share * 100, 2)} %"


def _table(result: CapacityResult) -> DataTable:
    of_visit = ("held", result.search.unit, "state", "begin s", "seconds", "rate per s", "mean ms", "p95 ms")
    header = (*of_visit, "decided by", "share", "low", "high", "unexplained", "not started", "late")
    rows = [
        (
            *(found.fault or "healthy", visit.n, visit.state, round(visit.begin_s, 1), visit.seconds),
            *(round(visit.rate_per_s, 3), visit.mean_ms, visit.p95_ms, visit.subject),
            *(visit.subject_share.value, visit.subject_share.low, visit.subject_share.high, visit.unexplained),
            *(visit.unstarted, visit.late),
        )
        for found in result.capacities
        for visit in found.visits
    ]
    return DataTable(header, tuple(rows))
