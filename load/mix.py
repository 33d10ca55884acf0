"""The mix: which journeys run, and how many of the users take each."""

from collections.abc import Iterable, Mapping

from locust import User
from locust.env import Environment

from journal.errors import PlanError, Problem
from load.user import Journey, journey_name


def journeys_of(user_classes: Iterable[type[User]]) -> dict[str, type[Journey]]:
    """The journeys among Locust's user classes, by name."""
    return {journey_name(cls): cls for cls in user_classes if issubclass(cls, Journey)}


def mix_of(journeys: Mapping[str, type[Journey]]) -> dict[str, int]:
    """The weights that the journeys themselves declare, without those that run only when they are asked for.

    Journeys of that kind alone are asked for by their being loaded.
    """
    weights = {name: round(cls.weight) if cls.runs_unasked else 0 for name, cls in journeys.items()}
    return weights if any(weights.values()) else {name: round(cls.weight) for name, cls in journeys.items()}


def apply_mix(environment: Environment, mix: Mapping[str, int]) -> None:
    """Gives each journey the weight of the plan; weight 0, and a journey that the mix does not name, is left out.

    Raises:
        PlanError: the mix names a journey that there is not, or leaves nobody.
    """
    journeys = journeys_of(environment.user_classes)
    known = ", ".join(sorted(journeys)) or "none"
    unknown = [name for name in mix if name not in journeys]
    if unknown:
        problems = [Problem(f"load.mix.{name}", "there is no such journey", f"there are: {known}") for name in unknown]
        raise PlanError(problems)
    for name, cls in journeys.items():
        cls.weight = mix.get(name, 0)
    chosen = [cls for cls in environment.user_classes if not issubclass(cls, Journey) or cls.weight > 0]
    if not chosen:
        raise PlanError([Problem("load.mix", "no journey has a weight above 0", f"there are: {known}")])
    environment.user_classes[:] = chosen


def any_signs_up(environment: Environment, mix: Mapping[str, int]) -> bool:
    """Whether a journey of the mix has users with accounts of AIA."""
    journeys = journeys_of(environment.user_classes)
    return any(cls.signs_up for name, cls in journeys.items() if mix.get(name, 0) > 0)
