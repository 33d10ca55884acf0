"""The row of the accounts: whatever does not add up leaves a run open."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.accounts import accounts_gate
from analysis.evidence import Evidence, load_evidence
from analysis.judge import judge_evidence
from analysis.verdict import Accounts, State
from journal.run_directory import RunDirectory
from journal.timeline import EventKind

WHOLE = Accounts(
    sent=100,
    answered=95,
    cut=3,
    unfinished=2,
    lost=0,
    target_started=98,
    target_finished=96,
    agrees=True,
)


@pytest.fixture
def evidence(synthetic: Callable[..., RunDirectory]) -> Evidence:
    return load_evidence(synthetic(load_s=10, kill_at_s=None, throttle_at_s=None))


def test_accounts_that_add_up_pass(evidence: Evidence) -> None:
    row = accounts_gate(evidence, WHOLE)
    assert (row.state, row.measured.value) == (State.PASS, 0)
    assert row.reason == "all 100 requests accounted for, and the target counted the same"


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ({"sent": 0, "answered": 0, "cut": 0, "unfinished": 0}, "no request was measured"),
        ({"sent": 107, "lost": 7}, "about 7 requests missing from the record"),
        ({"sent": 101}, "1 request lost in the accounts"),
        ({"sent": 98}, "2 requests too many in the accounts"),
        ({"target_finished": 94, "agrees": False}, "sent − finished = 6 by the target's counters, outside of 0 to 5"),
        ({"target_finished": None, "agrees": None}, "the target's counters were not read after the load"),
    ],
)
def test_what_does_not_add_up_is_said_and_no_pass(evidence: Evidence, differences: dict[str, int], said: str) -> None:
    row = accounts_gate(evidence, replace(WHOLE, **differences))
    assert (row.state, row.required) == (State.INCONCLUSIVE, True)
    assert row.reason.startswith(said)


def test_counters_that_were_not_read_after_the_load_leave_the_run_open(evidence: Evidence) -> None:
    events = tuple(one for one in evidence.events if one.kind is not EventKind.COUNTERS or one.data["when"] == "before")
    verdict = judge_evidence(replace(evidence, events=events))
    assert (verdict.exit_code, verdict.accounts.agrees) == (3, None)
    assert "The target's counters were not read after the load." in verdict.reasons
