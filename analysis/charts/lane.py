"""The lane above all plots: the phases of the run, a bar for each fault, and seconds that are suspect or missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.canvas import Canvas, TimeAxis
from analysis.charts.draw import Spec, draw, text_mark
from analysis.charts.ink import FAIL, GAP, GRID, INK, MUTED, SURFACE, SUSPECT

Mark = dict[str, str | float]

ROW_HEIGHT = 20
WARM_UP_LABEL = "warm-up"
_CHARACTER_WIDTH = 6.2
_LABEL_ROOM = 40  # labels may run so far into the right margin
_RAW: Spec = {"type": "quantitative", "scale": None, "axis": None}
_LOOKS: dict[str, Spec] = {
    "planned": {"fill": SURFACE, "stroke": FAIL, "strokeDash": [3, 2]},
    "effective": {"fill": FAIL},
    "no_effect": {"fill": SURFACE, "stroke": FAIL},
    "not_reverted": {"fill": FAIL, "fillOpacity": 0.75},
}


@dataclass(frozen=True, slots=True)
class LaneFault:
    """A fault's bar. `style`: "planned" (never injected), "effective", "no_effect", "not_reverted"."""

    id: str
    label: str
    start_s: float
    end_s: float
    style: str
    anchor: str


@dataclass(frozen=True, slots=True)
class LanePhase:
    """A stretch of the run."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Lane:
    """What the lane shows; `suspect` (the generator was) and `gaps` are stretches in seconds since the load began."""

    phases: list[LanePhase]
    faults: list[LaneFault]
    suspect: tuple[tuple[float, float], ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Placed:
    row: int
    left: float
    right: float
    label_at: float
    align: str


def draw_lane(lane: Lane, axis: TimeAxis, canvas: Canvas) -> str:
    """The lane as an SVG; a click on a fault's bar leads to its card."""
    spec = lane_spec(lane, axis, canvas)
    place = {"left": canvas.left, "width": canvas.width, "top": 6, "height": spec["height"]}
    span = {"begin": axis.begin_s, "end": axis.end_s}
    return draw(spec, label="Phases and faults", kind=f"plot phases {canvas.name}", data=place | span)


def lane_spec(lane: Lane, axis: TimeAxis, canvas: Canvas) -> Spec:
    """The Vega-Lite spec of the lane."""
    placed = _place(lane.faults, axis, canvas.width)
    rows = 1 + max((place.row for place in placed), default=0)
    names = ["phase"] + (["faults"] if lane.faults else []) + [""] * (rows - 2)
    below = [row for row in (("suspect", "suspect", lane.suspect), ("gaps", "missing", lane.gaps)) if row[-1]]
    names += [name for name, _, _ in below]
    first_below = len(names) - len(below)
    layers = [
        _time_axis(axis, canvas),
        _texts("row_names", [_label(name, -8, row) for row, name in enumerate(names)], fill=MUTED, align="right"),
        *_phases(lane.phases, axis, canvas),
        *_faults(list(zip(lane.faults, placed, strict=True))),
        *(_stretches(layer, spans, axis, canvas, first_below + row) for row, (_, layer, spans) in enumerate(below)),
    ]
    return {**canvas.frame(ROW_HEIGHT * len(names)), "layer": [layer for layer in layers if layer["data"]["values"]]}


def _time_axis(axis: TimeAxis, canvas: Canvas) -> Spec:
    mark = {"type": "point", "opacity": 0}
    return {
        "name": "axis",
        "data": {"values": [{"t": axis.begin_s}]},
        "mark": mark,
        "encoding": {"x": axis.encoding(canvas)},
    }


def _px(*channels: str) -> Spec:
    """Channels whose fields hold px."""
    return {
        channel: {"field": channel} if channel.endswith("2") else {"field": channel, **_RAW} for channel in channels
    }


def _label(text: str, x: float, row: int) -> Mark:
    return {"text": text, "x": x, "y": (row + 0.5) * ROW_HEIGHT}


def _texts(name: str, labels: list[Mark], **options: object) -> Spec:
    encoding = {**_px("x", "y"), "text": {"field": "text"}}
    return {"name": name, "data": {"values": labels}, "mark": text_mark(**options), "encoding": encoding}


