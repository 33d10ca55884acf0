"""One level judged from its frames: pass, fail, open, or nothing said about the target at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.capacity.level import LevelState, Visit, judge_level
from analysis.evidence import NS, Evidence, Window, load_evidence
from analysis.littles_law import unexplained_share
from journal.columns import merge
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_index
from journal.outcomes import Endpoint, Kind, Outcome
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, FaultState

BEGIN_S = 1_700_000_000 + 10
CALM = {"kill_at_s": None, "throttle_at_s": None}
Synthetic = Callable[..., RunDirectory]


def judged(run: RunDirectory, *, seconds: int = 48, n: int = 50, fault_id: str = "") -> Visit:
    return judge_level(load_evidence(run), Window((BEGIN_S + 2) * NS, (BEGIN_S + 2 + seconds) * NS), n, fault_id)


def test_a_healthy_level_passes_and_names_what_came_nearest(synthetic: Synthetic) -> None:
    visit = judged(synthetic(**CALM))
    assert visit.state == LevelState.PASS
    assert (visit.n, visit.users, visit.seconds, visit.begin_s) == (50, 50.0, 48, 2.0)
    assert visit.rate_per_s == pytest.approx(108, rel=0.1)
    assert visit.p95_ms == pytest.approx(91, rel=0.15)
    assert "under 200 ms" in visit.reason


def test_a_slow_endpoint_fails_the_level_though_all_others_are_quick(synthetic: Synthetic) -> None:
    visit = judged(synthetic(**CALM, slow={"GET /mas/api/v1/agents": 0.3}))
    assert (visit.state, visit.subject) == (LevelState.FAIL, "GET /mas/api/v1/agents")
    assert not visit.drowned


def test_a_level_in_which_most_is_late_has_drowned(synthetic: Synthetic) -> None:
    assert judged(synthetic(**CALM, slow={"GET /mas/api/v1/agents": 0.9}), seconds=12).drowned


def test_errors_fail_a_level_by_the_availability(synthetic: Synthetic) -> None:
    visit = judged(synthetic(**CALM, errors=0.02))
    assert (visit.state, visit.subject) == (LevelState.FAIL, "availability")


def test_a_level_is_too_short_to_be_asked_for_the_proof_of_its_availability(synthetic: Synthetic) -> None:
    assert judged(synthetic(**CALM), seconds=24).state == LevelState.PASS


def test_a_share_at_its_limit_stays_open(synthetic: Synthetic) -> None:
    visit = judged(synthetic(**CALM, slow={"GET /auth/me": 0.05}), seconds=24)
    assert (visit.state, visit.subject) == (LevelState.OPEN, "GET /auth/me")


def test_a_few_seconds_decide_nothing(synthetic: Synthetic) -> None:
    assert judged(synthetic(**CALM), seconds=5).state == LevelState.OPEN


@pytest.mark.parametrize(
    ("run", "n", "said"),
    [
        ({"lag_ms": 80.0}, 50, "loop lag"),
        ({"generator_cpu": 0.97}, 50, "used up its CPU"),
        ({}, 60, "50.0 users were there instead of 60"),
        ({}, 40, "50.0 users were there instead of 40"),
    ],
    ids=["late", "busy", "too-few-users", "too-many-users"],
)
def test_a_generator_that_did_not_apply_the_load_says_nothing_about_the_target(
    synthetic: Synthetic, run: dict, n: int, said: str
) -> None:
    visit = judged(synthetic(**CALM, **run), n=n)
    assert visit.state == LevelState.UNFIT
    assert said in visit.reason


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([(FaultState.EFFECTIVE, 1.0)], LevelState.PASS),
        ([(FaultState.EFFECTIVE, 1.0), (FaultState.REVERTED, 55.0)], LevelState.PASS),
        ([], LevelState.UNFIT),
        ([(FaultState.EFFECTIVE, 30.0)], LevelState.UNFIT),
        ([(FaultState.NO_EFFECT, 1.0)], LevelState.UNFIT),
        ([(FaultState.EFFECTIVE, 1.0), (FaultState.REVERTED, 30.0)], LevelState.UNFIT),
    ],
    ids=["held", "reverted-after", "never", "late", "no-effect", "reverted-before"],
)
def test_a_fault_must_be_in_force_from_the_begin_to_the_end(
    synthetic: Synthetic, events: list[tuple[FaultState, float]], state: LevelState
) -> None:
    extra = [(EventKind.FAULT, at_s, {"fault_id": "L3", "state": told}) for told, at_s in events]
    assert judged(synthetic(**CALM, extra_events=extra), fault_id="L3").state == state


@pytest.mark.parametrize(
    ("told", "at_s", "named"),
    [
        ({"state": "lost"}, 30.0, True),
        ({"state": "lost"}, 54.0, True),
        ({"state": "lost"}, 57.0, False),
        ({"state": "lost"}, 1.0, False),
        ({"state": "joined", "silent_s": 10.2}, 58.0, True),
        ({"state": "joined"}, 30.0, False),
        ({"state": "left"}, 30.0, False),
    ],
)
def test_what_spoils_a_level_is_told_with_the_workers_that_fell_silent_in_it(
    synthetic: Synthetic, told: dict[str, object], at_s: float, named: bool
) -> None:
    event = (EventKind.WORKER, at_s, {"worker": "worker-1", **told})
    visit = judged(synthetic(**CALM, extra_events=[event]), n=60)
    assert visit.state == LevelState.UNFIT
    assert visit.reason == "worker-1 fell silent; " * named + "50.0 users were there instead of 60"
    assert "silent" not in judged(synthetic(**CALM, extra_events=[event])).reason


def frames_of_ten_users(
    *, pause_ms: int, service_ms: int, passes_per_s: int, outcome: Outcome = Outcome.OK
) -> list[Frame]:
    """30 s in which the users together make so many passes a second: one pause and one request each."""

    def series(each_ms: int, outcome: Outcome = Outcome.OK) -> EndpointSecond:
        buckets = {bucket_index(each_ms * 1000): passes_per_s}
        return EndpointSecond(passes_per_s, 0, {outcome: OutcomeSecond(passes_per_s, {}, {"service": buckets})})

    seen = {
        Endpoint(Kind.GENERATOR, "auth", "think"): series(pause_ms),
        Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): series(service_ms, outcome),
    }
    return [Frame("worker-0", second + 1, BEGIN_S + second, 10, seen) for second in range(30)]


def evidence_of(run: RunDirectory, frames: list[Frame]) -> Evidence:
    window = Window(BEGIN_S * NS, (BEGIN_S + 30) * NS)
    manifest = run.read_manifest()
    return Evidence(
        manifest=manifest, columns=merge(frames), events=(), readings=(), failures=(), damages=(), load=window
    )


def test_the_seconds_that_the_generator_spoiled_are_left_out_of_a_level(synthetic: Synthetic) -> None:
    slow = {"slow_seconds": dict.fromkeys((20, 21, 22, 23), 1.0)}
    assert judged(synthetic(**CALM, **slow)).state == LevelState.OPEN
    visit = judged(synthetic(**CALM, **slow, stalls_ms=dict.fromkeys((20, 21, 22, 23), 300.0)))
    assert (visit.state, visit.seconds) == (LevelState.PASS, 48)
    assert visit.rate_per_s == pytest.approx(108, rel=0.1)


def test_a_level_takes_more_of_the_users_time_to_be_explained_than_a_run(synthetic: Synthetic) -> None:
    whole = evidence_of(
        synthetic(**CALM, frames=False, readings=False),
        frames_of_ten_users(pause_ms=400, service_ms=90, passes_per_s=19),
    )
    assert whole.load is not None
    visit = judge_level(whole, whole.load, 10)
    assert (visit.state, visit.unexplained) == (LevelState.UNFIT, pytest.approx(0.07, abs=0.002))


def test_littles_law_explains_the_time_of_users_who_think_and_wait(synthetic: Synthetic, tmp_path: Path) -> None:
    """Ten users, each pass 400 ms of thinking and 100 ms of waiting: twenty passes a second."""
    run = synthetic(**CALM, frames=False, readings=False)
    whole = evidence_of(run, frames_of_ten_users(pause_ms=400, service_ms=100, passes_per_s=20))
    assert unexplained_share(whole) == pytest.approx(0.0, abs=0.001)
    in_vain = frames_of_ten_users(pause_ms=400, service_ms=100, passes_per_s=20, outcome=Outcome.TIMEOUT)
    assert unexplained_share(evidence_of(run, in_vain)) == pytest.approx(0.0, abs=0.001)
    held_up = evidence_of(run, frames_of_ten_users(pause_ms=400, service_ms=100, passes_per_s=15))
    assert unexplained_share(held_up) == pytest.approx(0.25, abs=0.001)
    assert held_up.load is not None
    visit = judge_level(held_up, held_up.load, 10)
    assert visit.state == LevelState.UNFIT
    assert "Little's law leaves 25% of the users' time unexplained" in visit.reason
