"""What must hold whatever fails: summed over all workers, owed by the journeys of the plan."""

from journal.timeline import EventKind
from tests.analysis.verdicts import Judged, failing, open_rows


def test_a_broken_invariant_fails_with_its_example(judged: Judged) -> None:
    verdict = judged(violated={"task-completed-once": ["task 17 completed twice"]})
    assert (verdict.exit_code, failing(verdict)) == (1, [("invariants", "task-completed-once")])
    assert "task 17 completed twice" in verdict.line


def test_an_invariant_that_nobody_checked_leaves_the_run_open(judged: Judged) -> None:
    verdict = judged(unchecked=("no-foreign-data",))
    assert (verdict.exit_code, open_rows(verdict)) == (3, [("invariants", "no-foreign-data")])


def test_an_invariant_that_no_journey_of_the_plan_touches_is_not_owed(judged: Judged) -> None:
    told = {"name": "expired-token-refused", "worker": "worker-0", "checked": 0, "violated": 0, "examples": []}
    verdict = judged(extra_events=[(EventKind.INVARIANT, 75.0, told)])
    assert verdict.exit_code == 0, verdict.line
    assert "expired-token-refused" not in [result.name for result in verdict.invariants]
    owed = {**told, "name": "no-foreign-data"}
    verdict = judged(unchecked=("no-foreign-data",), extra_events=[(EventKind.INVARIANT, 75.0, owed)])
    assert (verdict.exit_code, open_rows(verdict)) == (3, [("invariants", "no-foreign-data")])


def test_the_findings_of_all_workers_are_summed(judged: Judged) -> None:
    more = {"name": "task-completed-once", "checked": 5, "violated": 1, "examples": ["task 9 lost"], "worker": "w"}
    verdict = judged(extra_events=[(EventKind.INVARIANT, 75.0, more)])
    (result,) = [result for result in verdict.invariants if result.name == "task-completed-once"]
    assert (result.checked, result.violated, result.examples) == (25, 1, ("task 9 lost",))


def test_a_case_that_the_target_would_not_tell_leaves_the_promise_open(judged: Judged) -> None:
    more = {"name": "task-completed-once", "checked": 5, "violated": 0, "unknown": 1, "examples": [], "worker": "w"}
    verdict = judged(extra_events=[(EventKind.INVARIANT, 75.0, more)])
    assert (verdict.exit_code, open_rows(verdict)) == (3, [("invariants", "task-completed-once")])
    assert "task-completed-once held 25 times; the target would not say in 1 case" in verdict.line


def test_a_promise_of_somebody_elses_journey_is_owed_once_the_target_would_not_tell(judged: Judged) -> None:
    told = {"name": "expired-token-refused", "checked": 0, "violated": 0, "unknown": 2, "examples": [], "worker": "w"}
    verdict = judged(extra_events=[(EventKind.INVARIANT, 75.0, told)])
    assert open_rows(verdict) == [("invariants", "expired-token-refused")]
