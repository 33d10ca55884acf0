"""Pacing of the closed model as pure functions: elapsed seconds in, wanted users out; no clock and no sleep inside."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from journal.plan import Load, Stage
from journal.timeline import Phase

TICK_S = 1.0  # a level that changes all the time is approached in steps of this length
_NEARLY_S = 1e-6  # sums of lengths of stages are not exact


@dataclass(frozen=True, slots=True)
class Want:
    """What should be true at some moment of the load: so many users, approached at this rate, in this stage."""

    users: int
    spawn_rate_per_s: float
    stage: int


def wanted(load: Load, elapsed_s: float) -> Want | None:
    """What the plan wants `elapsed_s` seconds after its start; None when its stages are over."""
    began_s = 0.0
    for number, stage in enumerate(load.stages):
        began_s += stage.duration_s
        if elapsed_s < began_s:
            return Want(_users(stage, elapsed_s - began_s + stage.duration_s), stage.spawn_rate_per_s, number)
    return None


def _users(stage: Stage, within_s: float) -> int:
    """The users to approach at this moment of a stage; where the level keeps changing, those of the end of its tick."""
    spans = reversed(list(stage.curve.spans()))
    begin_s, segment = next(span for span in spans if span[0] <= within_s + _NEARLY_S)
    tick = math.floor((within_s - begin_s + _NEARLY_S) / TICK_S)
    level = segment.level_at(min((tick + 1) * TICK_S, segment.duration_s))
    return math.floor(level + 0.5)


def phase_at(load: Load, elapsed_s: float) -> Phase:
    """Warm-up, load, or drain from the end of the last stage on."""
    if elapsed_s >= load.duration_s:
        return Phase.DRAIN
    return Phase.WARM_UP if elapsed_s < load.warm_up_s else Phase.LOAD


def turning_points_s(load: Load) -> Iterator[float]:
    """Every moment at which `wanted` or `phase_at` change, in order, the start and the end among them."""
    points, end_s = {0.0}, 0.0
    for stage in load.stages:
        points |= {end_s + at_s for at_s in _turning_points_s(stage)}
        end_s += stage.duration_s
    end_s = end_s or load.duration_s
    points.add(end_s)
    if load.warm_up_s < end_s:
        points.add(load.warm_up_s)
    yield from sorted(points)


def _turning_points_s(stage: Stage) -> Iterator[float]:
    for begin_s, segment in stage.curve.spans():
        ticks = 1 if segment.constant else math.ceil(segment.duration_s / TICK_S - _NEARLY_S)
        yield from (begin_s + tick * TICK_S for tick in range(ticks))
