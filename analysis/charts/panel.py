"""One chart over time: lines or stacked bars, a target rule, the warm-up, gaps and faults behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.charts.canvas import Canvas, TimeAxis
from analysis.charts.draw import Spec, draw, text_mark
from analysis.charts.ink import BAND, GAP, INK, MUTED, SUSPECT, TARGET, WARM_UP
from analysis.charts.time_bins import TimeBins

LABEL_HEIGHT = 12


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one kind of bar: values of shape (N,), NaN where nothing is known. `name` is a CSS class."""

    name: str
    label: str
    colour: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """A fault behind a plot, in seconds since the load began."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What lies behind every plot of a run; `suspect`: when the generator was, in seconds as the gaps are."""

    axis: TimeAxis
    faults: tuple[Window, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    suspect: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A chart over time. `unit` is "ms", "share", "per s", "count", "users" or "MiB"; `rule` a target in that unit."""

    id: str
    title: str
    unit: str
    series: tuple[Series, ...]
    shape: Literal["lines", "steps", "bars"] = "lines"
    log: bool = False
    rule: float | None = None
    floor: float | None = 0.0
    ceiling: float | None = None
    height: int = 96
    note: str = ""
    domain: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", _domain(self))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(np.isfinite(series.values).any() for series in self.series)

    def place(self, value: float) -> float:
        """The height of a value on the plot, in px from the top."""
        low, high = (np.log10(self.domain) if self.log else self.domain)[:2]
        at = np.log10(max(value, self.domain[0])) if self.log else value
        return float(np.clip((high - at) / (high - low), 0, 1) * self.height)


def draw_panel(panel: Panel, bins: TimeBins, backdrop: Backdrop, canvas: Canvas) -> str:
    """The panel as an SVG; its data attributes say where the plot lies, for the page's script."""
    place = {"left": canvas.left, "width": canvas.width, "top": 6, "height": panel.height}
    span = {"begin": backdrop.axis.begin_s, "end": backdrop.axis.end_s}
    return draw(
        panel_spec(panel, bins, backdrop, canvas), label=panel.title, kind=f"plot {canvas.name}", data=place | span
    )


def panel_spec(panel: Panel, bins: TimeBins, backdrop: Backdrop, canvas: Canvas) -> Spec:
    """The Vega-Lite spec of a panel; layers are named after what they show."""
    marks = _bars(panel, bins) if panel.shape == "bars" else [_line(panel, series, bins) for series in panel.series]
    layers = backdrop_layers(backdrop) + _rule(panel) + marks + _end_labels(panel, canvas)
    x, y = backdrop.axis.encoding(canvas), _y(panel)
    for layer in layers:
        layer["encoding"] = {**({"x": x} if "t" in layer.pop("uses", "t") else {}), **layer["encoding"]}
        if "y" in layer["encoding"] and "field" in layer["encoding"]["y"]:
            layer["encoding"]["y"] = {**y, **layer["encoding"]["y"]}
    return {**canvas.frame(panel.height), "layer": layers}


def backdrop_layers(backdrop: Backdrop) -> list[Spec]:
    """The warm-up, faults, suspect seconds and gaps of every plot, from the back on; they come without an x channel."""
    bands: list[tuple[str, str, float, Sequence[tuple[float, float]]]] = [
        ("warm_up", WARM_UP, 1, [(backdrop.axis.begin_s, 0.0)] if backdrop.axis.begin_s < 0 else []),
        ("fault_bands", BAND, 1, [(fault.start_s, fault.end_s) for fault in backdrop.faults]),
        ("suspect", SUSPECT, 0.8, backdrop.suspect),
        ("gaps", GAP, 0.8, backdrop.gaps),
    ]
    layers = [_band(name, colour, opacity, spans) for name, colour, opacity, spans in bands if spans]
    if backdrop.faults:
        starts = [{"t": fault.start_s} for fault in backdrop.faults]
        mark = {"type": "rule", "stroke": INK, "strokeWidth": 1, "opacity": 0.7}
        layers.append({"name": "fault_starts", "data": {"values": starts}, "mark": mark, "encoding": {}})
    return layers


def _band(name: str, colour: str, opacity: float, spans: Sequence[tuple[float, float]]) -> Spec:
    values = [{"t": begin, "until": end} for begin, end in spans]
    mark = {"type": "rect", "fill": colour, "opacity": opacity}
    return {"name": name, "data": {"values": values}, "mark": mark, "encoding": {"x2": {"field": "until"}}}


def _rule(panel: Panel) -> list[Spec]:
    if panel.rule is None:
        return []
    mark = {"type": "rule", "stroke": TARGET, "strokeDash": [5, 3], "strokeWidth": 1.5}
    values = [{"v": panel.rule}]
    return [{"name": "target", "data": {"values": values}, "mark": mark, "encoding": {"y": {"field": "v"}}, "uses": ""}]


def _line(panel: Panel, series: Series, bins: TimeBins) -> Spec:
    mark = {"type": "line", "stroke": series.colour, "strokeWidth": 1.6, "strokeCap": "round", "strokeJoin": "round"}
    if panel.shape == "steps":
        mark["interpolate"] = "step"
    return {
        "name": series.name,
        "data": {"values": _points(series.values, bins)},
        "mark": mark,
        "encoding": {"y": {"field": "v"}, "detail": {"field": "part"}},
    }


def _points(values: NDArray[np.float64], bins: TimeBins) -> list[dict[str, float]]:
    """The finite points; `part` counts up after each gap, so that no line crosses it."""
    part = np.cumsum(~np.isfinite(values))
    return [
        {"t": round(float(bins.centres_s[i]), 2), "v": float(f"{values[i]:.4g}"), "part": int(part[i])}
        for i in np.flatnonzero(np.isfinite(values))
    ]


def _bars(panel: Panel, bins: TimeBins) -> list[Spec]:
    """Stacked bars as wide as their bins."""
    base = np.zeros(bins.size)
    layers = []
    for series in panel.series:
        top = base + np.nan_to_num(series.values)
        values = [
            {
                "t": float(bins.starts_s[i]),
                "until": float(bins.starts_s[i]) + bins.width_s,
                "v": float(top[i]),
                "from": float(base[i]),
            }
            for i in np.flatnonzero(np.nan_to_num(series.values) > 0)
        ]
        encoding: Spec = {"x2": {"field": "until"}, "y": {"field": "v"}, "y2": {"field": "from"}}
        mark = {"type": "rect", "fill": series.colour}
        layers.append({"name": series.name, "data": {"values": values}, "mark": mark, "encoding": encoding})
        base = top
    return layers


def _end_labels(panel: Panel, canvas: Canvas) -> list[Spec]:
    """Each series' name beside its last point, and the target's beside its rule, moved apart where they would touch."""
    wanted = [
        (panel.place(float(series.values[np.isfinite(series.values)][-1])), series.label, series.colour, series.name)
        for series in panel.series
        if panel.shape != "bars" and np.isfinite(series.values).any()
    ]
    if panel.rule is not None:
        wanted.append((panel.place(panel.rule), "target", TARGET, "target"))
    wanted.sort(key=lambda label: label[0])
    heights = spread([label[0] for label in wanted], LABEL_HEIGHT, panel.height)
    return [
        {
            "name": f"{name}_label",
            "data": {"values": [{}]},
            "mark": text_mark(text=text, fill=colour),
            "encoding": {"x": {"value": canvas.width + 5}, "y": {"value": height}},
            "uses": "",
        }
        for (_, text, colour, name), height in zip(wanted, heights, strict=True)
    ]


def spread(heights: Sequence[float], gap: float, limit: float) -> list[float]:
    """Ascending heights moved as little as a forward and a backward pass need to be `gap` apart, within the limit."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    below = limit + gap
    for index in reversed(range(len(placed))):
        below = placed[index] = min(placed[index], below - gap)
    return placed


def _domain(panel: Panel) -> tuple[float, float]:
    drawn = [series.values[np.isfinite(series.values)] for series in panel.series]
    if panel.shape == "bars" and drawn:
        drawn = [np.nansum([series.values for series in panel.series], axis=0)]
    values = np.concatenate([*drawn, np.array([] if panel.rule is None else [panel.rule])])
    if panel.log:
        values = values[values > 0]
        low, high = (float(values.min()), float(values.max())) if values.size else (1.0, 10.0)
        return 10 ** float(np.floor(np.log10(low))), max(high * 1.15, low * 10)
    high = float(values.max()) if values.size else 1.0
    low = float(values.min()) if values.size else 0.0
    return _linear_domain(low, high, panel.floor, panel.ceiling)


def _linear_domain(low: float, high: float, floor: float | None, ceiling: float | None) -> tuple[float, float]:
    bottom = floor if floor is not None else low - ((high - low) * 0.1 or 0.01)
    top = ceiling if ceiling is not None else high + (high - bottom) * 0.08
    return (bottom, top) if top > bottom else (bottom, bottom + 1)


def _y(panel: Panel) -> Spec:
    scale: Spec = {"domain": list(panel.domain), "nice": False, "clamp": True}
    axis: Spec = {"format": ".3~%" if panel.unit == "share" else ",.4~r", "domain": False, "ticks": False}
    if panel.log:
        scale["type"] = "log"
        axis["values"] = _log_ticks(*panel.domain)
    elif panel.unit in {"count", "users"}:
        axis["values"] = _whole_ticks(panel.domain[1])
    else:
        axis["tickCount"] = 3  # on a logarithmic scale it would hide the labels of values given
    return {"type": "quantitative", "scale": scale, "axis": {**axis, "labelColor": MUTED}}


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    ticks = [tick for tick in fine if low <= tick <= high]
    return ticks if len(ticks) <= 5 else [10.0**power for power in powers if low <= 10.0**power <= high]


def _whole_ticks(high: float) -> list[float]:
    steps = (factor * 10.0**power for power in range(12) for factor in (1, 2, 5))
    step = next(step for step in steps if high / step < 4)
    return [step * number for number in range(int(high // step) + 1)]
