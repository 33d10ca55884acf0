"""What tests ask of a verdict."""

from collections.abc import Callable

from analysis.verdict import FaultResult, State, Verdict
from journal.run_directory import RunDirectory

Synthetic = Callable[..., RunDirectory]
Judged = Callable[..., Verdict]


def failing(verdict: Verdict) -> list[tuple[str, str]]:
    return [(row.gate, row.subject) for row in verdict.gates if row.state == State.FAIL]


def open_rows(verdict: Verdict) -> list[tuple[str, str]]:
    return [(row.gate, row.subject) for row in verdict.gates if row.state == State.INCONCLUSIVE and row.required]


def fault(verdict: Verdict, name: str) -> FaultResult:
    return next(result for result in verdict.faults if result.id == name)
