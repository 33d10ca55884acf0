"""Each defect planted in the target is found, named, and nothing else is blamed."""

from collections.abc import Callable

import pytest

from tests.e2e.harness import SHORT_PLAN, Run

SLOW_PATH_PLAN = SHORT_PLAN.replace("duration_s: 14", "duration_s: 20")
LEAK_PLAN = SHORT_PLAN.replace("duration_s: 14", "duration_s: 55").replace(
    "[latency, availability, invariants]", "[latency, availability, invariants, memory]"
)


def test_a_slow_path_fails_its_own_endpoint_and_no_other(run_plan: Callable[..., Run]) -> None:
    run = run_plan(SLOW_PATH_PLAN, "--defect", "slow:POST:/api/v1/mcp/process:300:20")
    assert run.code == 1, run.output
    assert {(row.gate, row.subject) for row in run.failed()} == {("latency", "POST /api/v1/mcp/process")}
    assert "POST /api/v1/mcp/process" in run.verdict.line


@pytest.mark.parametrize(
    ("defect", "invariant"),
    [
        ("lost-task:5", "task-completed-once"),
        ("doubled-task:5", "task-completed-once"),
        ("ledger", "token-supply-conserved"),
        ("foreign-task", "no-foreign-data"),
        ("any-password", "login-needs-password"),
    ],
)
def test_a_broken_invariant_fails_with_an_example_and_nothing_else(
    run_plan: Callable[..., Run], defect: str, invariant: str
) -> None:
    run = run_plan(SHORT_PLAN, "--defect", defect)
    assert run.code == 1, run.output
    assert {(row.gate, row.subject) for row in run.failed()} == {("invariants", invariant)}
    (found,) = [one for one in run.verdict.invariants if one.name == invariant]
    assert found.violated > 0
    assert found.examples
    assert invariant in run.verdict.line


def test_one_error_in_ten_fails_the_availability(run_plan: Callable[..., Run]) -> None:
    run = run_plan(SHORT_PLAN, "--defect", "errors:10")
    assert run.code == 1, run.output
    assert "availability" in {row.gate for row in run.failed()}
    assert {row.gate for row in run.failed()} <= {"availability", "latency"}


def test_a_leak_fails_the_memory_of_the_api_and_nothing_else(run_plan: Callable[..., Run]) -> None:
    run = run_plan(LEAK_PLAN, "--defect", "leak:64")
    assert run.code == 1, run.output
    assert {row.gate for row in run.failed()} == {"memory"}
    assert {subject.partition("-")[0] for subject in run.failed_subjects("memory")} == {"api"}
