"""A fault's strip: the good share second by second around it, and its estimates before, during and after."""

import numpy as np
from numpy.typing import NDArray

from analysis.charts.canvas import SMALL, TimeAxis
from analysis.charts.draw import Spec, draw
from analysis.charts.ink import GOOD, P95
from analysis.charts.panel import Backdrop, Panel, Series, panel_spec
from analysis.charts.time_bins import TimeBins
from analysis.verdict import Estimate

HEIGHT = 84
MARGIN_S = 30.0


def strip_axis(start_s: float, end_s: float, run: TimeAxis) -> TimeAxis:
    """The fault's window and some time on either side, within the run."""
    margin_s = max(MARGIN_S, (end_s - start_s) / 2)
    return TimeAxis(max(run.begin_s, start_s - margin_s), max(min(run.end_s, end_s + margin_s), start_s + 1))


def draw_strip(
    shares: NDArray[np.float64],
    bins: TimeBins,
    backdrop: Backdrop,
    spans: list[tuple[float, float, Estimate]],
    *,
    target: float,
    label: str,
) -> str:
    """The strip as an SVG; `spans` are (from s, to s, good share) of the time before, during and after."""
    finite = shares[np.isfinite(shares)]
    lowest = min([target, *(float(value) for value in finite), *(e.low for _, _, e in spans if e.low is not None)])
    line = Series("good_share", "", GOOD, shares)
    panel = Panel(
        id="strip",
        title=label,
        unit="share",
        series=(line,),
        rule=target,
        floor=max(0.0, lowest - 0.05),
        ceiling=1.005,
        height=HEIGHT,
    )
    spec = panel_spec(panel, bins, backdrop, SMALL)
    spec["layer"] += _estimates(spans, backdrop.axis, panel)
    return draw(spec, label=label, kind="plot strip")


def _estimates(spans: list[tuple[float, float, Estimate]], axis: TimeAxis, panel: Panel) -> list[Spec]:
    """Each estimate as a bar as wide as its time, within a pale box from its lower to its upper bound."""
    boxes: list[dict[str, float]] = []
    values: list[dict[str, float]] = []
    for begin_s, end_s, estimate in spans:
        if estimate.value is None:
            continue
        place = {"x": axis.place(begin_s, SMALL.width), "x2": axis.place(end_s, SMALL.width)}
        values.append(place | {"y": panel.place(estimate.value)})
        if estimate.low is not None and estimate.high is not None:
            boxes.append(place | {"y": panel.place(estimate.high), "y2": panel.place(estimate.low)})
    raw = {"type": "quantitative", "scale": None, "axis": None}
    across = {"x": {"field": "x", **raw}, "x2": {"field": "x2"}, "y": {"field": "y", **raw}}
    box = {"type": "rect", "fill": P95, "opacity": 0.18}
    rule = {"type": "rule", "stroke": P95, "strokeWidth": 2.5}
    layers: list[Spec] = [
        {"name": "intervals", "data": {"values": boxes}, "mark": box, "encoding": {**across, "y2": {"field": "y2"}}},
        {"name": "estimates", "data": {"values": values}, "mark": rule, "encoding": across},
    ]
    return [layer for layer in layers if layer["data"]["values"]]
