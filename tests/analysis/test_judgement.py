"""Whole run directories: the planted thing fails, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from analysis.evidence import load_evidence
from analysis.judge import judge, judge_evidence
from analysis.verdict import GateResult, State, read_verdict, write_verdict
from journal.exit_codes import ExitCode
from journal.outcomes import Endpoint, Kind, Outcome
from journal.timeline import EventKind
from tests.analysis.verdicts import Judged, Synthetic, failing, open_rows

PROCESS = "POST /api/v1/mcp/process"
ALL = ("latency", "availability", "invariants", "faults", "memory")


@pytest.mark.parametrize("seed", range(6))
def test_a_healthy_run_with_both_faults_passes_whatever_the_seed(judged: Judged, seed: int) -> None:
    verdict = judged(seed=seed)
    assert (verdict.state, verdict.exit_code, failing(verdict), open_rows(verdict)) == ("pass", 0, [], [])
    assert verdict.line.startswith("✓ PASS. 50 users: ")
    assert verdict.missing == ()


def test_the_accounts_balance_and_agree_with_the_target(judged: Judged) -> None:
    accounts = judged().accounts
    assert accounts.sent == accounts.answered + accounts.cut + accounts.unfinished + accounts.lost
    assert accounts.agrees is True
    assert accounts.sent - accounts.target_finished == accounts.cut


@pytest.mark.parametrize("gap", [{"missing_frames": (3, 4)}, {"worker_lost_at_s": 72}], ids=["warm-up", "drain"])
def test_accounts_with_a_gap_outside_of_the_load_are_not_compared_with_the_target(
    judged: Judged, gap: dict[str, Any]
) -> None:
    assert judged().accounts.agrees is True
    assert judged(**gap).accounts.agrees is None


def test_a_slow_path_fails_its_endpoint_and_no_other(judged: Judged) -> None:
    verdict = judged(slow={PROCESS: 0.2})
    assert (verdict.exit_code, failing(verdict)) == (1, [("latency", PROCESS)])
    assert verdict.line.startswith(f"✗ FAIL. {PROCESS}: 7")
    assert verdict.line.endswith("From the start.")


def test_a_slow_path_of_a_workflow_alone_gates_nothing(judged: Judged) -> None:
    verdict = judged(slow={"mcp request to completion": 1.0, "WS ping": 1.0})
    assert verdict.exit_code == 0
    assert {row.state for row in verdict.endpoints} == {"pass"}


def test_errors_fail_availability_and_the_endpoints_but_no_fault(judged: Judged) -> None:
    verdict = judged(errors=0.1)
    assert verdict.exit_code == 1
    assert {gate for gate, _ in failing(verdict)} == {"latency", "availability"}
    assert verdict.line.startswith("✗ FAIL. All requests: 90.")


def test_a_leak_fails_the_memory_gate_where_it_is_required(judged: Judged) -> None:
    leaking = judged(leak_mib_per_s=2.5, required=ALL)
    assert (leaking.exit_code, failing(leaking)) == (1, [("memory", "api-0"), ("memory", "api-1")])
    assert judged(leak_mib_per_s=2.5).exit_code == 0


def test_a_short_healthy_run_leaves_a_required_memory_gate_open(judged: Judged) -> None:
    verdict = judged(required=ALL)
    assert verdict.exit_code == 3
    assert {gate for gate, _ in open_rows(verdict)} == {"memory"}


def test_a_run_killed_half_way_is_judged_and_open(judged: Judged) -> None:
    verdict = judged(killed_at_s=35)
    assert (verdict.state, verdict.exit_code, failing(verdict)) == ("inconclusive", 3, [])
    assert verdict.load_s == pytest.approx(36, abs=1)
    assert "the run did not come to its orderly end" in verdict.missing


def test_what_ended_a_run_before_its_end_is_told_where_it_was_written_down(judged: Judged) -> None:
    killed = (EventKind.WARNING, 34.0, {"message": "the Locust master was ended by SIGKILL", "exit_code": 70})
    said = judged(killed_at_s=35, extra_events=[killed]).missing
    assert "the run did not come to its orderly end: the Locust master was ended by SIGKILL" in said


def test_endpoints_of_one_name_in_two_journeys_are_told_apart(judged: Judged) -> None:
    names = [("browse", "GET /items"), ("buy", "GET /items"), ("buy", "POST /orders")]
    verdict = judged(rates={Endpoint(Kind.REQUEST, journey, name): 20.0 for journey, name in names})
    subjects = [row.subject for row in verdict.gates if row.gate == "latency"]
    assert sorted(subjects) == ["POST /orders", "browse: GET /items", "buy: GET /items"]
    assert len({row.anchor for row in verdict.gates if row.gate == "latency"}) == 3


def test_warnings_of_the_harness_reach_the_verdict_each_once(judged: Judged) -> None:
    warned = [(EventKind.WARNING, at_s, {"message": said}) for at_s, said in ((1.0, "b"), (2.0, "a"), (3.0, "b"))]
    verdict = judged(extra_events=warned)
    assert verdict.warnings == ("b (2 times)", "a")
    assert verdict.state == "pass"


def test_a_run_killed_half_way_that_had_failed_stays_failed(judged: Judged) -> None:
    assert judged(killed_at_s=35, errors=0.1).exit_code == 1


def test_a_lost_worker_is_named_and_leaves_the_run_open(judged: Judged) -> None:
    verdict = judged(worker_lost_at_s=50)
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert any("worker-1 did not end in order" in name for name in verdict.missing)
    assert verdict.accounts.lost == pytest.approx(19 * 54, rel=0.2)
    assert verdict.accounts.agrees is None


def test_missing_frames_within_the_load_leave_the_run_open(judged: Judged) -> None:
    verdict = judged(missing_frames=(30, 31))
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert "worker worker-0: 2 frames missing (number 30, 31)" in verdict.missing


def test_flipped_bits_are_named_and_leave_the_run_open(synthetic: Synthetic) -> None:
    run = synthetic()
    data = bytearray(run.frames.read_bytes())
    for offset in range(len(data) // 3, len(data) // 3 + 4000, 1000):
        data[offset] ^= 0x10
    run.frames.write_bytes(data)
    verdict = judge(run)[1]
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert any("frames.bin" in name and "unreadable" in name for name in verdict.missing)


def test_a_torn_last_frame_is_named_and_leaves_the_run_open(synthetic: Synthetic) -> None:
    run = synthetic(killed_at_s=60)
    run.frames.write_bytes(run.frames.read_bytes()[:-30])
    verdict = judge(run)[1]
    assert verdict.exit_code == 3
    assert any("torn frame" in name for name in verdict.missing)


def test_a_damaged_timeline_leaves_the_run_open(synthetic: Synthetic) -> None:
    run = synthetic()
    run.timeline.write_bytes(run.timeline.read_bytes() + b'{"at_ns": 1, "ki')
    verdict = judge(run)[1]
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert any("timeline.jsonl" in name for name in verdict.missing)


def test_a_run_without_frames_measured_nothing(judged: Judged) -> None:
    verdict = judged(frames=False)
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert verdict.line == "? INCONCLUSIVE. There are no frames: no request was measured."


def test_a_run_with_nothing_but_its_manifest_is_judged(synthetic: Synthetic) -> None:
    run = synthetic()
    for path in (run.frames, run.timeline, run.readings, run.failures):
        path.unlink()
    assert judge(run)[1].exit_code == 3


def test_a_run_whose_load_never_began_says_so_first(synthetic: Synthetic) -> None:
    verdict = judge_evidence(replace(load_evidence(synthetic()), load=None))
    assert (verdict.exit_code, verdict.reasons[0]) == (3, "The load phase never began.")


def test_an_interrupted_run_exits_as_such_even_when_all_gates_pass(judged: Judged) -> None:
    verdict = judged(interrupted_at_s=45.0)
    assert (verdict.state, verdict.exit_code, failing(verdict)) == ("inconclusive", 130, [])
    assert verdict.line == "! INTERRUPTED. SIGINT at 0:45; all faults reverted in 5.0 s."


def test_a_guard_ends_a_run_with_its_own_exit_code(judged: Judged) -> None:
    verdict = judged(guard_at_s=60.0)
    assert (verdict.state, verdict.exit_code) == ("inconclusive", ExitCode.ABORTED_BY_GUARD)
    assert verdict.line == "! ABORTED. Guard error-rate at 1:00; no fault was in force."


@pytest.mark.parametrize(
    "trouble", [{"lag_ms": 80.0}, {"generator_cpu": 0.97}, {"generator_cpu": 0.29, "generator_limit_cores": 0.3}]
)
def test_a_suspect_generator_makes_the_run_open_and_never_the_target_guilty(
    judged: Judged, trouble: dict[str, float]
) -> None:
    verdict = judged(slow={PROCESS: 0.2}, throttle_slow=0.9, **trouble)
    assert verdict.generator.suspect
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert verdict.line.startswith("? INCONCLUSIVE. Generator ")
    assert verdict.line.endswith("target not judged.")


def test_the_report_of_a_run_says_what_share_of_the_ceiling_it_used(judged: Judged) -> None:
    verdict = judged(ceilings_per_s=(1000.0, 1500.0))
    ceiling = verdict.generator.ceiling
    assert (ceiling.per_s, ceiling.service_p99_ms) == (2500, pytest.approx(0.3))
    assert 112 < ceiling.rate_per_s < 150  # the plan's rates of all requests and messages add up to 112/s
    assert ceiling.used_share == pytest.approx(ceiling.rate_per_s / 2500)
    (row,) = [row for row in verdict.gates if row.gate == "generator"]
    assert row.reason.endswith("used 5% of what it can do")


def test_a_load_near_the_ceiling_leaves_the_run_open(judged: Judged) -> None:
    verdict = judged(ceilings_per_s=(75.0, 75.0), slow={PROCESS: 0.2})
    assert (verdict.exit_code, failing(verdict)) == (3, [])
    assert verdict.line.startswith("? INCONCLUSIVE. Generator near its limit: 1")


@pytest.mark.parametrize(
    ("differences", "why"),
    [
        ({"calibration_s": 0.0, "ceilings_per_s": ()}, "not calibrated, as the plan wants it (load.calibration_s: 0)"),
        ({"ceilings_per_s": (6000.0,)}, "1 of 2 workers calibrated"),
        ({"ceilings_per_s": (6000.0, 0.0)}, "1 of 2 workers calibrated"),
    ],
)
def test_without_a_calibration_of_all_workers_the_verdict_says_why(
    judged: Judged, differences: dict[str, Any], why: str
) -> None:
    verdict = judged(**differences)
    assert (verdict.exit_code, verdict.generator.ceiling, verdict.generator.uncalibrated) == (0, None, why)


def test_what_the_target_answered_badly_is_its_own_whatever_the_generator_does(judged: Judged) -> None:
    assert judged(errors=0.1, lag_ms=80.0).exit_code == 1
    assert judged(errors=0.1, error_outcome=Outcome.TIMEOUT, lag_ms=80.0).exit_code == 3


def test_requests_that_the_target_never_finished_leave_the_run_open(judged: Judged) -> None:
    verdict = judged(target_forgets=5)
    assert (verdict.exit_code, open_rows(verdict)) == (3, [("accounts", "requests")])
    assert verdict.accounts.agrees is False


def test_a_rare_endpoint_leaves_the_run_open_unless_the_plan_lets_it_inform(judged: Judged) -> None:
    rare = Endpoint(Kind.REQUEST, "auth", "POST /auth/logout")
    rates = {Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): 90.0, rare: 0.3}
    assert open_rows(judged(rates=rates)) == [("latency", "POST /auth/logout")]
    assert judged(rates=rates, min_samples=59).exit_code == 0


def test_a_rare_endpoint_is_one_with_fewer_requests_than_asked_for_none_of_them_bad(judged: Judged) -> None:
    rare = Endpoint(Kind.REQUEST, "auth", "POST /auth/logout")
    rates = {Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): 90.0, rare: 0.5}

    def row(**differences: Any) -> GateResult:
        return next(row for row in judged(rates=rates, **differences).gates if row.subject == rare.name)

    samples = row().samples
    assert [row(min_samples=fewest).required for fewest in (samples, samples + 1)] == [True, False]
    harmed = row(min_samples=1000, slow={rare.name: 1.0})
    assert (harmed.required, harmed.state) == (True, State.FAIL)


@pytest.mark.parametrize("gate", ["latency", "availability"])
def test_a_run_in_which_every_endpoint_is_rare_passes_nothing(judged: Judged, gate: str) -> None:
    few = {Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): 0.5}
    verdict = judged(rates=few, min_samples=150, required=(gate,), kill_at_s=None, throttle_at_s=None)
    assert (verdict.exit_code, [opened for opened, _ in open_rows(verdict)]) == (3, [gate])


def test_an_endpoint_that_was_called_and_never_answered_leaves_the_run_open(synthetic: Synthetic) -> None:
    evidence = load_evidence(synthetic())
    row = [endpoint.name for endpoint in evidence.columns.endpoints].index(PROCESS)
    count = evidence.columns.count.copy()
    count[row] = 0
    verdict = judge_evidence(replace(evidence, columns=replace(evidence.columns, count=count)))
    assert ("latency", PROCESS) in open_rows(verdict)


def test_a_run_without_requests_keeps_no_promise_about_them(judged: Judged) -> None:
    verdict = judged(rates={Endpoint(Kind.MESSAGE, "agents", "WS ping"): 4.0}, required=("latency",))
    assert ("latency", "all requests") in open_rows(verdict)


def test_an_open_share_says_how_long_it_would_take(judged: Judged) -> None:
    verdict = judged(slow={PROCESS: 0.04}, kill_at_s=None, throttle_at_s=None)
    assert open_rows(verdict) == [("latency", PROCESS)]
    assert "straddles 95 %; about" in verdict.line
    (row,) = [row for row in verdict.gates if row.subject == PROCESS]
    assert row.needs_s > 0


def test_gates_that_are_not_required_inform_without_changing_the_exit(judged: Judged) -> None:
    verdict = judged(slow={PROCESS: 0.2}, required=("availability",))
    assert (verdict.exit_code, failing(verdict)) == (0, [("latency", PROCESS)])


def test_the_time_outside_and_inside_of_fault_windows_is_kept_apart(judged: Judged) -> None:
    (row,) = [row for row in judged().endpoints if row.name == PROCESS]
    assert row.outside.outcomes.keys() == {"ok"}
    assert row.inside.outcomes["cut"] == 2
    assert row.inside.good_share.value < 0.9 < row.outside.good_share.value
    assert row.outside.latency.p95.low <= row.outside.latency.p95.value <= row.outside.latency.p95.high
    assert row.outside.latency.p50.value == pytest.approx(40, rel=0.1)


def test_a_verdict_read_back_is_the_one_that_was_written(judged: Judged, synthetic: Synthetic) -> None:
    for differences in ({}, {"frames": False}, {"killed_at_s": 35}):
        verdict = judged(**differences)
        path = synthetic().verdict
        write_verdict(path, verdict)
        assert read_verdict(path) == verdict


def test_the_line_of_an_open_run_names_what_takes_longest(judged: Judged) -> None:
    rates = {Endpoint(Kind.REQUEST, "auth", f"GET /{rate}"): rate for rate in (1.0, 0.3, 0.6, 90.0)}
    verdict = judged(rates=rates, load_s=40, kill_at_s=None, throttle_at_s=None)
    assert len(open_rows(verdict)) >= 3
    assert verdict.line.startswith("? INCONCLUSIVE. GET /0.3 ")
    assert "; about " in verdict.line
    assert verdict.would_change.startswith("The same load for longer: about ")