def _bar(left: float, right: float, row: int) -> Mark:
    top = row * ROW_HEIGHT
    return {"x": left, "x2": max(right, left + 3), "y": top + 3, "y2": top + ROW_HEIGHT - 3}


def _bars(name: str, bars: list[Mark], **mark: object) -> Spec:
    encoding = _px("x", "x2", "y", "y2")
    return {"name": name, "data": {"values": bars}, "mark": {"type": "rect", **mark}, "encoding": encoding}


def _phases(phases: list[LanePhase], axis: TimeAxis, canvas: Canvas) -> list[Spec]:
    spans = [
        (phase, axis.place(phase.start_s, canvas.width), axis.place(phase.end_s, canvas.width)) for phase in phases
    ]
    wide = [(p, left) for p, left, right in spans if right - left > len(p.label) * _CHARACTER_WIDTH + 6]
    return [
        _bars("warm_up", [_bar(a, b, 0) for phase, a, b in spans if phase.label == WARM_UP_LABEL], fill=GAP),
        _bars("phases", [_bar(a, b, 0) for phase, a, b in spans if phase.label != WARM_UP_LABEL], fill=GRID),
        _texts("phase_labels", [_label(phase.label, left + 5, 0) for phase, left in wide]),
    ]


def _place(faults: list[LaneFault], axis: TimeAxis, width: int) -> list[_Placed]:
    """Each fault in the first row where neither its bar nor its label touches another.

    The label stands after the bar, else before it, else inside a bar that leaves no room beside it.
    """
    taken: list[list[tuple[float, float]]] = []
    places = []
    for fault in faults:
        left, right = axis.place(fault.start_s, width), axis.place(fault.end_s, width)
        length = len(fault.label) * _CHARACTER_WIDTH + 8
        align = "left" if right + length <= width + _LABEL_ROOM else "right" if left >= length else "inside"
        span = {"left": (left, right + length), "right": (left - length, right)}.get(align, (left, right))
        row = next((i for i, row in enumerate(taken) if all(span[1] < a or span[0] > b for a, b in row)), len(taken))
        if row == len(taken):
            taken.append([])
        taken[row].append(span)
        label_at = {"left": right + 6, "right": left - 6}.get(align, left + 6)
        places.append(_Placed(row + 1, left, right, label_at, align))
    return places


def _faults(placed: list[tuple[LaneFault, _Placed]]) -> list[Spec]:
    bars: dict[str, list[Mark]] = {style: [] for style in _LOOKS}
    for fault, at in placed:
        bars[fault.style].append(_bar(at.left, at.right, at.row) | {"href": f"#{fault.anchor}"})
    layers = [_linked(_bars(f"fault_{style}", bars[style], **look)) for style, look in _LOOKS.items()]
    ends = [_label("▶", at.right - 8, at.row) for fault, at in placed if fault.style == "not_reverted"]
    layers += [_crosses([at for fault, at in placed if fault.style == "no_effect"]), _texts("open_ends", ends)]
    for align, fill in (("left", INK), ("right", INK), ("inside", SURFACE)):
        labels = [
            _label(fault.label, at.label_at, at.row) | {"href": f"#{fault.anchor}"}
            for fault, at in placed
            if at.align == align
        ]
        layers.append(
            _linked(_texts(f"fault_labels_{align}", labels, fill=fill, align="right" if align == "right" else "left"))
        )
    return layers


def _linked(layer: Spec) -> Spec:
    return {**layer, "encoding": {**layer["encoding"], "href": {"field": "href"}}}


def _crosses(placed: list[_Placed]) -> Spec:
    strokes = []
    for at in placed:
        bar = _bar(at.left, at.right, at.row)
        strokes += [bar, {**bar, "y": bar["y2"], "y2": bar["y"]}]
    mark = {"type": "rule", "stroke": FAIL}
    return {"name": "crossed_out", "data": {"values": strokes}, "mark": mark, "encoding": _px("x", "x2", "y", "y2")}


def _stretches(name: str, spans: Sequence[tuple[float, float]], axis: TimeAxis, canvas: Canvas, row: int) -> Spec:
    bars = [_bar(axis.place(begin, canvas.width), axis.place(end, canvas.width), row) for begin, end in spans]
    return _bars(name, bars, fill=SUSPECT if name == "suspect" else GAP, stroke=MUTED, strokeDash=[2, 2])
