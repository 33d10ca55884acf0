"""Shapes of load over time, for users and for arrivals: how high it is, how much came so far, and when the n-th comes.

All of it is arithmetic on elapsed seconds: no clock, no sleep, no state. Conductor, generator and judgement compute the
same numbers from the same plan.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from journal.errors import Problem

Times = NDArray[np.float64]
ShapeKind = Literal["constant", "soak", "ramp", "steps", "spike", "sine"]

_NEEDS: dict[str, tuple[str, ...]] = {
    "constant": (),
    "soak": (),
    "ramp": ("to",),
    "steps": ("to", "steps"),
    "spike": ("to", "at_s", "for_s"),
    "sine": ("amplitude", "period_s"),
}
_HALVINGS = 60  # from an hour down to less than a femtosecond


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a stage departs from its level; each kind takes its own settings and no others.

    constant, soak: not at all. ramp: evenly `to` another level until its end. steps: in so many equal `steps`, the
    first at its level, the last at `to`. spike: at the level `to` from `at_s` on `for_s` seconds long. sine: by
    `amplitude` up and down in `period_s`.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    kind: ShapeKind = "constant"
    to: Annotated[float, Ge(0)] | None = None
    steps: Annotated[int, Interval(ge=2, le=1000)] | None = None
    at_s: Annotated[float, Ge(0)] | None = None
    for_s: Annotated[float, Gt(0)] | None = None
    amplitude: Annotated[float, Gt(0)] | None = None
    period_s: Annotated[float, Gt(0)] | None = None


def shape_problems(where: str, level: float, shape: Shape, duration_s: float) -> Iterator[Problem]:
    """What is wrong with the shape of a stage of this level and length; `where` is the stage's place in the plan."""
    needed = _NEEDS[shape.kind]
    settings = ("to", "steps", "at_s", "for_s", "amplitude", "period_s")
    given = [name for name in settings if getattr(shape, name) is not None]
    for name in needed:
        if name not in given:
            yield Problem(f"{where}.shape.{name}", f"is missing; a {shape.kind} needs {', '.join(needed)}")
    for name in given:
        if name not in needed:
            what = f"has no meaning for a {shape.kind}"
            yield Problem(f"{where}.shape.{name}", what, f"it takes {', '.join(needed) or 'no settings'}")
    if shape.kind == "spike" and (shape.at_s or 0.0) + (shape.for_s or 0.0) > duration_s:
        what = f"the spike ends after the stage ({duration_s:g} s)"
        yield Problem(f"{where}.shape", what, "make the stage longer, or the spike earlier or shorter")
    if shape.kind == "sine" and (shape.amplitude or 0.0) > level:
        what = f"swings below zero: {shape.amplitude:g} is more than the level {level:g}"
        yield Problem(f"{where}.shape.amplitude", what, "make it smaller, or raise the level")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a curve: level(t) = base + slope · t + amplitude · sin(2π t / period), t from its own begin."""

    duration_s: float
    base: float
    slope: float = 0.0
    amplitude: float = 0.0
    period_s: float = 1.0

    @property
    def constant(self) -> bool:
        """Whether the level stays the same."""
        return not self.slope and not self.amplitude

    @property
    def highest(self) -> float:
        """A level that it never exceeds."""
        return max(self.base, self.base + self.slope * self.duration_s) + self.amplitude

    @property
    def lowest(self) -> float:
        """A level that it never falls below."""
        return min(self.base, self.base + self.slope * self.duration_s) - self.amplitude

    @property
    def steepest(self) -> float:
        """The fastest change of its level, per second."""
        return abs(self.slope) + self.amplitude * 2 * math.pi / self.period_s

    def level_at(self, t_s: float) -> float:
        """The level at a moment."""
        return self.base + self.slope * t_s + self.amplitude * math.sin(2 * math.pi * t_s / self.period_s)

    def cumulative(self, t_s: Times) -> Times:
        """The integral of the level from the begin to these moments."""
        # 1 − cos x as 2 sin²(x/2), which keeps its digits where x is small
        wave = np.sin(math.pi * t_s / self.period_s) ** 2 * self.period_s / math.pi
        return np.asarray((self.base + self.slope * t_s / 2) * t_s + self.amplitude * wave, dtype=np.float64)

    def inverse(self, amount: Times) -> Times:
        """The moments at which the integral has reached these amounts, which it does reach."""
        if self.amplitude:
            return self._bisected(amount)
        root = np.sqrt(np.maximum(self.base**2 + 2 * self.slope * amount, 0.0))
        below = self.base + root  # the quadratic formula in the form that subtracts nothing
        found = np.divide(2 * amount, below, out=np.zeros_like(amount), where=below > 0)
        return np.asarray(np.clip(found, 0.0, self.duration_s))

    def _bisected(self, amount: Times) -> Times:
        low, high = np.zeros_like(amount), np.full_like(amount, self.duration_s)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            under = self.cumulative(middle) < amount
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray(high)


class Curve:
    """Segments one after the other, as a function of elapsed seconds."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = tuple(segments)
        lengths = [segment.duration_s for segment in self.segments]
        amounts = [float(segment.cumulative(np.array([segment.duration_s]))[0]) for segment in self.segments]
        self._begins_s = np.array([0.0, *accumulate(lengths)])
        self._amounts = np.array([0.0, *accumulate(amounts)])

    @property
    def duration_s(self) -> float:
        """Its whole length."""
        return float(self._begins_s[-1])

    @property
    def total(self) -> float:
        """Its whole integral."""
        return float(self._amounts[-1])

    @property
    def highest(self) -> float:
        """A level that it never exceeds."""
        return max((segment.highest for segment in self.segments), default=0.0)

    @property
    def mean(self) -> float:
        """The mean level."""
        return self.total / self.duration_s if self.segments else 0.0

    def spans(self) -> Iterator[tuple[float, Segment]]:
        """Each segment with its begin."""
        return zip(self._begins_s[:-1].tolist(), self.segments, strict=True)

    def level(self, at_s: float) -> float:
        """The level at one moment; that of the nearest end outside of the curve."""
        number = min(max(0, int(np.searchsorted(self._begins_s, at_s, side="right")) - 1), len(self.segments) - 1)
        segment = self.segments[number]
        within_s = min(max(0.0, at_s - float(self._begins_s[number])), segment.duration_s)
        return segment.level_at(within_s)

    def cumulative(self, at_s: Times) -> Times:
        """The integral of the level from 0 to each of these moments: the arrivals due by then."""
        moments = np.clip(at_s, 0.0, self.duration_s)
        number = np.clip(np.searchsorted(self._begins_s, moments, side="right") - 1, 0, len(self.segments) - 1)
        result = self._amounts[number].copy()
        for index, segment in enumerate(self.segments):
            here = number == index
            result[here] += segment.cumulative(moments[here] - self._begins_s[index])
        return np.asarray(result)

    def inverse(self, amounts: Times) -> Times:
        """The moment at which the integral reaches each amount; the end of the curve for what it never reaches.

        Where the level is 0 the integral stands still: an amount that it has before such a stretch is reached before.
        """
        number = np.clip(np.searchsorted(self._amounts, amounts, side="left") - 1, 0, len(self.segments) - 1)
        result = np.full(amounts.shape, self.duration_s)
        for index, segment in enumerate(self.segments):
            here = (number == index) & (amounts <= self._amounts[-1])
            within = segment.inverse(np.maximum(amounts[here] - self._amounts[index], 0.0))
            result[here] = self._begins_s[index] + within
        return np.asarray(result)


