"""Runs of an open model: all arrivals accounted for, latency from the intended start, no verdict without the load."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.arrivals import arrival_counts, arrivals_gate
from analysis.evidence import load_evidence
from analysis.judge import judge, judge_evidence
from analysis.pool import Pool
from analysis.report.markdown import markdown_report
from analysis.report.page import html_page
from analysis.report.timeline import run_axis, timeline_view
from analysis.verdict import GateResult, Verdict
from journal.outcomes import Kind
from journal.plan_shapes import Shape
from journal.timeline import EventKind
from tests.analysis.open_run import OpenRun

LONGEST_LABEL = 10  # characters beside a narrow drawing


def judged(folder: Path, **settings: object) -> Verdict:
    quiet = {"kill_at_s": None, "throttle_at_s": None, **settings}
    return judge(OpenRun(path=folder / "run", **quiet).write())[1]  # type: ignore[arg-type]


def row(verdict: Verdict, subject: str) -> GateResult:
    (found,) = [gate for gate in verdict.gates if gate.subject == subject]
    return found


def test_a_schedule_that_was_kept_passes_with_every_arrival_accounted_for(tmp_path: Path) -> None:
    verdict = judged(tmp_path)
    assert verdict.state == "pass", verdict.line
    assert verdict.line.startswith("✓ PASS. 40 arrivals/s: ")
    accounts = verdict.arrivals
    assert accounts is not None
    assert accounts.planned == accounts.started > 3000
    assert (accounts.dropped, accounts.missing, accounts.late, accounts.unstarted_share) == (0, 0, 0, 0)
    assert row(verdict, "arrivals").state == "pass"


def test_planned_arrivals_are_started_dropped_or_missing(tmp_path: Path) -> None:
    accounts = judged(tmp_path, dropped=0.1, unheard=0.05).arrivals
    assert accounts is not None
    assert accounts.planned == accounts.started + accounts.dropped + accounts.missing
    assert accounts.dropped == pytest.approx(0.1 * accounts.planned, rel=0.05)
    assert accounts.missing == pytest.approx(0.05 * accounts.planned, rel=0.05)
    assert accounts.unstarted_share == pytest.approx(0.15, abs=0.005)


def test_a_schedule_of_which_nothing_was_due_in_the_judged_time_was_not_kept(tmp_path: Path) -> None:
    accounts = judged(tmp_path).arrivals
    assert accounts is not None
    gate = arrivals_gate(replace(accounts, judged=0))
    assert (gate.state, gate.reason) == ("inconclusive", "no arrival was due in the judged time")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dropped": 0.05}, "were not started (at most 1)"),
        ({"unheard": 0.05}, "were not started (at most 1)"),
        ({"late": 0.2}, "began late (at most 5)"),
    ],
)
def test_a_schedule_that_was_not_kept_leaves_the_target_unjudged(tmp_path: Path, settings, said: str) -> None:
    verdict = judged(tmp_path, slow={"GET /auth/me": 0.4}, **settings)
    assert (verdict.state, verdict.exit_code) == ("inconclusive", 3)
    assert verdict.line.startswith("? INCONCLUSIVE. Generator could not keep the schedule: ")
    assert said in verdict.line
    assert row(verdict, "GET /auth/me").state == "inconclusive"


def test_a_schedule_that_was_kept_lets_a_slow_target_fail(tmp_path: Path) -> None:
    verdict = judged(tmp_path, slow={"GET /auth/me": 0.4})
    assert verdict.state == "fail"
    assert verdict.line.startswith("✗ FAIL. GET /auth/me: ")


def test_without_its_schedule_an_open_run_is_no_pass(tmp_path: Path) -> None:
    evidence = load_evidence(OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=None).write())
    events = tuple(event for event in evidence.events if event.kind is not EventKind.ARRIVALS)
    verdict = judge_evidence(replace(evidence, events=events))
    assert (verdict.exit_code, verdict.line) == (3, "? INCONCLUSIVE. The schedule of the arrivals never began.")


def test_users_who_wait_for_arrivals_are_not_held_against_the_generator(tmp_path: Path) -> None:
    verdict = judged(tmp_path, pause_ms=100)
    assert (verdict.exit_code, verdict.generator.unexplained_share) == (0, None)


def test_a_few_dropped_arrivals_do_not_matter(tmp_path: Path) -> None:
    verdict = judged(tmp_path, rate_per_s=400.0, dropped=0.005)
    assert verdict.state == "pass", verdict.line
    assert verdict.arrivals is not None
    assert verdict.arrivals.dropped > 0


def test_arrivals_that_a_fault_drove_away_are_its_own_and_not_the_generators(tmp_path: Path) -> None:
    verdict = judged(tmp_path, throttle_at_s=40.0, dropped=0.3, dropped_from_s=41, dropped_until_s=49)
    assert verdict.arrivals is not None
    assert verdict.arrivals.dropped > 50
    assert verdict.arrivals.unstarted_share < 0.01
    assert row(verdict, "arrivals").state == "pass"


def test_arrivals_of_a_second_that_is_left_out_are_not_judged(tmp_path: Path) -> None:
    spoiled = {"stalls_ms": {13: 300.0}, "dropped": 1.0, "dropped_from_s": 13, "dropped_until_s": 14}
    verdict = judged(tmp_path, **spoiled)
    assert verdict.arrivals is not None
    assert verdict.arrivals.dropped > 25
    assert (verdict.exit_code, verdict.judged_s, verdict.arrivals.unstarted_share) == (0, 69, 0)


def test_nothing_is_left_out_where_the_schedule_was_not_kept(tmp_path: Path) -> None:
    verdict = judged(tmp_path, stalls_ms={13: 300.0}, late=0.2)
    assert (verdict.judged_s, verdict.generator.left_out_s) == (70, 0)


def test_latency_is_the_response_time_and_the_report_says_so(tmp_path: Path) -> None:
    run = OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=None, delay_ms=150.0).write()
    evidence, verdict = judge(run)
    assert verdict.latency_of == "response time"
    assert verdict.arrivals is not None
    assert verdict.arrivals.delay_p99_ms == pytest.approx(150, rel=0.001)
    (result,) = [endpoint for endpoint in verdict.endpoints if endpoint.name == "GET /auth/me"]
    assert result.outside.latency.p50.value == pytest.approx(190, abs=10)
    assert verdict.state == "fail"
    assert "under 200 ms from the intended start" in row(verdict, "GET /auth/me").promise
    page, text = html_page(evidence, verdict), markdown_report(evidence, verdict)
    assert "response time: from the moment when a request should have been sent" in page
    assert "Where every arrival went" in page
    assert "Response time of requests" in page
    assert "arrivals planned =" in text


def test_a_closed_model_is_judged_by_service_time_and_has_no_arrivals(synthetic) -> None:
    evidence, verdict = judge(synthetic())
    assert (verdict.latency_of, verdict.arrivals) == ("service time", None)
    assert "Where every arrival went" not in html_page(evidence, verdict)


@pytest.mark.parametrize("shape", [Shape(), Shape(kind="sine", amplitude=40.0, period_s=40.0)])
def test_a_wave_of_arrivals_is_no_harm_done_by_a_fault(tmp_path: Path, shape: Shape) -> None:
    # requests follow the wave: in its trough there are few, which must not pass for users who fell silent
    run = OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=30.0, throttle_slow=0.0, shape=shape)
    level = dict(run.rates)

    def frame(number, second, failures):
        factor = run.planned[max(0, second - 1) : second + 2].mean() / run.rate_per_s
        run.rates = {endpoint: rate * factor for endpoint, rate in level.items()}
        return OpenRun._frame(run, number, second, failures)

    run._frame = frame  # type: ignore[method-assign]
    verdict = judge(run.write())[1]
    (fault,) = verdict.faults
    assert (fault.missing_arrivals, fault.recovered_s) == (0, 0.0)


def test_a_fault_owes_the_requests_of_the_arrivals_that_found_no_user_in_it(tmp_path: Path) -> None:
    dropped = {"dropped": 0.5, "dropped_from_s": 30, "dropped_until_s": 40}
    run = OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=30.0, throttle_slow=0.0, **dropped)
    evidence, verdict = judge(run.write())
    counts = arrival_counts(evidence)
    assert counts is not None
    requests = sum(rate for endpoint, rate in run.rates.items() if endpoint.kind is Kind.REQUEST)
    (fault,) = verdict.faults
    assert fault.missing_arrivals == pytest.approx(counts.dropped.sum() * requests / run.rate_per_s, rel=0.05)
    assert (fault.state, fault.budget_share > 1) == ("fail", True)


def test_a_fault_owes_nothing_for_seconds_in_which_the_generator_was_at_fault(tmp_path: Path) -> None:
    dropped = {"dropped": 0.5, "dropped_from_s": 30, "dropped_until_s": 40}
    evidence = load_evidence(OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=30.0, **dropped).write())
    before, during = (evidence.touching(*times) for times in ((0, 29), (30, 41)))
    pool = Pool.of(evidence)
    assert pool.missing(before, during) > 0
    assert pool.forgiven(evidence, during).missing(before, during) == 0


def test_the_lines_of_the_schedule_differ_in_colour_and_their_names_fit_beside_them(tmp_path: Path) -> None:
    run = OpenRun(path=tmp_path / "run", kill_at_s=None, throttle_at_s=None, late=0.1, dropped=0.1).write()
    evidence, verdict = judge(run)
    (view,) = [
        view
        for view in timeline_view(evidence, verdict, run_axis(evidence, verdict)).panels
        if view.panel.id == "arrivals"
    ]
    assert len({series.colour for series in view.panel.series}) == len(view.panel.series) == 4
    assert [series.label for series in view.panel.series if len(series.label) > LONGEST_LABEL] == []
