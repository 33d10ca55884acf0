"""Forecasts of samples, and the checks of a plan against profile and journeys."""

from dataclasses import replace

import pytest
from scipy.stats import poisson

from gameday.check_report import Checked, check_lines
from gameday.forecast import (
    JourneyForecast,
    describe_journeys,
    expected_in_flight,
    expected_requests,
    forecast_gates,
    roomy,
)
from gameday.preflight import check_plan, check_profile
from journal.errors import PlanError, ProfileError
from journal.plan import Arrivals, ArrivalStage, Gates, Load, Plan, PlannedFault, Stage, ThinkTime
from journal.plan_shapes import Shape
from journal.profile import Limits, Profile

JOURNEYS = [
    JourneyForecast("browse", think_pauses=1, waiting_s=0.0, requests={"GET /": 2.0}),
    JourneyForecast("buy", think_pauses=0, waiting_s=0.97, requests={"POST /buy": 2.0}),
]


def plan(users: int = 10, duration_s: float = 110, **differences: object) -> Plan:
    load = Load(
        stages=(Stage(users=users, duration_s=duration_s),),
        warm_up_s=10,
        think_time=ThinkTime(min_s=0.5, max_s=1.44),
        mix={"browse": 4, "buy": 1},
    )
    return replace(Plan(name="x", load=load), **differences)


def test_requests_follow_from_users_iterations_and_the_judged_time() -> None:
    # 8 users of 10 browse: one iteration takes 0.97 s of think time and 2 × 15 ms of service, with two requests
    expected = expected_requests(plan(), JOURNEYS)
    assert expected["browse", "GET /"] == pytest.approx(8 * 100 * 2 / 1.0)
    assert expected["buy", "POST /buy"] == pytest.approx(2 * 100 * 2 / 1.0)


def open_plan(rate_per_s: float = 10.0, max_in_flight: int = 50, **shape: object) -> Plan:
    stage = ArrivalStage(rate_per_s=rate_per_s, duration_s=110, shape=Shape(**shape))
    arrivals = Arrivals(process="poisson", stages=(stage,), max_in_flight=max_in_flight)
    return replace(plan(), load=replace(plan().load, stages=(), arrivals=arrivals))


def test_requests_of_an_open_model_follow_from_arrivals_alone() -> None:
    expected = expected_requests(open_plan(), JOURNEYS)
    assert expected["browse", "GET /"] == pytest.approx(0.8 * 10 * 100 * 2)
    assert expected["buy", "POST /buy"] == pytest.approx(0.2 * 10 * 100 * 2)


def test_requests_after_the_warm_up_follow_the_shape() -> None:
    # from 0 to 110 a second in 110 s: the last 100 s hold 110²/2 − 10²/2 arrivals
    expected = expected_requests(open_plan(0.0, 999, kind="ramp", to=110.0), JOURNEYS)
    assert expected["buy", "POST /buy"] == pytest.approx(0.2 * 6000 * 2)


