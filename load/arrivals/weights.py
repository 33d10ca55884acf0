"""How the users of an open model are divided among the journeys: by the time that their passes take.

Arrivals are divided by the mix alone. A journey whose passes take longer has more of them at a time, by Little's law,
and so needs more users.
"""

from collections.abc import Iterable

from locust import User

from journal.plan import Load
from load.forecast import forecast
from load.user import Journey

SERVICE_S = 0.015  # a guess at one request; pauses make up most of a pass


def pass_s(journey: type[Journey], load: Load) -> float:
    """The expected length of one pass in seconds, without the pause that would follow it.

    Raises:
        CommandError: one of the journey's tasks does not say what it does.
    """
    said = forecast(journey)
    requests = sum(times for name, times in said["operations"].items() if said["kinds"][name] == "REQUEST")
    pauses_s = (said["thinks"] - 1) * load.think_time.mean_s
    return float(max(SERVICE_S, pauses_s + said["waiting_s"] + requests * SERVICE_S))


def weigh_by_time(user_classes: Iterable[type[User]], load: Load) -> None:
    """Multiplies the weight that each journey has by the mix with the length of its passes."""
    for cls in user_classes:
        if issubclass(cls, Journey):
            cls.weight = cls.weight * pass_s(cls, load)
