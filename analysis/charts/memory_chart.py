"""The memory of one process: its readings, the floor under them, the slope with its interval, and the tolerance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.charts.canvas import UNLABELLED, TimeAxis
from analysis.charts.draw import Spec, draw
from analysis.charts.ink import INK, P50, P95, TARGET
from analysis.verdict import Estimate

HEIGHT = 110
FLOOR_POINTS = 32
_MOST_POINTS = 300
_DOT: Spec = {"type": "point", "filled": True, "fill": INK, "size": 14, "opacity": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryCurve:
    """What is drawn of a process: at_s, mib, shape (N,), its readings; floor_s, floor_mib, shape (M,), their floor."""

    subject: str
    at_s: NDArray[np.float64]
    mib: NDArray[np.float64]
    floor_s: NDArray[np.float64]
    floor_mib: NDArray[np.float64]
    restarts_s: tuple[float, ...]
    slope_mib_per_h: Estimate
    tolerance_mib_per_h: float


def draw_memory(curve: MemoryCurve, axis: TimeAxis) -> str:
    """The chart as an SVG."""
    return draw(memory_spec(curve, axis), label=f"Memory of {curve.subject}", kind="plot memory")


def memory_spec(curve: MemoryCurve, axis: TimeAxis) -> Spec:
    """The Vega-Lite spec of one process's memory."""
    layers = [
        _layer("readings", *_thinned(curve.at_s, curve.mib), {"type": "line", "stroke": P50, "strokeWidth": 1}),
        *_slope_band(curve),
        _line_of("slope", curve, curve.slope_mib_per_h.value, {"stroke": P95, "strokeWidth": 2}),
        _line_of("tolerance", curve, curve.tolerance_mib_per_h, {"stroke": TARGET, "strokeDash": [5, 3]}),
        _layer(
            "floor",
            curve.floor_s,
            curve.floor_mib,
            {"type": "point", "filled": True, "fill": INK, "size": 14, "opacity": 1},
        ),
        _restarts(curve),
    ]
    x, y = axis.encoding(UNLABELLED), _y(curve)
    kept = [layer for layer in layers if layer["data"]["values"]]
    for layer in kept:
        layer["encoding"] = {"x": x, **({"y": y} if layer["name"] != "restarts" else {}), **layer["encoding"]}
    return {**UNLABELLED.frame(HEIGHT), "layer": kept}


def _layer(name: str, at_s: NDArray[np.float64], mib: NDArray[np.float64], mark: Spec) -> Spec:
    values = [{"t": round(float(t), 2), "v": float(f"{v:.6g}")} for t, v in zip(at_s, mib, strict=True)]
    return {"name": name, "data": {"values": values}, "mark": mark, "encoding": {}}


def _thinned(at_s: NDArray[np.float64], mib: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest reading of each stretch, so that peaks survive."""
    if mib.size <= _MOST_POINTS:
        return at_s, mib
    parts = np.array_split(np.arange(mib.size), _MOST_POINTS // 2)
    kept = sorted({int(part[pick(mib[part])]) for part in parts for pick in (np.argmin, np.argmax)})
    return at_s[kept], mib[kept]


def _through_centre(curve: MemoryCurve, slope_mib_per_h: float) -> list[dict[str, float]]:
    """The line of a slope through the centre of the floor points, at both ends of the readings."""
    centre_s, centre_mib = float(curve.floor_s.mean()), float(curve.floor_mib.mean())
    ends = (float(curve.at_s[0]), float(curve.at_s[-1]))
    return [{"t": t, "v": centre_mib + slope_mib_per_h * (t - centre_s) / 3600} for t in ends]


def _line_of(name: str, curve: MemoryCurve, slope_mib_per_h: float | None, mark: Spec) -> Spec:
    usable = slope_mib_per_h is not None and curve.at_s.size
    values = _through_centre(curve, slope_mib_per_h or 0.0) if usable else []
    return {"name": name, "data": {"values": values}, "mark": {"type": "line", **mark}, "encoding": {}}


def _slope_band(curve: MemoryCurve) -> list[Spec]:
    low, high = curve.slope_mib_per_h.low, curve.slope_mib_per_h.high
    if low is None or high is None or not curve.at_s.size:
        return []
    ends = zip(_through_centre(curve, low), _through_centre(curve, high), strict=True)
    values = [{"t": a["t"], "v": a["v"], "top": b["v"]} for a, b in ends]
    middle_s, middle = float(curve.floor_s.mean()), float(curve.floor_mib.mean())
    values.insert(1, {"t": middle_s, "v": middle, "top": middle})
    mark = {"type": "area", "fill": P95, "opacity": 0.2}
    return [
        {"name": "slope_band", "data": {"values": values}, "mark": mark, "encoding": {"y2": {"field": "top"}}},
    ]


def _restarts(curve: MemoryCurve) -> Spec:
    values = [{"t": at_s} for at_s in curve.restarts_s]
    mark = {"type": "rule", "stroke": INK, "strokeDash": [1, 2]}
    return {"name": "restarts", "data": {"values": values}, "mark": mark, "encoding": {}}


def _y(curve: MemoryCurve) -> Spec:
    low, high = float(curve.mib.min()), float(curve.mib.max())
    margin = max((high - low) * 0.15, 1.0)
    scale = {"domain": [low - margin, high + margin], "nice": False, "clamp": True}
    axis = {"tickCount": 3, "format": ",.5~r", "domain": False, "ticks": False}
    return {"field": "v", "type": "quantitative", "scale": scale, "axis": axis}
