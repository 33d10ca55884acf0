"""Says before the start how many samples each gate will get, and which gates cannot decide."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.slo import samples_needed
from gameday.locust_processes import journeys_folder
from journal.errors import HarnessDefect
from journal.outcomes import Kind
from journal.plan import Plan
from journal.profile import Profile
from journal.profile_journeys import ProfileJourney

SERVICE_S = 0.015
FAULT_WINDOW_S = 8.0


@dataclass(frozen=True)
class JourneyForecast:
    """What a journey says of one iteration: pauses of think time, other waiting, requests by endpoint name.

    And of its users: whether they keep a login that could expire, and open WebSockets.
    """

    name: str
    think_pauses: float
    waiting_s: float
    requests: Mapping[str, float]
    holds_login: bool = False
    opens_websockets: bool = False

    def iteration_s(self, plan: Plan) -> float:
        """The expected length of one iteration in seconds."""
        return (
            self.think_pauses * plan.load.think_time.mean_s + self.waiting_s + sum(self.requests.values()) * SERVICE_S
        )

    def pass_s(self, plan: Plan) -> float:
        """The expected length of one pass in seconds: an iteration without the pause at its end."""
        return max(SERVICE_S, self.iteration_s(plan) - plan.load.think_time.mean_s)

    def requests_per_user_per_s(self, plan: Plan) -> float:
        """How often one user of this journey calls the target, on average, at the height of the load."""
        if plan.load.arrivals is None:
            return sum(self.requests.values()) / self.iteration_s(plan)
        # users of an open model take turns: as many as there are for each journey, which is by its share of the time
        passes = plan.load.curve.highest * sum(self.requests.values())
        return passes * self.pass_s(plan) / plan.load.arrivals.max_in_flight


@dataclass(frozen=True)
class GateForecast:
    """How many samples one gate will get, and how many it needs to pass without a bad one."""

    gate: str
    subject: str
    samples: int
    needed: int
    required: bool

    @property
    def decides(self) -> bool:
        """Whether it can pass at all."""
        return self.samples >= self.needed


def describe_journeys(profile: Profile) -> list[JourneyForecast]:
    """What the journeys declare: those in files in a child process, since only it may import Locust."""
    command = [sys.executable, "-P", "-m", "load.forecast", "-f", str(journeys_folder())]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode != 0:
        raise HarnessDefect(f"the journeys cannot be read: {answer.stderr.strip()[-500:]}")
    declared: dict[str, Any] = json.loads(answer.stdout)["journeys"]
    in_files = [_journey(name, item) for name, item in sorted(declared.items())]
    return [*in_files, *(_described(name, journey) for name, journey in profile.journeys.items())]


def _described(name: str, journey: ProfileJourney) -> JourneyForecast:
    """A described journey pauses after each request: as the plan says, unless it or the step says it itself."""
    requests: dict[str, float] = {}
    for step in journey.steps:
        if not step.websocket:
            requests[step.series] = requests.get(step.series, 0.0) + step.times
    holds_login = journey.on_start is not None and bool(journey.on_start.tokens)
    return JourneyForecast(
        name, journey.thinks, journey.pauses_s, requests, holds_login, any(s.websocket for s in journey.steps)
    )


def _journey(name: str, declared: Mapping[str, Any]) -> JourneyForecast:
    kinds = declared["kinds"]
    requests = {endpoint: n for endpoint, n in declared["operations"].items() if kinds[endpoint] == Kind.REQUEST.name}
    websockets = any(operation.startswith("WS /") for operation in declared["operations"])
    return JourneyForecast(
        name, declared["thinks"], declared["waiting_s"], requests, declared["holds_login"], websockets
    )


def user_shares(plan: Plan) -> dict[str, float]:
    """Journey → share of the users, by the weights of the mix."""
    total = sum(plan.load.mix.values())
    return {name: weight / total for name, weight in plan.load.mix.items() if weight}


def expected_requests(plan: Plan, journeys: list[JourneyForecast]) -> dict[tuple[str, str], float]:
    """(journey, endpoint) → requests in the judged time, fault windows left out."""
    amount, shares = _judged_amount(plan), user_shares(plan)
    return {
        (journey.name, endpoint): shares[journey.name] * amount * number / _amount_per_pass(plan, journey)
        for journey in journeys
        for endpoint, number in journey.requests.items()
        if journey.name in shares
    }


def _judged_amount(plan: Plan) -> float:
    """The user seconds, or the arrivals, of the judged time."""
    load = plan.load
    after_s = load.duration_s - load.warm_up_s
    judged_s = max(0.0, after_s - sum(_window_s(fault.configuration) for fault in plan.disturbances))
    before, whole = load.curve.cumulative(np.array([load.warm_up_s, load.duration_s]))
    return float(whole - before) * judged_s / after_s if after_s > 0 else 0.0


def _amount_per_pass(plan: Plan, journey: JourneyForecast) -> float:
    """What one pass takes of it: the seconds of a user, or one arrival."""
    return journey.iteration_s(plan) if plan.load.arrivals is None else 1.0


def expected_in_flight(plan: Plan, journeys: list[JourneyForecast]) -> float:
    """How many passes of an open model run at a time at the height of its load, by Little's law."""
    shares = user_shares(plan)
    mean_s = sum(shares[journey.name] * journey.pass_s(plan) for journey in journeys if journey.name in shares)
    return plan.load.curve.highest * mean_s


def roomy(needed: float, workers: int) -> int:
    """So many places that random arrivals find one free, nearly always; each worker has its share of both."""
    each = needed / workers
    return workers * (math.ceil(each + 4 * math.sqrt(each)) + 1)


def _window_s(configuration: Mapping[str, Any]) -> float:
    duration = configuration.get("duration_s", FAULT_WINDOW_S)
    return float(duration) + 2 if isinstance(duration, int | float) else FAULT_WINDOW_S


def forecast_gates(plan: Plan, journeys: list[JourneyForecast]) -> Iterator[GateForecast]:
    """A forecast for each latency row and for the availability."""
    expected = expected_requests(plan, journeys)
    needed = samples_needed(1 - plan.slo.good_share, 0)
    fewest = plan.gates.min_samples if max(expected.values(), default=0.0) >= plan.gates.min_samples else 0
    for (journey, endpoint), number in sorted(expected.items(), key=lambda item: item[1]):
        required = "latency" in plan.gates.required and number >= fewest
        yield GateForecast("latency", f"{journey}: {endpoint}", int(number), needed, required)
    total = int(sum(expected.values()))
    needed = samples_needed(1 - plan.slo.availability, 0)
    yield GateForecast("availability", "all requests", total, needed, "availability" in plan.gates.required)