def segments_of(level: float, shape: Shape, duration_s: float) -> Iterator[Segment]:
    """The segments of one stage."""
    to = level if shape.to is None else shape.to
    if shape.kind == "ramp":
        yield Segment(duration_s, level, slope=(to - level) / duration_s)
    elif shape.kind == "steps":
        steps = shape.steps or 2
        for number in range(steps):
            yield Segment(duration_s / steps, level + (to - level) * number / (steps - 1))
    elif shape.kind == "spike":
        at_s, for_s = shape.at_s or 0.0, shape.for_s or 0.0
        parts = ((at_s, level), (for_s, to), (duration_s - at_s - for_s, level))
        yield from (Segment(length_s, high) for length_s, high in parts if length_s > 0)
    elif shape.kind == "sine":
        yield Segment(duration_s, level, amplitude=shape.amplitude or 0.0, period_s=shape.period_s or 1.0)
    else:
        yield Segment(duration_s, level)


def shape_words(level: float, shape: Shape, unit: str) -> str:
    """A stage's level in words: "20 to 80 users", "50 users ± 20 in 60 s"."""
    if shape.kind == "ramp":
        return f"{level:g} to {shape.to:g} {unit}"
    if shape.kind == "steps":
        return f"{level:g} to {shape.to:g} {unit} in {shape.steps} steps"
    if shape.kind == "spike":
        return f"{level:g} {unit} with a spike of {shape.to:g} at {shape.at_s:g} s for {shape.for_s:g} s"
    if shape.kind == "sine":
        return f"{level:g} ± {shape.amplitude:g} {unit} in {shape.period_s:g} s"
    return f"{level:g} {unit}"
