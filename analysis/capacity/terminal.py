"""The end of a search on a terminal: the answer, a row for each level, where to read on, what the exit code means."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from analysis.capacity.level import LevelState, Visit
from analysis.capacity.result import Capacity, CapacityResult
from analysis.words import bounds, percent
from journal.capacity import USERS

WIDTH = 80
SIGNS = {LevelState.PASS: "✓", LevelState.FAIL: "✗", LevelState.OPEN: "?", LevelState.UNFIT: "!"}


def closing_lines(result: CapacityResult, report: Path) -> list[str]:
    """What is printed when a search has been judged."""
    lines = [result.line]
    for capacity in result.capacities:
        lines += _table(capacity)
    for doubt in result.doubts:
        lines += textwrap.wrap(doubt, WIDTH, initial_indent=" ! doubt  ", subsequent_indent="          ")
    return [*lines, f"Report: {report}", f"Exit {result.exit_code}: {meaning(result)}."]


def meaning(result: CapacityResult) -> str:
    """The exit code in the words of a search."""
    own = {
        0: "the capacity is known" if result.search.at_least is None else "it carries what was asked for",
        1: "it carries less than was asked for, or broke an invariant",
        3: "the evidence does not decide",
    }
    return own.get(result.exit_code, result.exit.meaning)


def _table(capacity: Capacity) -> Iterator[str]:
    if not capacity.visits:
        return
    yield f" {'held: ' + capacity.fault if capacity.fault else 'healthy'}"
    yield f"   {_head(capacity):>6} {'time':>6} {'rate /s':>8} {'p95 ms':>7}  in time, at least so many, at most"
    for visit in sorted(capacity.visits, key=lambda visit: (visit.n, visit.begin_s)):
        row = _row(visit)
        yield row if len(row) <= WIDTH else f"{row[: WIDTH - 1]}…"
    yield from textwrap.wrap(usl_words(capacity), WIDTH, initial_indent="   ", subsequent_indent="   ")


def _head(capacity: Capacity) -> str:
    return "users" if capacity.unit == USERS else "arr./s"


def _row(visit: Visit) -> str:
    state = LevelState(visit.state)
    p95 = "-" if visit.p95_ms is None else f"{visit.p95_ms:.0f}"
    head = f" {SIGNS[state]} {visit.n:>6} {visit.seconds:>4} s {visit.rate_per_s:>8.1f} {p95:>7}  "
    if state is LevelState.UNFIT:
        return head + visit.reason
    known = "" if visit.subject_share.low is None else f" ({bounds(visit.subject_share)})"
    return f"{head}{percent(visit.subject_share.value)} %{known} {visit.subject}"


def usl_words(capacity: Capacity) -> str:
    """The scalability fit in one line."""
    usl = capacity.usl
    if usl.peak_n is not None and usl.peak_per_s is not None:
        sigma = round(usl.sigma or 0.0, 9)  # what is less is noise of the fit's arithmetic
        return f"USL: peak {usl.peak_per_s:.4g} per s at {usl.peak_n:.3g} users (σ {sigma:.3g}, κ {usl.kappa:.3g})"
    return f"USL: peak not identified: {usl.why_not}"
