"""What a run left behind, laid over its seconds: which of them a stretch touches, and what counts as bad in them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.evidence import Evidence, load_evidence
from analysis.judge import judge_evidence
from journal.columns import merge
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan import Slo
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Phase

CALM = {"kill_at_s": None, "throttle_at_s": None, "load_s": 40}
Synthetic = Callable[..., RunDirectory]


@pytest.fixture
def evidence(synthetic: Synthetic) -> Evidence:
    return load_evidence(synthetic(**CALM, slow={"GET /auth/me": 0.2}))


@pytest.mark.parametrize(
    ("begin_s", "end_s", "touched"),
    [(4.0, 6.0, [4, 5, 6]), (4.5, 5.5, [4, 5]), (4.5, 4.6, [4]), (5.0, 5.0, [5]), (-0.5, 0.5, [-1, 0])],
)
def test_a_second_is_touched_by_what_shares_time_with_it(
    evidence: Evidence, begin_s: float, end_s: float, touched: list[int]
) -> None:
    assert evidence.seconds_s[evidence.touching(begin_s, end_s)].tolist() == touched


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_whatever_is_no_proper_answer_harms_the_availability(synthetic: Synthetic, outcome: Outcome) -> None:
    verdict = judge_evidence(load_evidence(synthetic(**CALM, errors=0.1, error_outcome=outcome)))
    assert ("availability", "fail") in [(row.gate, row.state) for row in verdict.gates]


def with_threshold(evidence: Evidence, threshold_ms: float) -> Evidence:
    plan = replace(evidence.manifest.plan, slo=Slo(threshold_ms=threshold_ms))
    return replace(evidence, manifest=replace(evidence.manifest, plan=plan))


def test_a_threshold_that_nobody_compared_with_is_judged_from_the_buckets(evidence: Evidence) -> None:
    exact, near = evidence.slow, with_threshold(evidence, 200.1).slow
    assert exact.sum() > 100
    assert near.sum() == pytest.approx(exact.sum(), rel=0.01)


def test_a_slow_answer_is_bad_by_the_threshold_of_the_plan_and_one_that_failed_only_once(evidence: Evidence) -> None:
    ended = {
        Outcome.OK: OutcomeSecond(10, {100_000: 5, 200_000: 2}),
        Outcome.SERVER_ERROR: OutcomeSecond(3, {100_000: 3, 200_000: 3}),
    }
    seen = {Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): EndpointSecond(13, 0, ended)}
    columns = merge([Frame("worker-0", 1, evidence.columns.first_second, 1, seen)])
    told = replace(evidence, columns=columns)
    assert (told.slow.sum(), told.failed.sum(), told.bad.sum()) == (2, 3, 5)


@pytest.mark.parametrize("name", ["failures.jsonl", "readings.jsonl"])
def test_damage_of_any_file_is_named(synthetic: Synthetic, name: str) -> None:
    run = synthetic(**CALM)
    with (run.path / name).open("ab") as file:
        file.write(b'{"at_ns": 1, "wor')
    (said,) = judge_evidence(load_evidence(run)).missing
    assert name in said
    assert "torn last line" in said


def test_the_load_ends_with_the_first_phase_after_it_that_came_later(synthetic: Synthetic) -> None:
    early = (EventKind.PHASE, -5.0, {"phase": Phase.DRAIN})
    evidence = load_evidence(synthetic(**CALM, extra_events=[early]))
    assert evidence.load is not None
    assert evidence.load.duration_s == 40
