"""Faults of whole run directories: what they did to users, and what proves that they are undone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.evidence import load_evidence
from analysis.judge import judge_evidence
from journal.exit_codes import ExitCode
from journal.timeline import EventKind
from tests.analysis.conftest import RATES
from tests.analysis.verdicts import Judged, Synthetic, failing, fault, open_rows


def test_a_fault_is_told_with_effect_revert_recovery_and_budget(judged: Judged) -> None:
    throttle = fault(judged(), "F2")
    assert (throttle.state, throttle.effect, throttle.revert) == ("pass", "seen", "proven")
    assert (throttle.injected_s, throttle.effective_s, throttle.reverted_s, throttle.proven_s) == (40, 41, 50, 50.5)
    assert throttle.window_s == (40, 50.5)
    assert throttle.detected_s == 0
    assert throttle.recovered_s == pytest.approx(10, abs=2)
    assert 0.6 < throttle.budget_share < 0.9
    assert throttle.good_share_during.high < 0.95 < throttle.good_share_before.low
    assert throttle.good_share_after.low > 0.95


def test_every_cut_request_is_named_with_the_kill_that_cut_it(judged: Judged) -> None:
    verdict = judged()
    assert {cut.fault_id for cut in fault(verdict, "F1").cut_requests} == {"F1"}
    assert len(fault(verdict, "F1").cut_requests) == verdict.accounts.cut == 10
    assert verdict.accounts.unexplained_cuts == ()


def test_a_fault_that_could_not_be_reverted_fails_with_an_exit_code_of_its_own(judged: Judged) -> None:
    verdict = judged(not_reverted=True)
    assert (verdict.state, verdict.exit_code) == ("fail", ExitCode.NOT_REVERTED)
    assert failing(verdict) == [("faults", "F2 throttle-redis")]
    assert verdict.line == "! NOT REVERTED. F2; run gameday recover 7f3a0001."


def test_a_fault_without_effect_voids_the_pass(judged: Judged) -> None:
    verdict = judged(no_effect=True)
    assert (verdict.exit_code, open_rows(verdict)) == (3, [("faults", "F1 kill-api-pod")])
    assert "voids the pass" in verdict.line


def test_users_who_stay_hurt_after_a_fault_fail_it(judged: Judged) -> None:
    verdict = judged(throttle_aftermath_s=40.0, load_s=90)
    assert ("faults", "F2 throttle-redis") in failing(verdict)
    assert fault(verdict, "F2").recovered_s is None
    assert fault(verdict, "F2").reason == "F2 still hurt users 15 s after its end"


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (("injected", "reverted", "proven"), "F3 has no known effect"),
        (("injected", "effective", "reverted"), "F3 was not proven to be reverted"),
        (("injected", "effective", "proven", "not-reverted"), "F3 could not be reverted"),
        (("injected", "effective", "not-reverted", "proven"), "F3: users were not hurt"),
        (("injected", "effective", "proven", "not-reverted", "proven"), "F3: users were not hurt"),
        (("injected", "effective", "not-reverted", "proven", "not-reverted"), "F3 could not be reverted"),
    ],
)
def test_a_fault_passes_only_with_an_effect_and_a_proof_of_its_revert(
    judged: Judged, states: tuple[str, ...], why: str
) -> None:
    told = [
        (EventKind.FAULT, 20.0 + number, {"fault_id": "F3", "fault": "throttle-redis", "state": state})
        for number, state in enumerate(states)
    ]
    verdict = judged(kill_at_s=None, throttle_at_s=None, extra_events=told)
    assert fault(verdict, "F3").reason == why


def test_what_was_usual_before_a_fault_is_not_burned_by_it(judged: Judged) -> None:
    slow = {endpoint.name: 0.03 for endpoint in RATES}
    verdict = judged(kill_at_s=None, throttle_at_s=30.0, throttle_s=20.0, throttle_slow=0.0, slow=slow)
    assert fault(verdict, "F2").budget_share == pytest.approx(0.0, abs=0.1)


def test_users_may_stay_hurt_as_long_as_the_plan_allows(judged: Judged) -> None:
    verdict = judged(throttle_aftermath_s=6.0, throttle_s=5.0)
    assert (verdict.exit_code, failing(verdict)) == (0, [])
    assert fault(verdict, "F2").recovered_s == pytest.approx(11, abs=2)
    assert fault(verdict, "F2").window_s[1] > 50


def test_a_load_that_ends_before_users_were_well_leaves_the_fault_open(judged: Judged) -> None:
    verdict = judged(throttle_at_s=60.0, throttle_s=8.0, throttle_slow=0.15)
    assert (failing(verdict), open_rows(verdict)) == ([], [("faults", "F2 throttle-redis")])


@pytest.mark.parametrize(("at_s", "code"), [(62.0, 0), (63.0, 3), (66.0, 3)])
def test_a_fault_proves_nothing_where_the_load_did_not_outlast_it(judged: Judged, at_s: float, code: int) -> None:
    verdict = judged(kill_at_s=None, throttle_at_s=at_s, throttle_s=5.0, throttle_slow=0.0)
    assert verdict.exit_code == code
    assert fault(verdict, "F2").recovered_s == (0.0 if code == 0 else None)


def test_users_who_were_well_again_while_a_fault_outlasted_the_load_prove_nothing(judged: Judged) -> None:
    harm = {"throttle_slow": 0.0, "slow_seconds": {62: 1.0, 63: 1.0}}
    verdict = judged(kill_at_s=None, throttle_at_s=60.0, throttle_s=9.0, **harm)
    assert fault(verdict, "F2").recovered_s == 4
    assert open_rows(verdict) == [("faults", "F2 throttle-redis")]


def test_a_fault_proves_nothing_where_no_request_ever_ends(synthetic: Synthetic) -> None:
    evidence = load_evidence(synthetic(kill_at_s=None, required=("faults",)))
    hanging = replace(evidence.columns, count=np.zeros_like(evidence.columns.count))
    verdict = judge_evidence(replace(evidence, columns=hanging))
    assert ("faults", "F2 throttle-redis") in open_rows(verdict)


def test_too_much_of_the_budget_burned_fails_a_fault(judged: Judged) -> None:
    verdict = judged(throttle_slow=0.9)
    assert failing(verdict) == [("faults", "F2 throttle-redis")]
    assert "of the error budget" in verdict.line


def test_a_planned_fault_that_never_started_leaves_the_run_open(judged: Judged) -> None:
    verdict = judged(killed_at_s=38)
    assert fault(verdict, "F2").reason == "F2 was never injected"
    assert ("faults", "F2 throttle-redis") in open_rows(verdict)


def test_a_refused_fault_tells_why(judged: Judged) -> None:
    told: dict[str, Any] = {"fault_id": "F3", "experiment": "kill-api-pod", "fault": "kill-replica", "state": "refused"}
    told["evidence"] = {"reason": "too many replicas"}
    verdict = judged(extra_events=[(EventKind.FAULT, 5.0, told)])
    assert fault(verdict, "F3").reason == "F3 was refused: too many replicas"
    assert verdict.exit_code == 3


def test_faults_at_the_same_time_are_marked(judged: Judged) -> None:
    verdict = judged(kill_at_s=43.0)
    assert (fault(verdict, "F1").overlaps, fault(verdict, "F2").overlaps) == (("F2",), ("F1",))
