"""The drawings: a wrong field name in a spec silently draws nothing, so the marks are counted."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.charts.canvas import NARROW, WIDE, TimeAxis
from analysis.charts.lane import Lane, LaneFault, draw_lane
from analysis.charts.panel import Backdrop, Panel, Series, draw_panel, spread
from analysis.charts.run_series import quantiles_ms
from analysis.charts.time_bins import TimeBins, gaps_s, time_bins
from analysis.report.timeline import generator_panels, run_axis, timeline_view
from journal.outcomes import Kind

SVG = re.compile(r'<svg class="[^"]*\b%s\b[^"]*".*?</svg>', re.DOTALL)


@pytest.fixture(scope="module")
def run(example):
    return run_axis(example.evidence, example.verdict)


@pytest.fixture(scope="module")
def timeline(example, run):
    return timeline_view(example.evidence, example.verdict, run)


def marks(svg: str, name: str, tag: str = "*") -> list[ET.Element]:
    """The shapes of a layer in a drawing."""
    root = ET.fromstring(svg)
    groups = (group for group in root.iter("g") if f"{name}_marks" in group.get("class", "").split())
    return [shape for group in groups for shape in group.iter() if shape.tag != "g" and tag in {"*", shape.tag}]


def points(path: ET.Element) -> int:
    return len(re.findall(r"[ML]", path.get("d")))


def width(bar: ET.Element) -> float:
    return float(re.search(r"h(-?[\d.]+)", bar.get("d"))[1])


def panel(timeline, name: str):
    return next(view for view in timeline.panels if view.panel.id == name)


@pytest.mark.parametrize("drawing", ["wide", "narrow"])
@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("latency", ("p50", "p95", "p99")),
        ("good-share", ("good_share",)),
        ("rate", ("sent", "answered_ok")),
        ("users", ()),
        ("memory-by-role", ("role_0", "role_1", "role_2")),
    ],
)
def test_each_line_has_a_point_for_each_known_second_and_breaks_at_the_gap(timeline, drawing, name, series):
    view = panel(timeline, name)
    svg = getattr(view, drawing)
    assert {one.name for one in view.panel.series} >= set(series)
    for one in view.panel.series:
        paths = marks(svg, one.name, "path")
        known = int(np.isfinite(one.values).sum())
        if view.panel.shape == "lines":
            assert sum(points(path) for path in paths) == known
        assert len(paths) == (1 if name == "memory-by-role" else 2)
        assert len(marks(svg, f"{one.name}_label", "text")) == 1


def test_the_wide_and_the_narrow_drawing_show_target_warm_up_faults_and_gap(timeline):
    for svg in (panel(timeline, "latency").wide, panel(timeline, "latency").narrow):
        assert len(marks(svg, "target")) == 1
        assert len(marks(svg, "warm_up")) == 1
        assert len(marks(svg, "gaps")) == 1
        assert len(marks(svg, "fault_bands")) == 3
        assert len(marks(svg, "fault_starts")) == 3


def test_a_band_is_as_wide_as_what_it_stands_for(timeline):
    px_per_s = WIDE.width / 194
    widths = {name: [width(band) for band in marks(panel(timeline, "rate").wide, name)] for name in ("gaps", "warm_up")}
    assert widths["gaps"] == pytest.approx([7 * px_per_s], abs=0.01)
    assert widths["warm_up"] == pytest.approx([10 * px_per_s], abs=0.01)
    faults = [width(band) for band in marks(panel(timeline, "rate").wide, "fault_bands")]
    assert faults == pytest.approx([seconds * px_per_s for seconds in (2.9, 29.8, 33.7)], abs=0.01)


def test_each_second_with_errors_has_a_bar_of_its_kind(timeline):
    view = panel(timeline, "errors")
    assert [series.label for series in view.panel.series] == ["server error", "cut"]
    for series in view.panel.series:
        bars = marks(view.wide, series.name)
        assert len(bars) == int((np.nan_to_num(series.values) > 0).sum()) > 0
        assert {round(width(bar), 1) for bar in bars} == {round(WIDE.width / 194, 1)}


def test_the_lane_draws_every_state_of_a_fault_in_its_own_way_and_links_to_its_card(timeline):
    for svg in (timeline.lane_wide, timeline.lane_narrow):
        bars = {style: len(marks(svg, f"fault_{style}", "path")) for style in ("effective", "planned", "no_effect")}
        assert bars == {"effective": 1, "planned": 1, "no_effect": 1}
        assert len(marks(svg, "fault_not_reverted", "path")) == 1
        assert len(marks(svg, "open_ends", "text")) == 1
        assert len(marks(svg, "crossed_out")) == 2
        assert len(marks(svg, "missing", "path")) == 1
        assert len(marks(svg, "suspect", "path")) == 1
        assert {a.get("href") for a in ET.fromstring(svg).iter("a")} == {f"#fault-f{number}" for number in (1, 2, 3, 4)}


def test_suspect_seconds_lie_behind_every_panel_at_their_time(timeline):
    for view in timeline.panels:
        if view.wide:
            (band,) = marks(view.wide, "suspect", "path")
            assert width(band) == pytest.approx(3 * WIDE.width / 194, abs=0.2)


def test_a_strip_shows_the_shares_and_the_estimates_before_during_and_after(example):
    strips = SVG.pattern.replace("%s", "strip")
    found = re.findall(strips, example.text("report.html"), re.DOTALL)
    assert len(found) == 3
    for svg in found:
        assert len(marks(svg, "estimates")) == 3
        assert len(marks(svg, "intervals")) == 3
        assert sum(points(path) for path in marks(svg, "good_share", "path")) > 20


def test_a_memory_chart_shows_readings_floor_slope_tolerance_and_restarts(example):
    charts = re.findall(SVG.pattern.replace("%s", "memory"), example.text("report.html"), re.DOTALL)
    assert len(charts) == 4
    for svg in charts:
        assert len(marks(svg, "floor", "path")) >= 16
        assert all(len(marks(svg, name, "path")) == 1 for name in ("readings", "slope", "slope_band", "tolerance"))
        lows_and_highs = re.findall(r"[ML][-\d.]+,([-\d.]+)", marks(svg, "slope_band", "path")[0].get("d"))
        left, middle, right, right_again, middle_again, left_again = map(float, lows_and_highs)
        assert middle == middle_again
        assert left != left_again
        assert right != right_again
    assert [len(marks(svg, "restarts", "line")) for svg in charts] == [0, 0, 1, 0]


def test_each_row_with_an_interval_has_a_dot_a_whisker_and_a_rule(example):
    bars = re.findall(SVG.pattern.replace("%s", "interval"), example.text("report.html"), re.DOTALL)
    for name, expected in (("dot", 14), ("whisker", 11), ("target", 13)):
        assert sum(bar.count(f'class="{name}"') for bar in bars) == expected


def test_the_generators_delay_is_drawn_with_its_longest_second(example, run):
    lag, cpu = generator_panels(example.evidence, run)
    longest = lag.panel.series[1].values
    assert run.bins.starts_s[np.nanargmax(longest)] == 100
    assert np.nanmax(longest) == pytest.approx(4.9, rel=0.01)
    assert np.nanmedian(cpu.panel.series[0].values) == pytest.approx(0.3, abs=0.01)


def test_the_quantiles_of_a_bin_are_those_of_its_merged_histogram(example):
    columns, rows = example.evidence.columns, example.evidence.rows(Kind.REQUEST)
    bins = time_bins(columns, example.evidence.origin_ns, most=30)
    p50, p99 = quantiles_ms(columns, bins, rows, (0.5, 0.99))
    for number in range(bins.size):
        merged = columns.histogram(rows, within=(bins.bin_of == number) & bins.known)
        assert p50[number] == pytest.approx(merged.quantile_us(0.5) / 1000)
        assert p99[number] == pytest.approx(merged.quantile_us(0.99) / 1000)


def test_a_second_that_one_worker_did_not_report_is_a_gap_and_not_a_smaller_number(example, timeline):
    assert gaps_s(example.evidence.columns, example.evidence.origin_ns) == [(120.0, 127.0)]
    sent = panel(timeline, "rate").panel.series[0].values
    assert np.isnan(sent[130:137]).all()
    assert np.nanmin(sent) > 50


@pytest.mark.parametrize("canvas", [WIDE, NARROW])
def test_hostile_labels_stay_text_in_a_drawing(canvas):
    hostile = "</text></svg><script>alert(1)</script>&\"'"
    bins = time_bins_of(5)
    values = Series("one", hostile, "var(--ink)", np.arange(1.0, 6.0))
    shown = Panel(id="x", title=hostile, unit="ms", series=(values,))
    svg = draw_panel(shown, bins, Backdrop(TimeAxis(0, 5)), canvas)
    lane = draw_lane(Lane([], [LaneFault("F1", hostile, 1, 2, "effective", "fault-f1")]), TimeAxis(0, 5), canvas)
    for drawing in (svg, lane):
        root = ET.fromstring(drawing)
        assert not list(root.iter("script"))
        assert hostile in [text.text for text in root.iter("text")]


def time_bins_of(seconds: int):
    numbers = np.arange(seconds)
    return TimeBins(1, numbers.astype(float), numbers, np.ones(seconds, dtype=bool))


@given(st.lists(st.floats(0, 100), max_size=7).map(sorted))
def test_labels_never_touch_and_stay_inside_while_there_is_room(heights):
    placed = spread(heights, 12, 100)
    assert all(after - before >= 12 - 1e-6 for before, after in pairwise(placed))
    assert all(height <= 100 for height in placed)