def test_the_passes_in_flight_follow_from_littles_law() -> None:
    # a pass of browse takes two requests of 15 ms, one of buy these and 0.97 s less the pause that follows a pass
    browse_s, buy_s = 0.03, max(0.015, 0.97 + 0.03 - 0.97)
    assert expected_in_flight(open_plan(50.0), JOURNEYS) == pytest.approx(50 * (0.8 * browse_s + 0.2 * buy_s))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_room_for_random_arrivals_is_enough_on_each_worker_nearly_always(workers: int) -> None:
    room = roomy(22.0, workers)
    assert room % workers == 0
    assert poisson.sf(room // workers, 22.0 / workers) < 0.0005
    assert poisson.sf(room // workers // 2, 22.0 / workers) > 0.0005, "half of it would not do"


def test_a_check_says_when_chance_may_take_more_passes_than_are_allowed() -> None:
    profile, wanted = Profile(name="p"), roomy(6.0, open_plan().load.workers)
    for allowed, told in ((wanted, False), (wanted - 1, True)):
        (line,) = [
            line
            for line in check_lines(Checked(open_plan(200.0, allowed), profile, [], 6.0))
            if line.startswith("in flight about 6 passes at the height of the load")
        ]
        assert (f"chance may take {wanted}" in line) is told


def test_arrivals_that_need_more_users_than_there_are_are_refused() -> None:
    with pytest.raises(PlanError, match="5 passes at a time are too few: the arrivals need about 6; allow 22"):
        check_plan(open_plan(200.0, 5), Profile(name="p", limits=Limits(requests_per_hour_per_user=10**6)), JOURNEYS)


def test_the_time_of_faults_is_not_counted() -> None:
    fault = PlannedFault(id="F1", experiment="throttle-redis", at_s=5, configuration={"duration_s": 8})
    without, with_fault = expected_requests(plan(), JOURNEYS), expected_requests(plan(faults=(fault,)), JOURNEYS)
    assert with_fault["browse", "GET /"] == pytest.approx(0.9 * without["browse", "GET /"])


def test_a_gate_that_cannot_decide_is_known_before_the_start() -> None:
    gates = {gate.subject: gate for gate in forecast_gates(plan(users=2, duration_s=30), JOURNEYS)}
    assert gates["browse: GET /"].decides
    assert not gates["all requests"].decides
    assert gates["all requests"].needed == 2995


def test_rare_endpoints_only_inform_unless_all_are_rare() -> None:
    expected = {
        fewest: [gate.required for gate in forecast_gates(plan(gates=Gates(min_samples=fewest)), JOURNEYS)]
        for fewest in (0, 500, 1_000_000)
    }
    assert expected == {0: [True, True, True], 500: [False, True, True], 1_000_000: [True, True, True]}


def test_the_real_journeys_describe_themselves() -> None:
    journeys = {journey.name: journey for journey in describe_journeys(Profile(name="aia"))}
    assert set(journeys) == {"auth", "live_page", "model_context", "model_control", "agents"}
    assert journeys["model_control"].requests["POST /api/v1/mcp/process"] > 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (plan(users=600), "600 users are more than the 500"),
        (plan(duration_s=7200), "the target allows 1,000"),
    ],
)
def test_a_plan_beyond_the_limits_is_refused(changed: Plan, said: str) -> None:
    profile = Profile(name="p", limits=Limits(requests_per_hour_per_user=1000, max_users=500))
    with pytest.raises(PlanError, match=said):
        check_plan(changed, profile, JOURNEYS)


def test_all_ways_in_which_a_plan_does_not_fit_are_listed_together() -> None:
    faults = (
        PlannedFault(id="F1", experiment="kill-everything", at_s=1),
        PlannedFault(id="F2", experiment="throttle-redis", at_s=1, configuration={"offms": 3}),
    )
    with pytest.raises(PlanError) as caught:
        check_plan(plan(users=99_999, faults=faults), Profile(name="p"), JOURNEYS[:1])
    said = str(caught.value)
    for part in ("there is no such journey", "99999 users", "kill-everything", "there is no 'offms'"):
        assert part in said


def test_faults_need_a_way_to_the_targets_processes() -> None:
    faults = (PlannedFault(id="F1", experiment="kill-api-pod", at_s=1),)
    with pytest.raises(PlanError, match="does not say how to reach"):
        check_plan(plan(faults=faults), Profile(name="p", base_url="http://127.0.0.1:1"), JOURNEYS)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8000", "http://", "http://127.0.0.1.evil.example"])
def test_an_address_that_may_not_be_hit_is_refused(url: str) -> None:
    with pytest.raises(ProfileError):
        check_profile(Profile(name="p", base_url=url))


def test_an_allowed_address_is_accepted() -> None:
    check_profile(Profile(name="p", base_url="http://localhost:8000"))
