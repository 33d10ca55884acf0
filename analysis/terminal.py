"""The end of a run on a terminal of 80 columns: the verdict's line, what is not passed, where to read on, exit code."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from analysis.verdict import GateResult, State, Verdict
from analysis.verdict_line import SIGNS
from analysis.words import bounds, counted, decimals_for, percent, target_percent
from journal.outcomes import Outcome

WIDTH = 80
_ROWS = 10
_LISTED = 5
_ENDINGS = 3
_INDENT = " " * 17


def closing_lines(verdict: Verdict, report: Path) -> list[str]:
    """What is printed when a run has been judged; lines of at most 80 columns, but for the verdict's and the path."""
    told = (*_list("missing", "gaps", verdict.missing), *_list("warning", "warnings", verdict.warnings))
    return [verdict.line, *_table(verdict), *_bad_endings(verdict), *told, f"Report: {report}", _meaning(verdict)]


def _table(verdict: Verdict) -> Iterator[str]:
    """Failing rows, required ones first, then open rows that are required; what is open and only informs is counted."""
    failing = [row for row in verdict.gates if row.state == State.FAIL]
    undecided = [row for row in verdict.gates if row.state == State.INCONCLUSIVE]
    failing.sort(key=lambda row: not row.required)
    rows = [*failing, *(row for row in undecided if row.required)]
    for row in rows[:_ROWS]:
        yield from _row(row)
    if len(rows) > _ROWS:
        yield f"   and {len(rows) - _ROWS} more rows in the report"
    informing = sum(not row.required for row in undecided)
    if informing:
        yield f" {SIGNS[State.INCONCLUSIVE]} {'open':<13} {counted(informing, 'row')} of gates that are not required"


def _bad_endings(verdict: Verdict) -> Iterator[str]:
    """Of a run that failed, what most requests ended with that did not end well."""
    if verdict.state != State.FAIL:
        return
    found = [
        (count, outcome, endpoint.name)
        for endpoint in verdict.endpoints
        for figures in (endpoint.outside, endpoint.inside)
        for outcome, count in figures.outcomes.items()
        if outcome != Outcome.OK.label
    ]
    for count, outcome, name in sorted(found, reverse=True)[:_ENDINGS]:
        text = f"{count:,} × {outcome}: {name}"
        yield from textwrap.wrap(text, WIDTH, initial_indent=f"   {'ended badly':<13} ", subsequent_indent=_INDENT)


def _row(row: GateResult) -> Iterator[str]:
    head = f" {SIGNS[State(row.state)]} {row.gate:<13} "
    informs = "" if row.required else " (informs only)"
    known = row.samples and row.measured.low is not None  # else the reason says why there is no interval
    text = f"{row.subject}: {_share(row)}" if row.unit == "share" and known else row.reason
    yield from textwrap.wrap(text + informs, WIDTH, initial_indent=head, subsequent_indent=_INDENT)


def _share(row: GateResult) -> str:
    decimals = decimals_for(row.threshold or 0.0)
    known = "" if row.measured.low is None else f" [{bounds(row.measured, decimals)}]"
    return f"{percent(row.measured.value, decimals)} %{known}, target {target_percent(row.threshold or 0.0)} %"


def _list(kind: str, plural: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names[:_LISTED]:
        yield from textwrap.wrap(name, WIDTH, initial_indent=f" ! {kind:<14}", subsequent_indent=_INDENT)
    if len(names) > _LISTED:
        yield f"   and {len(names) - _LISTED} more {plural} in the report"


def _meaning(verdict: Verdict) -> str:
    return f"Exit {verdict.exit_code}: {verdict.exit.meaning}."
