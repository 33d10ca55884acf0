"""What is wrong with a plan although each of its fields is right by itself."""

import math
from collections.abc import Iterator

from journal.errors import Problem
from journal.plan import Arrivals, Plan, PlannedFault, Stage
from journal.plan_shapes import shape_problems
from journal.plan_storms import storm_problems

MOST_ARRIVALS = 200_000_000


def contradictions(plan: Plan) -> Iterator[Problem]:
    """What no single field shows, as far as it can be told without knowing how long the load is."""
    load = plan.load
    if load.arrivals is not None and load.stages:
        what = "a load has either stages of users or arrivals, not both"
        yield Problem("load", what, "remove `stages` or `arrivals`")
    if load.arrivals is None and not load.stages:
        yield Problem("load.stages", "is missing", "give stages of users, or `arrivals`")
    for number, stage in enumerate(load.stages):
        yield from _stage_problems(f"load.stages[{number}]", stage)
    if load.arrivals is not None:
        yield from _arrivals_problems(load.arrivals)
    if load.think_time.min_s > load.think_time.max_s:
        yield Problem("load.think_time", "min_s is above max_s")
    if load.mix and not any(load.mix.values()):
        yield Problem("load.mix", "no journey has a weight above 0")
    for number, storm in enumerate(load.storms):
        yield from storm_problems(f"load.storms[{number}]", storm)
    yield from _repeated_ids(plan)


def contradictions_of_time(plan: Plan) -> Iterator[Problem]:
    """What does not fit into the length and the size of the load; `contradictions` found nothing before."""
    load = plan.load
    if load.warm_up_s >= load.duration_s:
        what = f"the warm-up ({load.warm_up_s:g} s) takes the whole load ({load.duration_s:g} s)"
        yield Problem("load.warm_up_s", what, "make the stages longer")
    if load.workers > load.peak_users:
        yield Problem("load.workers", f"{load.workers} workers cannot share {load.peak_users} users", "use fewer")
    if load.arrivals is not None and not 1 <= load.curve.total <= MOST_ARRIVALS:
        what = f"{load.curve.total:.3g} arrivals come of it; 1 to {MOST_ARRIVALS:,} are possible"
        yield Problem("load.arrivals", what, "change a rate, or the length of a stage")
    yield from _late(plan)


def _stage_problems(where: str, stage: Stage) -> Iterator[Problem]:
    problems = list(shape_problems(where, stage.users, stage.shape, stage.duration_s))
    yield from problems
    if problems:
        return
    if min(segment.lowest for segment in stage.curve.segments) < 1:
        yield Problem(f"{where}.shape", "falls below one user", "keep it at one or more")
    steepest = max(segment.steepest for segment in stage.curve.segments)
    if steepest > stage.spawn_rate_per_s:
        what = f"users come at {stage.spawn_rate_per_s:g}/s at most, but the shape changes by {steepest:.3g}/s"
        yield Problem(
            f"{where}.spawn_rate_per_s", what, f"raise it to {math.ceil(steepest)}, or make the shape flatter"
        )


def _arrivals_problems(arrivals: Arrivals) -> Iterator[Problem]:
    where = "load.arrivals"
    if arrivals.process == "recorded":
        if arrivals.stages:
            what = "a recording has its own moments, and no stages"
            yield Problem(f"{where}.stages", what, "remove them, or choose constant or poisson")
        if not arrivals.file and not arrivals.recording:
            yield Problem(f"{where}.file", "is missing; recorded arrivals come from a file")
        return
    if not arrivals.stages:
        yield Problem(f"{where}.stages", "is missing", "give at least one: {rate_per_s: 20, duration_s: 60}")
    if arrivals.file or arrivals.recording:
        yield Problem(f"{where}.file", f"has no meaning for {arrivals.process} arrivals", "choose recorded")
    for number, stage in enumerate(arrivals.stages):
        yield from shape_problems(f"{where}.stages[{number}]", stage.rate_per_s, stage.shape, stage.duration_s)


def _placed(plan: Plan) -> Iterator[tuple[str, PlannedFault]]:
    """Faults and storms with their places in the plan."""
    places = [f"faults[{index}]" for index in range(len(plan.faults))]
    places += [f"load.storms[{index}]" for index in range(len(plan.load.storms))]
    yield from zip(places, plan.disturbances, strict=True)


def _repeated_ids(plan: Plan) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, one in _placed(plan):
        if one.id in seen:
            yield Problem(f"{place}.id", f"{one.id} is given twice", "give each fault and storm an id of its own")
        seen.add(one.id)


def _late(plan: Plan) -> Iterator[Problem]:
    judged_s = plan.load.duration_s - plan.load.warm_up_s
    for place, one in _placed(plan):
        if one.at_s >= judged_s:
            what = f"{one.id} begins at {one.at_s:g} s, but the load after the warm-up lasts {judged_s:g} s"
            yield Problem(f"{place}.at_s", what, "begin it earlier")
