"""Where things lie on a drawing: plots of fixed place and size, so that those above one another share their axis."""

from dataclasses import dataclass

from analysis.charts.draw import Spec

_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A drawing's margins and plot size in px, and how many ticks its time axis may have."""

    name: str
    left: int
    width: int
    right: int
    ticks: int

    def frame(self, height: int, *, top: int = 6, bottom: int = 20) -> Spec:
        """The part of a spec that fixes the plot's place."""
        padding = {"left": self.left, "right": self.right, "top": top, "bottom": bottom}
        return {"width": self.width, "height": height, "autosize": "none", "padding": padding}


WIDE = Canvas("wide", left=52, width=892, right=80, ticks=12)
NARROW = Canvas("narrow", left=42, width=262, right=62, ticks=5)
SMALL = Canvas("small", left=46, width=268, right=46, ticks=5)
UNLABELLED = Canvas("unlabelled", left=46, width=298, right=16, ticks=5)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The span of a time axis in seconds since the load began."""

    begin_s: float
    end_s: float

    def place(self, at_s: float, width: int) -> float:
        """The place of a moment on a plot of this width, in px."""
        return (min(max(at_s, self.begin_s), self.end_s) - self.begin_s) / (self.end_s - self.begin_s) * width

    def encoding(self, canvas: Canvas, *, labels: bool = True) -> Spec:
        """The x channel for a field `t`, with ticks at round times."""
        axis = {"values": self.ticks(canvas.ticks), "labelExpr": self._label(), "labels": labels, "ticks": labels}
        return {
            "field": "t",
            "type": "quantitative",
            "scale": {"domain": [self.begin_s, self.end_s], "nice": False, "clamp": True},
            "axis": {**axis, "labelFlush": False, "labelOverlap": True},
        }

    def ticks(self, most: int) -> list[float]:
        """Round times within the axis, at most `most` and one."""
        length = self.end_s - self.begin_s
        step = next((step for step in _TICK_STEPS_S if length / step <= most), _TICK_STEPS_S[-1])
        first = -int(-self.begin_s // step)
        return [float(step * number) for number in range(first, int(self.end_s // step) + 1)]

    def _label(self) -> str:
        pattern = "%-H:%M:%S" if self.end_s >= 3600 else "%-M:%S"
        return f"(datum.value < 0 ? '−' : '') + utcFormat(abs(datum.value) * 1000, '{pattern}')"
