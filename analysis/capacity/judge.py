"""Judges the run directory of a search: the levels that its timeline names, each from its own frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.accounts import accounts_gate, balance
from analysis.capacity.level import LevelState, Visit, judge_level
from analysis.capacity.result import Capacity, CapacityResult
from analysis.capacity.search import Rules, Seen, bracket, next_level
from analysis.capacity.usl import Usl, fit
from analysis.capacity.words import headline
from analysis.cuts import attributed_cuts
from analysis.evidence import Evidence, Window, load_evidence
from analysis.fault_story import fault_stories
from analysis.gaps import find_gaps
from analysis.invariants import invariant_results
from analysis.verdict import InvariantResult, State
from analysis.words import counted
from journal.capacity import USERS, Search
from journal.exit_codes import ExitCode, gravest
from journal.run_directory import RunDirectory
from journal.timeline import EventKind


@dataclass(frozen=True, slots=True)
class Measured:
    """A stretch of the run that the conductor measured: at which level, and with which fault held."""

    n: int
    window: Window
    fault_id: str


def measured_levels(evidence: Evidence) -> Iterator[Measured]:
    """The levels of a run in order; one that was cut short is none."""
    for event in evidence.events_of(EventKind.LEVEL):
        data = event.data
        if data.get("state") == "measured":
            window = Window(int(data["begin_ns"]), int(data["end_ns"]))
            n = int(data["users"] if "users" in data else data["arrivals_per_s"])
            yield Measured(n, window, str(data.get("fault_id") or ""))


def rules_of(search: Search) -> Rules:
    """What the search for the next level has to keep to."""
    return Rules(search.start, search.most, search.resolution)


def next_of(search: Search, visits: Sequence[Visit]) -> int | None:
    """The level that comes after these visits of one search; None when it is over."""
    return next_level(rules_of(search), _seen(visits))


def judge_capacity(run: RunDirectory) -> tuple[Evidence, CapacityResult]:
    """Reads and judges the run of a search; writes nothing.

    Raises:
        RunDirectoryError: there is no such directory, no readable manifest in it, or it is no search's.
    """
    evidence = load_evidence(run)
    return evidence, capacity_of(evidence)


def capacity_of(evidence: Evidence) -> CapacityResult:
    """The result of a search from what its run left behind."""
    search = evidence.manifest.capacity
    assert search is not None, "whoever calls this has looked"
    capacities = tuple(_capacities(evidence, search))
    gaps, stories = find_gaps(evidence), fault_stories(evidence)
    cuts = tuple(cut for cut in attributed_cuts(evidence, stories) if not cut.fault_id)
    accounts, invariants = balance(evidence, gaps, cuts), invariant_results(evidence)
    row = accounts_gate(evidence, accounts)
    short = row.state != State.PASS
    doubts = [*(gaps.names if gaps.decisive or short else ()), *([row.reason] if short else [])]
    reasons = [*_reasons(evidence, invariants, doubts), _aimed(search, capacities)]
    code = gravest(*(code for code, _ in reasons))
    return CapacityResult(
        run_id=evidence.manifest.run_id,
        exit_code=code,
        line=headline(code, dict(reversed(reasons))[code], capacities),
        search=search,
        load_began_ns=evidence.load.begin_ns if evidence.load is not None else None,
        capacities=capacities,
        doubts=tuple(doubts),
        invariants=invariants,
        accounts=accounts,
    )


def _capacities(evidence: Evidence, search: Search) -> Iterator[Capacity]:
    levels = list(measured_levels(evidence))
    yield capacity_at(search, "", [judge_level(evidence, one.window, one.n) for one in levels if not one.fault_id])
    if search.fault is not None:
        held = [judge_level(evidence, one.window, one.n, one.fault_id) for one in levels if one.fault_id]
        yield capacity_at(search, search.fault.experiment, held)


def capacity_at(search: Search, fault: str, visits: Sequence[Visit]) -> Capacity:
    """The answer of one search after these visits."""
    seen = _seen(visits)
    stands = bracket(rules_of(search), seen)
    return Capacity(
        fault=fault,
        passes=stands.passes,
        fails=stands.fails,
        confirmed=stands.confirmed,
        narrow=stands.narrow,
        finished=bool(seen) and next_level(rules_of(search), seen) is None,
        limit=stands.limit,
        open=stands.open,
        visits=tuple(visits),
        usl=_law(search, visits),
        unit=search.unit,
    )


def _law(search: Search, visits: Sequence[Visit]) -> Usl:
    if search.unit != USERS:
        return Usl(why_not="it is about users who wait for their answers, and arrivals do not")
    fit_visits = [visit for visit in visits if visit.state != LevelState.UNFIT]
    return fit([visit.users for visit in fit_visits], [visit.rate_per_s for visit in fit_visits])


def _seen(visits: Sequence[Visit]) -> list[Seen]:
    return [Seen(visit.n, LevelState(visit.state)) for visit in visits]


def _reasons(
    evidence: Evidence, invariants: Sequence[InvariantResult], doubts: Sequence[str]
) -> Iterator[tuple[ExitCode, str]]:
    """What spoils the answer, whatever it is."""
    unreverted = [story.id for story in fault_stories(evidence) if story.revert == "failed"]
    if unreverted:
        yield ExitCode.NOT_REVERTED, f"{', '.join(unreverted)}; run gameday recover {evidence.manifest.run_id}."
    if evidence.events_of(EventKind.INTERRUPTED):
        yield ExitCode.INTERRUPTED, "What is known so far:"
    if evidence.events_of(EventKind.GUARD):
        yield ExitCode.ABORTED_BY_GUARD, "A guard of the plan stopped the search. What is known so far:"
    for one in invariants:
        if one.state == State.FAIL:
            yield ExitCode.FAIL, f"{one.name} was violated {counted(one.violated, 'time')}."
    if doubts:
        yield ExitCode.INCONCLUSIVE, f"The record is in doubt: {doubts[0]}."


def _aimed(search: Search, capacities: tuple[Capacity, ...]) -> tuple[ExitCode, str]:
    """Whether what was asked for is known: that the target carries at least so many, or else how many it carries."""
    healthy, per_s = capacities[0], "" if search.unit == USERS else f" {search.unit}"
    if search.at_least is None:
        return (ExitCode.PASS if all(found.found for found in capacities) else ExitCode.INCONCLUSIVE), ""
    if healthy.fails is not None and healthy.fails <= search.at_least and healthy.found:
        return ExitCode.FAIL, f"It does not carry {search.at_least}{per_s}."
    return (ExitCode.PASS if healthy.passes >= search.at_least else ExitCode.INCONCLUSIVE), ""
