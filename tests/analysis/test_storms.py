"""Storms in the judgement: reached, over, and who was left out; each as workers tell it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analysis.evidence import load_evidence
from analysis.judge import judge, judge_evidence
from analysis.report.markdown import markdown_report
from analysis.report.page import html_page
from analysis.verdict import FaultResult, Verdict
from journal.failures import Failure
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan_storms import Storm
from journal.records import from_json, to_json
from journal.run_directory import RunDirectory
from journal.timeline import EventKind

STORM = Storm(id="S1", kind="reconnect", at_s=20.0, recovery_s=10.0)
Events = list[tuple[EventKind, float, dict[str, Any]]]


def begun(worker: int, at_s: float = 20.0) -> tuple[EventKind, float, dict[str, Any]]:
    who = {"storm_id": "S1", "storm": "reconnect storm", "worker": f"worker-{worker}"}
    return EventKind.STORM, at_s, {**who, "state": "begun", "users": 25, "chosen": 25}


def over(worker: int, at_s: float = 21.0, **numbers: int) -> tuple[EventKind, float, dict[str, Any]]:
    who = {"storm_id": "S1", "storm": "reconnect storm", "worker": f"worker-{worker}"}
    told = {"hit": 25, "connections": 25, "websockets": 4, "back": 25, "gone": 0, "unaware": 0, **numbers}
    return EventKind.STORM, at_s, {**who, "state": "over", **told}


@pytest.fixture
def stormy(synthetic: Callable[..., RunDirectory]) -> Callable[..., Verdict]:
    def run(*events: tuple[EventKind, float, dict[str, Any]], **more: Any) -> Verdict:
        changes = {"kill_at_s": None, "throttle_at_s": None, "storms": (STORM,), "extra_events": list(events)}
        return judge(synthetic(**changes | more))[1]

    return run


def storm_of(verdict: Verdict) -> FaultResult:
    (found,) = verdict.faults
    return found


def test_a_storm_that_reached_everybody_and_left_nobody_out_passes(stormy) -> None:
    verdict = stormy(begun(0), begun(1, 20.1), over(0), over(1, 21.5))
    found = storm_of(verdict)
    assert (verdict.state, found.state, found.kind) == ("pass", "pass", "storm")
    assert (found.injected_s, found.proven_s) == (20.0, 21.5)
    assert found.evidence == {
        "users hit": "50 of 50",
        "users back": "50 of 50",
        "keep-alive connections dropped": "50",
        "WebSockets dropped": "8",
        "worker-0": "25 users hit, 25 back",
        "worker-1": "25 users hit, 25 back",
    }
    assert from_json(Verdict, to_json(verdict), "verdict") == verdict


def test_users_who_could_not_come_back_fail_it(stormy) -> None:
    verdict = stormy(begun(0), begun(1), over(0), over(1, back=20, gone=2))
    assert storm_of(verdict).state == "fail"
    assert storm_of(verdict).reason == "S1 left 3 users out of 50 out after 10 s"
    assert verdict.exit_code == 1


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "S1 never began"),
        ([begun(0), begun(1), over(0)], "S1 was not told to its end by every worker"),
        ([begun(0), over(0, hit=0, connections=0, websockets=0, back=0)], "S1 found nothing to take from anybody"),
        ([begun(0), over(0, back=20, unaware=5)], "S1 was over before all of its users had noticed"),
    ],
)
def test_a_storm_of_which_too_little_is_known_leaves_the_run_open(stormy, events: Events, said: str) -> None:
    verdict = stormy(*events)
    assert (verdict.state, storm_of(verdict).state) == ("inconclusive", "inconclusive")
    assert storm_of(verdict).reason.startswith(said)


def test_of_a_storm_whose_end_was_not_told_the_report_claims_nothing(synthetic) -> None:
    run = synthetic(storms=(STORM,), extra_events=[begun(0, 60.0), begun(1, 60.0), over(0, 61.0)])
    evidence, verdict = load_evidence(run), judge(run)[1]
    found = next(fault for fault in verdict.faults if fault.id == "S1")
    assert found.evidence["users chosen"] == "50 of 50"
    assert found.evidence["worker-0"] == "25 users hit, 25 back"
    assert found.evidence["worker-1"] == "25 users chosen; how it ended was not told"
    assert {"users hit", "users back"}.isdisjoint(found.evidence)
    row = next(line for line in markdown_report(evidence, verdict).splitlines() if line.startswith("| S1 "))
    assert row.split(" | ")[1:3] == ["? not known", "? not known"]


def test_users_who_left_are_told_beside_those_who_are_back(synthetic) -> None:
    told = [begun(0, 60.0), over(0, 61.0, back=20, gone=5)]
    run = synthetic(storms=(STORM,), extra_events=told)
    evidence, verdict = load_evidence(run), judge(run)[1]
    assert next(fault for fault in verdict.faults if fault.id == "S1").state == "pass"
    assert "✓ 20 of 25 back, 5 left meanwhile" in markdown_report(evidence, verdict)


def test_what_users_feel_in_a_storm_counts_against_its_budget_and_not_against_the_slo(stormy) -> None:
    ends = [begun(0), begun(1), over(0, 24.0), over(1, 24.0)]
    harm = dict.fromkeys(range(20, 26), 0.9)
    assert stormy(*ends, slow_seconds=harm).state == "fail"
    verdict = stormy(*ends, slow_seconds=harm, storms=(Storm(**{**vars(STORM), "max_budget_share": 5.0}),))
    assert verdict.state == "pass"
    assert storm_of(verdict).recovered_s is not None
    assert storm_of(verdict).budget_share > 1


@pytest.mark.parametrize(("spread_s", "state"), [(12.0, "pass"), (0.0, "fail")])
def test_users_who_are_to_come_back_by_and_by_are_not_missed_meanwhile(stormy, spread_s: float, state: str) -> None:
    silence = {20 + second: 1 - second / 12 for second in range(12)}
    storm = Storm(**{**vars(STORM), "spread_s": spread_s})
    verdict = stormy(begun(0), begun(1), over(0, 32.0), over(1, 32.0), silent_seconds=silence, storms=(storm,))
    assert (verdict.state, storm_of(verdict).missing_arrivals > 0) == (state, state == "fail")


def test_who_stays_away_longer_than_planned_is_missed(stormy) -> None:
    storm, silence = Storm(**{**vars(STORM), "spread_s": 4.0}), dict.fromkeys(range(20, 32), 0.9)
    found = storm_of(stormy(begun(0), begun(1), over(0, 32.0), over(1, 32.0), silent_seconds=silence, storms=(storm,)))
    assert (found.state, found.missing_arrivals > 0) == ("fail", True)


def test_a_storm_that_is_cut_short_needs_no_recovery(stormy) -> None:
    verdict = stormy(begun(0), begun(1), over(0), interrupted_at_s=20.5)
    assert "no fault was in force" in verdict.line


def test_reports_show_a_storm_beside_the_faults(synthetic) -> None:
    run = synthetic(storms=(STORM,), extra_events=[begun(0, 60.0), begun(1, 60.0), over(0, 61.0), over(1, 61.0)])
    evidence, verdict = load_evidence(run), judge(run)[1]
    markdown, page = markdown_report(evidence, verdict), html_page(evidence, verdict)
    assert "**Faults and storms**" in markdown
    assert "✓ hit 50 of 50" in markdown
    assert 'id="fault-s1"' in page
    assert "keep-alive connections and WebSockets of all users" in page


def test_a_mistold_number_is_no_number(stormy) -> None:
    kind, at_s, data = over(1)
    assert storm_of(stormy(begun(0), begun(1), over(0), (kind, at_s, {**data, "hit": "many", "back": True}))).state


def test_a_cut_is_explained_by_the_storm_that_made_it_and_not_by_its_time(synthetic) -> None:
    run = synthetic(kill_at_s=None, throttle_at_s=None, storms=(STORM,), extra_events=[begun(0), begun(1), over(0)])
    evidence = load_evidence(run)
    assert evidence.load is not None
    endpoint = Endpoint(Kind.REQUEST, "auth", "GET /auth/me")
    cuts = [
        Failure.of(
            endpoint,
            Outcome.CUT,
            at_ns=evidence.load.begin_ns + 20_010_000_000,
            worker="worker-0",
            detail=detail,
            served_by="api-0@7",
        )
        for detail in (STORM.cut_detail, "connection broke: reset", "dropped by the storm S10")
    ]
    verdict = judge_evidence(replace(evidence, failures=tuple(cuts)))
    assert [cut.detail for cut in storm_of(verdict).cut_requests] == [STORM.cut_detail]
    assert [cut.detail for cut in verdict.accounts.unexplained_cuts] == [cut.detail for cut in cuts[1:]]


def test_a_storm_of_tokens_owes_the_proof_that_expired_ones_are_refused(stormy) -> None:
    verdict = stormy(begun(0), begun(1), over(0), over(1), storms=(replace(STORM, kind="token-expiry"),))
    (row,) = [row for row in verdict.gates if row.subject == "expired-token-refused"]
    assert (verdict.exit_code, row.required, row.reason) == (3, True, "expired-token-refused was not checked")
