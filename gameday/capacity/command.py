"""`gameday capacity`: from the options to the job of a search."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from analysis.intervals import FEWEST_BATCHES
from chaos.experiment import check_settings
from gameday.capacity.pilot import CapacityPilot, longest_level_s
from gameday.conductor import Job
from gameday.forecast import describe_journeys, expected_in_flight, user_shares
from gameday.inputs import check_together, default_directory, plan_and_profile, require_secrets
from gameday.options import Overrides
from gameday.sources import with_line
from journal.capacity import ARRIVALS_PER_S, USERS, HeldFault, Search
from journal.errors import BadInput, CommandError, Problem
from journal.plan import Arrivals, ArrivalStage, Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import make_run_directory

_END_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of the command; None leaves what plan and profile say."""

    start: int | None
    most: int | None
    resolution: float
    level_s: int
    settle_s: float
    max_duration_s: float
    at_least: int | None
    experiment: str | None
    settings: tuple[str, ...]


def capacity_job(plan: str, profile: str, overrides: Overrides, wishes: Wishes, out: Path | None) -> Job:
    """The job of a search; makes its run directory.

    Raises:
        BadInput: with every problem of plan, profile and options.
    """
    found_plan, found_profile = plan_and_profile(plan, profile, overrides)
    arrivals = found_plan.load.arrivals
    if arrivals is not None and arrivals.process == "recorded":
        what = "the moments of a recording are fixed, and a search varies their rate"
        problem = Problem("plan: load.arrivals.process", what, "choose poisson or constant")
        raise CommandError([with_line(problem, {"plan": plan})])
    search = _search(found_plan, found_profile, wishes)
    searching = _searching(found_plan, search, found_profile.limits.max_users)
    problems = list(_problems(search, found_plan, found_profile, wishes))
    for check in (partial(check_together, searching), require_secrets):
        try:
            check(found_profile)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise CommandError(with_line(problem, {"plan": plan, "profile": profile}) for problem in problems)
    return Job(
        searching,
        found_profile,
        run=make_run_directory(out or default_directory(f"{found_plan.name}-search")),
        command=("gameday", *sys.argv[1:]),
        capacity=search,
        pilot=CapacityPilot,
    )


def _search(plan: Plan, profile: Profile, wishes: Wishes) -> Search:
    arrivals = plan.load.arrivals
    start, spawn_rate_per_s = _first(plan.load)
    most = profile.limits.max_users if arrivals is None else _most_arrivals(plan, profile, arrivals, wishes)
    settings = [setting.partition("=") for setting in wishes.settings]
    held = HeldFault(experiment=wishes.experiment or "", configuration={key: value for key, _, value in settings})
    return Search(
        start=wishes.start or start,
        most=wishes.most or most,
        resolution=wishes.resolution,
        level_s=wishes.level_s,
        settle_s=wishes.settle_s,
        max_duration_s=wishes.max_duration_s,
        spawn_rate_per_s=spawn_rate_per_s,
        at_least=wishes.at_least,
        fault=held if wishes.experiment else None,
        unit=USERS if arrivals is None else ARRIVALS_PER_S,
    )


def _first(load: Load) -> tuple[int, float]:
    """The first level that the plan has, and the rate at which its users come."""
    if load.arrivals is None:
        return load.stages[0].users, load.stages[0].spawn_rate_per_s
    return max(1, round(load.arrivals.stages[0].rate_per_s)), load.arrivals.spawn_rate_per_s


def _most_arrivals(plan: Plan, profile: Profile, arrivals: Arrivals, wishes: Wishes) -> int:
    """The rate at which the passes take all users, or a user all requests that the target allows it, while healthy."""
    journeys, mixed = describe_journeys(profile), user_shares(plan)
    one = replace(
        plan, load=replace(plan.load, arrivals=_at_rate(arrivals, 1.0, _duration_s(plan, wishes.max_duration_s)))
    )
    hour_s = min(3600.0, one.load.duration_s)
    taken = [expected_in_flight(one, journeys) / arrivals.max_in_flight]
    allowed = profile.limits.requests_per_hour_per_user
    taken += [one_of.requests_per_user_per_s(one) * hour_s / allowed for one_of in journeys if one_of.name in mixed]
    return max(1, int(1 / max([*taken, 1e-6])))


def _duration_s(plan: Plan, max_duration_s: float) -> int:
    return math.ceil(plan.load.warm_up_s + max_duration_s + _END_S)


def _at_rate(arrivals: Arrivals, rate_per_s: float, duration_s: float) -> Arrivals:
    return replace(arrivals, stages=(ArrivalStage(rate_per_s=rate_per_s, duration_s=duration_s),))


def _problems(search: Search, plan: Plan, profile: Profile, wishes: Wishes) -> Iterator[Problem]:
    limit = profile.limits.max_users
    if search.unit == USERS and search.most > limit:
        remedy = "raise limits.max_users in the profile only if it may carry them"
        yield Problem("--most", f"{search.most} users are more than the {limit} that the profile allows", remedy)
    if search.start > search.most:
        yield Problem("--start", f"{search.start} {search.unit} are more than --most, {search.most}")
    if search.level_s < FEWEST_BATCHES:
        yield Problem(
            "--level-s", f"{search.level_s} s are too short for an interval", f"give {FEWEST_BATCHES} or more"
        )
    least_s = search.settle_s + search.level_s
    if search.max_duration_s < least_s:
        what = f"{search.max_duration_s:g} s are over before one level is measured, which takes {least_s:g} s"
        yield Problem("--max-duration", what, "give more; or make --level-s shorter")
    if plan.faults:
        remedy = "name one to hold with --with-fault, or use another plan"
        yield Problem("plan: faults", "a search holds its fault at every level, it does not schedule any", remedy)
    if plan.load.storms:
        yield Problem("plan: load.storms", "a search has no storms", "use another plan")
    if wishes.settings and not wishes.experiment:
        yield Problem("--set", "sets values of the experiment of --with-fault, and there is none")
    if wishes.experiment:
        yield from _fault_problems(wishes.experiment, wishes.settings, profile, longest_level_s(search))


def _fault_problems(experiment: str, settings: tuple[str, ...], profile: Profile, held_s: float) -> Iterator[Problem]:
    """A fault that can be held has a duration; it is set to what a level may take."""
    try:
        objection = check_settings(experiment, settings).why_not_on(profile.platform)
        if objection:
            yield Problem("--with-fault", objection)
    except BadInput as error:
        yield from error.problems
        return
    if any(setting.startswith("duration_s=") for setting in settings):
        yield Problem("--set duration_s", "is set by the search, to as long as a level may take")
    try:
        check_settings(experiment, (f"duration_s={held_s:g}",))
    except BadInput:
        yield Problem("--with-fault", f"{experiment} cannot be held in force: it has no duration_s")


def _searching(plan: Plan, search: Search, limit: int) -> Plan:
    """The plan with a load that leaves room for every level there may be, within what the profile allows."""
    duration_s = _duration_s(plan, search.max_duration_s)
    if plan.load.arrivals is not None:
        arrivals = _at_rate(plan.load.arrivals, float(search.most), duration_s)
        return replace(plan, load=replace(plan.load, arrivals=arrivals))
    stage = Stage(users=min(search.most, limit), spawn_rate_per_s=search.spawn_rate_per_s, duration_s=duration_s)
    return replace(plan, load=replace(plan.load, stages=(stage,)))
