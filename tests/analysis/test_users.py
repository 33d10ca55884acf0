"""The users of a plan were there, or the run says that they were not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.evidence import load_evidence
from analysis.judge import judge
from analysis.users import too_few_users
from journal.plan import Stage
from journal.plan_shapes import Shape
from journal.run_directory import RunDirectory

Synthetic = Callable[..., RunDirectory]
CALM = {"kill_at_s": None, "throttle_at_s": None}


def test_a_run_with_fewer_users_than_planned_is_no_pass(synthetic: Synthetic) -> None:
    verdict = judge(synthetic(**CALM, present=0.8))[1]
    said = "only 40.0 of 50.0 planned users were there on average"
    assert (verdict.exit_code, verdict.missing) == (3, (said,))
    assert verdict.line == f"? INCONCLUSIVE. {said.capitalize()}."


def test_a_few_users_who_stay_away_do_not_matter(synthetic: Synthetic) -> None:
    assert judge(synthetic(**CALM, present=0.96))[1].exit_code == 0


def test_users_of_a_worker_whose_frames_are_missing_are_not_called_absent(synthetic: Synthetic) -> None:
    missing = judge(synthetic(**CALM, worker_lost_at_s=10))[1].missing
    assert missing
    assert not [name for name in missing if "planned users" in name]


def test_what_fails_with_fewer_users_fails(synthetic: Synthetic) -> None:
    assert judge(synthetic(**CALM, present=0.5, errors=0.1))[1].exit_code == 1


@pytest.mark.parametrize(
    ("stages", "enough"),
    [
        ((Stage(users=50, duration_s=80),), False),
        ((Stage(users=24, duration_s=80),), True),
        ((Stage(users=50, spawn_rate_per_s=0.5, duration_s=80),), True),
        ((Stage(users=1, duration_s=80, shape=Shape(kind="ramp", to=46)),), True),
        ((Stage(users=1, duration_s=80, shape=Shape(kind="ramp", to=60)),), False),
        ((Stage(users=10, duration_s=45), Stage(users=40, duration_s=35)), True),
        (tuple(Stage(users=users, spawn_rate_per_s=99.0, duration_s=2) for users in (20, 34) * 20), True),
        ((Stage(users=10, duration_s=30), Stage(users=50, duration_s=50)), False),
    ],
    ids=[
        "all",
        "fewer",
        "still to come",
        "ramp",
        "higher ramp",
        "second stage",
        "always changing",
        "longer second stage",
    ],
)
def test_24_users_are_compared_with_those_that_the_plan_wants_by_then(
    synthetic: Synthetic, stages: tuple[Stage, ...], enough: bool
) -> None:
    evidence = load_evidence(synthetic(**CALM, present=0.5))
    plan = evidence.manifest.plan
    planned = replace(evidence.manifest, plan=replace(plan, load=replace(plan.load, stages=stages)))
    assert (too_few_users(replace(evidence, manifest=planned), evidence.in_load) == "") is enough
