"""Seconds in which the generator was suspect are left out when they are few, and never to anybody's advantage."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from analysis.intervals import share_interval
from analysis.judge import judge
from analysis.judged_time import JudgedTime, decide_promise
from analysis.slo import decide
from analysis.verdict import GateResult, State, Verdict
from journal.outcomes import Outcome
from journal.run_directory import RunDirectory

Judged = Callable[..., Verdict]
CALM = {"kill_at_s": None, "throttle_at_s": None}
PROCESS = "POST /api/v1/mcp/process"


@pytest.fixture
def judged(synthetic: Callable[..., RunDirectory]) -> Judged:
    def judged(**differences: Any) -> Verdict:
        return judge(synthetic(**{**CALM, **differences}))[1]

    return judged


def row(verdict: Verdict, gate: str, subject: str = "") -> GateResult:
    return next(row for row in verdict.gates if row.gate == gate and subject in row.subject)


def failing(verdict: Verdict) -> set[str]:
    return {row.gate for row in verdict.gates if row.state == State.FAIL}


def windows(verdict: Verdict) -> list[tuple[float, float]]:
    return [(window.begin_s, window.end_s) for window in verdict.generator.windows]


def test_a_second_that_a_stall_spoiled_is_left_out_with_all_that_was_measured_in_it(judged: Judged) -> None:
    spoiled = {"slow_seconds": {13: 1.0}}
    verdict = judged(**spoiled, stalls_ms={13: 320.0})
    assert judged(**spoiled).exit_code == 3  # the same second without the stall leaves the run open
    assert (verdict.exit_code, verdict.judged_s, verdict.generator.left_out_s) == (0, 69, 1)
    assert windows(verdict) == [(13, 14)]
    assert verdict.line.startswith("✓ PASS. 50 users: 99.9 % of requests under 200 ms")
    assert verdict.line.endswith("; 1 s left out, in which the generator was suspect.")
    assert "1 s left out (0:13 to 0:14 a loop stood still for 0.3 s)" in row(verdict, "generator").reason
    gate = row(verdict, "latency", PROCESS)
    assert gate.measured.value > 0.995
    assert gate.whole.value == pytest.approx(1 - 1 / 70, abs=0.01)
    assert "98." in gate.reason.rpartition(", ")[2]
    (endpoint,) = [one for one in verdict.endpoints if one.name == PROCESS]
    assert endpoint.outside.samples == gate.samples
    assert endpoint.outside.bad < 5


def test_a_healthy_run_leaves_nothing_out_and_compares_with_nothing(judged: Judged) -> None:
    verdict = judged()
    assert (verdict.exit_code, verdict.generator.windows, verdict.generator.left_out_s) == (0, (), 0)
    assert {gate.whole for gate in verdict.gates} == {None}


def test_a_stall_of_seconds_takes_those_along_that_it_lasted_and_the_one_after(judged: Judged) -> None:
    assert windows(judged(stalls_ms={13: 99.0})) == []
    assert windows(judged(stalls_ms={13: 101.0})) == [(13, 14)]
    assert windows(judged(stalls_ms={13: 2_980.0})) == [(11, 15)]


def test_more_than_a_fifth_of_suspect_seconds_leaves_the_run_open(judged: Judged) -> None:
    few = judged(stalls_ms=dict.fromkeys(range(0, 42, 3), 150.0))
    many = judged(stalls_ms=dict.fromkeys(range(0, 45, 3), 150.0), slow={PROCESS: 0.3})
    assert (few.exit_code, few.generator.left_out_s) == (0, 14)
    assert (many.exit_code, failing(many), many.generator.left_out_s) == (3, set(), 0)
    assert many.line.startswith("? INCONCLUSIVE. Generator suspect in 21% of the load (0:00 to 0:01 a loop stood still")
    assert "; 12 more)" in many.line
    assert many.line.endswith("target not judged.")


def test_a_failure_in_the_other_seconds_is_still_one(judged: Judged) -> None:
    verdict = judged(stalls_ms={13: 300.0}, slow={PROCESS: 0.3})
    assert (verdict.exit_code, failing(verdict)) == (1, {"latency"})


def test_leaving_seconds_out_never_passes_what_the_whole_record_breaks(judged: Judged) -> None:
    seconds = range(20, 30)
    verdict = judged(stalls_ms=dict.fromkeys(seconds, 300.0), slow_seconds=dict.fromkeys(seconds, 1.0))
    assert (verdict.exit_code, failing(verdict), verdict.generator.suspect) == (3, set(), False)
    gate = row(verdict, "latency", PROCESS)
    assert gate.state is State.INCONCLUSIVE
    assert gate.measured.low > 0.99
    assert gate.whole.value == pytest.approx(1 - 10 / 70, abs=0.04)
    assert ": 99.9 % under 200 ms" in gate.reason
    assert "with the seconds left out for the generator" in gate.reason


def test_what_the_target_answered_badly_in_a_suspect_second_is_its_own(judged: Judged) -> None:
    seconds = range(20, 30)
    spoiled = {"stalls_ms": dict.fromkeys(seconds, 300.0), "error_seconds": dict.fromkeys(seconds, 1.0)}
    assert "availability" in failing(judged(**spoiled))
    assert failing(judged(**spoiled, error_outcome=Outcome.TIMEOUT)) == set()


def test_a_second_held_back_by_a_quota_is_left_out(judged: Judged) -> None:
    verdict = judged(held_back_s={13: 0.3, 40: 0.05})
    assert (verdict.exit_code, windows(verdict)) == (0, [(13, 14)])
    assert verdict.generator.windows[0].reason == "a CPU quota held locust-0 back"


def test_a_stretch_of_used_up_cpu_is_left_out_when_it_is_short_against_the_run(judged: Judged) -> None:
    verdict = judged(busy=(20, 32))
    assert (verdict.exit_code, windows(verdict)) == (0, [(19, 33)])
    assert verdict.generator.windows[0].reason == "locust-0 used up its CPU"
    assert judged(busy=(20, 40)).exit_code == 3
    assert windows(judged(busy=(20, 28))) == []


def test_users_whose_time_is_not_explained_leave_the_run_open(judged: Judged) -> None:
    """Fifty users make 112 requests and messages a second, 45 ms each: a tenth of their time."""
    explained, held_up = judged(pause_ms=900), judged(pause_ms=750, slow={PROCESS: 0.3})
    assert explained.exit_code == 0
    assert explained.generator.unexplained_share == pytest.approx(0.0, abs=0.01)
    assert (held_up.exit_code, failing(held_up)) == (3, set())
    assert held_up.generator.unexplained_share == pytest.approx(0.11, abs=0.03)
    assert held_up.line.startswith("? INCONCLUSIVE. Generator did not apply the load: Little's law leaves 1")
    assert judged().generator.unexplained_share is None


def test_a_fault_is_not_blamed_for_what_only_suspect_seconds_show(judged: Judged) -> None:
    seconds = range(20, 26)
    spoiled = {"kill_at_s": 20.0, "slow_seconds": dict.fromkeys(seconds, 1.0)}
    assert "faults" in failing(judged(**spoiled))
    verdict = judged(**spoiled, stalls_ms=dict.fromkeys(seconds, 300.0))
    assert (verdict.exit_code, failing(verdict)) == (3, set())
    assert "by a generator that was suspect meanwhile" in row(verdict, "faults").reason


def test_a_fault_is_blamed_for_what_the_other_seconds_show(judged: Judged) -> None:
    harm = {"kill_at_s": 20.0, "slow_seconds": dict.fromkeys(range(20, 50), 1.0), "stalls_ms": {24: 300.0}}
    assert "faults" in failing(judged(**harm))


counts = nps.arrays(np.int64, (3, 40), elements=st.integers(0, 50))
masks = nps.arrays(np.bool_, (2, 40))


@given(counts, masks, st.sampled_from([0.05, 0.2]))
def test_what_was_left_out_can_open_an_answer_but_never_turn_it_round(
    counts: np.ndarray, masks: np.ndarray, budget: float
) -> None:
    good, unanswered, answered_badly = counts
    outside, left_out = masks
    bad, n = unanswered + answered_badly, good + unanswered + answered_badly
    time = JudgedTime(outside=outside, inside=~outside, left_out=left_out)
    found = decide_promise(time, budget, bad, n, answered_badly)
    alone = decide(share_interval(bad[time.clean], n[time.clean]), budget)
    whole = share_interval(bad[outside], n[outside])
    surely = decide(share_interval(answered_badly[outside], n[outside]), budget) is State.FAIL
    if not (outside & left_out).any():
        assert (found.state, found.whole) == (alone, None)
    elif found.state is State.PASS:
        assert alone is State.PASS
        assert whole.value <= budget
    elif found.state is State.FAIL:
        assert surely or (alone is State.FAIL and whole.value > budget)
    else:
        assert not surely
