"""Pacing of the closed model as pure functions: elapsed seconds in, wanted users out; no clock and no sleep inside."""

from collections.abc import Iterator
from dataclasses import dataclass

from journal.plan import Load
from journal.timeline import Phase


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
            return Want(stage.users, stage.spawn_rate_per_s, number)
    return None


def phase_at(load: Load, elapsed_s: float) -> Phase:
    """Warm-up, load, or drain from the end of the last stage on."""
    if elapsed_s >= load.duration_s:
        return Phase.DRAIN
    return Phase.WARM_UP if elapsed_s < load.warm_up_s else Phase.LOAD


def turning_points_s(load: Load) -> Iterator[float]:
    """Every moment at which `wanted` or `phase_at` change, in order, the start and the end among them."""
    ends, end_s = {0.0}, 0.0
    for stage in load.stages:
        end_s += stage.duration_s
        ends.add(end_s)
    if load.warm_up_s < end_s:
        ends.add(load.warm_up_s)
    yield from sorted(ends)
