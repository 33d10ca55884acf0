"""Draws a search over the number of users: throughput with the fitted law, p95, and the share in time with bounds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.capacity.level import LevelState, Visit
from analysis.capacity.result import Capacity
from analysis.charts.canvas import Canvas
from analysis.charts.draw import Spec, draw, text_mark
from analysis.charts.ink import FAIL, GOOD, MUTED, SURFACE, TARGET

HEIGHT = 170
_CURVE_POINTS = 60
_INKS = (GOOD, FAIL)
_SHAPES = {LevelState.PASS: "circle", LevelState.FAIL: "cross", LevelState.OPEN: "diamond", LevelState.UNFIT: "stroke"}


@dataclass(frozen=True, kw_only=True)
class LevelPanel:
    """A chart over users: `value` of each visit, with `bounds` where there are any, and a target `rule`."""

    id: str
    title: str
    value: Callable[[Visit], float | None]
    bounds: Callable[[Visit], tuple[float | None, float | None]] = lambda _: (None, None)
    rule: float | None = None
    floor: float = 0.0
    ceiling: float | None = None
    with_law: bool = False


def panels(threshold_ms: float, good_share: float) -> tuple[LevelPanel, ...]:
    """The three charts of a search."""
    return (
        LevelPanel(id="throughput", title="Throughput, requests per s", value=lambda v: v.rate_per_s, with_law=True),
        LevelPanel(id="p95", title="p95 of all requests, ms", value=lambda v: v.p95_ms, rule=threshold_ms),
        LevelPanel(
            id="share",
            title=f"Share under {threshold_ms:g} ms of what decided the level",
            value=lambda v: v.subject_share.value,
            bounds=lambda v: (v.subject_share.low, v.subject_share.high),
            rule=good_share,
            ceiling=1.0,
        ),
    )


def draw_levels(panel: LevelPanel, capacities: Sequence[Capacity], canvas: Canvas) -> str:
    """The panel as an SVG."""
    return draw(level_spec(panel, capacities, canvas), label=panel.title, kind=f"plot {canvas.name}")


def level_spec(panel: LevelPanel, capacities: Sequence[Capacity], canvas: Canvas) -> Spec:
    """The Vega-Lite spec of a panel; layers are named after what they show."""
    highest = max((visit.n for found in capacities for visit in found.visits), default=1)
    layers: list[Spec] = []
    for number, found in enumerate(capacities):
        layers += _interval(found, _INKS[number])
    layers += _rule(panel, highest)
    for number, found in enumerate(capacities):
        layers += [*_law(panel, found, _INKS[number]), *_visits(panel, found, _INKS[number], number)]
    x = {
        "field": "n",
        "type": "quantitative",
        "scale": {"domain": [0, highest * 1.05], "nice": False},
        "axis": {"tickCount": canvas.ticks, "tickMinStep": 1, "format": "d"},
    }
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": {"domain": [panel.floor, panel.ceiling or _top(panel, capacities)], "nice": False, "clamp": True},
        "axis": {"tickCount": 5, "format": ".0%" if panel.ceiling == 1.0 else ",.4~r", "domain": False},
    }
    for layer in layers:
        layer["encoding"] = {name: {**{"x": x, "y": y}.get(name, {}), **of} for name, of in layer["encoding"].items()}
    return {**canvas.frame(HEIGHT), "layer": layers}


def _top(panel: LevelPanel, capacities: Sequence[Capacity]) -> float:
    values = [panel.value(visit) or 0.0 for found in capacities for visit in found.visits]
    return max([*values, panel.rule or 0.0, 1.0]) * 1.08


def _layer(name: str, values: list[dict[str, float]], mark: Spec, *channels: str) -> list[Spec]:
    fields = {"x": "n", "x2": "until", "y": "v", "y2": "top"}
    encoding = {channel: {"field": fields[channel]} for channel in channels}
    return [{"name": name, "data": {"values": values}, "mark": mark, "encoding": encoding}] if values else []


def _interval(found: Capacity, ink: str) -> list[Spec]:
    if found.fails is None:
        return []
    mark = {"type": "rect", "fill": ink, "opacity": 0.16}
    name = f"interval_{'held' if found.fault else 'healthy'}"
    return _layer(name, [{"n": found.passes, "until": found.fails}], mark, "x", "x2")


def _rule(panel: LevelPanel, highest: int) -> Iterator[Spec]:
    if panel.rule is not None:
        mark = {"type": "rule", "stroke": TARGET, "strokeDash": [5, 3], "strokeWidth": 1.5}
        yield from _layer("target", [{"v": panel.rule}], mark, "y")
        label = {**text_mark(fill=TARGET, dx=6), "text": "target"}
        yield from _layer("target_label", [{"n": highest * 1.05, "v": panel.rule}], label, "x", "y")


def _law(panel: LevelPanel, found: Capacity, ink: str) -> list[Spec]:
    if not panel.with_law or found.usl.gamma is None:
        return []
    highest = max(visit.n for visit in found.visits)
    points = [
        {"n": round(float(n), 3), "v": float(f"{found.usl.throughput(float(n)):.5g}")}
        for n in np.linspace(0, highest, _CURVE_POINTS)
    ]
    mark = {"type": "line", "stroke": ink, "strokeWidth": 1.4, "strokeDash": [2, 2]}
    return _layer(f"law_{'held' if found.fault else 'healthy'}", points, mark, "x", "y")


def _visits(panel: LevelPanel, found: Capacity, ink: str, number: int) -> Iterator[Spec]:
    kind = "held" if found.fault else "healthy"
    whiskers = [
        {"n": visit.n, "v": low, "top": high}
        for visit in found.visits
        for low, high in [panel.bounds(visit)]
        if low is not None and high is not None
    ]
    yield from _layer(f"bounds_{kind}", whiskers, {"type": "rule", "stroke": ink, "strokeWidth": 1.5}, "x", "y", "y2")
    for state, shape in _SHAPES.items():
        points = [
            {"n": visit.n, "v": value}
            for visit in found.visits
            if visit.state == state and (value := panel.value(visit)) is not None
        ]
        fill = ink if state is LevelState.PASS else SURFACE
        mark = {"type": "point", "shape": shape, "size": 60, "stroke": ink, "fill": fill, "opacity": 1}
        yield from _layer(f"{state}_{kind}", points, mark, "x", "y")
    last = max(found.visits, key=lambda visit: visit.n, default=None)
    value = panel.value(last) if last is not None else None
    if last is not None and value is not None and found.fault:
        label = {**text_mark(fill=MUTED, dx=6, dy=-8 * number), "text": "fault held"}
        yield from _layer("held_label", [{"n": last.n, "v": value}], label, "x", "y")
