"""Judges the schedule of an open model: what was planned, started, late, dropped and missing, second by second.

What the generator did not start it did not measure, so a share of that beyond a small one leaves the target unjudged.
"""

from dataclasses import dataclass, replace

import numpy as np

from analysis.evidence import NS, Counts, Evidence, Mask
from analysis.verdict import ArrivalAccounts, Estimate, GateResult, State, anchor
from analysis.words import counted, percent
from journal.arrival_schedule import ArrivalSchedule, level_schedule
from journal.capacity import Search
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Endpoint, Outcome
from journal.timeline import EventKind, Phase

MOST_UNSTARTED = 0.01
MOST_LATE = 0.05
_SMOOTHED_S = 5


@dataclass(frozen=True, slots=True)
class ArrivalCounts:
    """Arrivals by the second in which they were due, shape (S,) each; `planned` is computed anew from the plan.

    `handed`: a user was found, `dropped`: none was free, or the generator was held up for too long.
    """

    planned: Counts
    handed: Counts
    dropped: Counts
    late: Counts

    @property
    def unstarted(self) -> Counts:
        """Planned arrivals that no user took: dropped ones, and those that no worker had."""
        return np.asarray(np.maximum(self.planned - self.handed, 0))

    def all_handed(self, seconds: Mask) -> "ArrivalCounts":
        """The same as if in some seconds each arrival had found a user."""
        return replace(self, handed=np.where(seconds, np.maximum(self.handed, self.planned), self.handed))


def arrival_counts(evidence: Evidence) -> ArrivalCounts | None:
    """The arrivals of a run; None of a closed model, or when the schedule never began."""
    arrivals = evidence.manifest.plan.load.arrivals
    begin_ns = schedule_begin_ns(evidence)
    if arrivals is None or begin_ns is None:
        return None
    columns = evidence.columns
    end_ns = min(begin_ns + round(arrivals.curve.duration_s * NS), _drain_ns(evidence))
    if evidence.manifest.capacity is not None:
        planned = _planned_by_levels(evidence, evidence.manifest.capacity)
    else:
        schedule = ArrivalSchedule(arrivals, evidence.manifest.plan.seed)
        planned = schedule.per_second(begin_ns, columns.first_second, columns.users.size, end_ns)
    return ArrivalCounts(
        planned=planned,
        handed=_due(evidence, ARRIVALS),
        dropped=_due(evidence, DROPPED_ARRIVALS),
        late=_due(evidence, LATE_ARRIVALS),
    )


@dataclass(frozen=True, slots=True)
class LevelBegun:
    """A level of a search: so many arrivals a second from `begin_ns` on."""

    level: int
    rate_per_s: float
    begin_ns: int


def levels_begun(evidence: Evidence) -> list[LevelBegun]:
    """The levels of a search in arrivals, in order."""
    told = (event.data for event in evidence.events_of(EventKind.ARRIVALS) if "level" in event.data)
    found = [LevelBegun(int(data["level"]), float(data["rate_per_s"]), int(data["begin_ns"])) for data in told]
    return sorted(set(found), key=lambda one: one.begin_ns)


def _planned_by_levels(evidence: Evidence, search: Search) -> Counts:
    """Of each level up to the begin of the next one, with the pause before that, in which nothing is judged."""
    columns, begun = evidence.columns, levels_begun(evidence)
    planned = np.zeros(columns.users.size, dtype=np.int64)
    ends_ns = [*(one.begin_ns for one in begun[1:]), _drain_ns(evidence)]
    for one, end_ns in zip(begun, ends_ns, strict=True):
        schedule = level_schedule(evidence.manifest.plan, search, one.level, one.rate_per_s)
        planned += schedule.per_second(one.begin_ns, columns.first_second, columns.users.size, end_ns)
    return planned


def schedule_begin_ns(evidence: Evidence) -> int | None:
    """When the schedule of an open model began, in epoch nanoseconds; None when nobody wrote it down."""
    events = evidence.events_of(EventKind.ARRIVALS)
    begin_ns = events[0].data.get("begin_ns") if events else None
    return begin_ns if isinstance(begin_ns, int) else None


def _drain_ns(evidence: Evidence) -> int:
    """When the load was told to end; the end of the record when it was not."""
    drains = (event.at_ns for event in evidence.events_of(EventKind.PHASE) if event.data.get("phase") == Phase.DRAIN)
    return next(drains, (evidence.columns.first_second + evidence.columns.users.size) * NS)


def _due(evidence: Evidence, endpoint: Endpoint) -> Counts:
    columns = evidence.columns
    if endpoint not in columns.endpoints:
        return np.zeros(columns.users.size, dtype=np.int64)
    return np.asarray(columns.started[columns.endpoints.index(endpoint)])


def arrival_accounts(evidence: Evidence, counts: ArrivalCounts | None, touched: Mask) -> ArrivalAccounts | None:
    """Where every planned arrival of the whole run went; the shares are of the judged time."""
    if counts is None:
        return None
    columns, judged = evidence.columns, evidence.in_load & ~touched
    row = [columns.endpoints.index(ARRIVALS)] if ARRIVALS in columns.endpoints else []
    started = int(columns.count[row, Outcome.OK].sum()) if row else 0
    planned, dropped = int(counts.planned.sum()), int(counts.dropped.sum())
    delay = columns.histogram(row, name="response", within=evidence.in_load)
    of = max(1, int(counts.planned[judged].sum()))
    return ArrivalAccounts(
        planned=planned,
        started=started,
        late=int(counts.late.sum()),
        dropped=dropped,
        missing=max(0, planned - started - dropped),
        judged=int(counts.planned[judged].sum()),
        unstarted_share=int(counts.unstarted[judged].sum()) / of,
        late_share=int(counts.late[judged].sum()) / of,
        delay_p99_ms=delay.quantile_us(0.99) / 1000 if len(delay) else None,
    )


def short_of(arrivals: ArrivalAccounts) -> bool:
    """Whether fewer arrivals were started than planned, beyond the few that may be missing."""
    return arrivals.unstarted_share > MOST_UNSTARTED


def off_schedule(arrivals: ArrivalAccounts | None) -> str:
    """Why the generator did not keep the schedule; empty when it did."""
    if arrivals is None:
        return ""
    if short_of(arrivals):
        share = percent(arrivals.unstarted_share)
        return (
            f"generator could not keep the schedule: {share} % of {counted(arrivals.judged, 'arrival')} were not "
            f"started (at most {percent(MOST_UNSTARTED, 0)}); max_in_flight may be too small for the time of a pass"
        )
    if arrivals.late_share > MOST_LATE:
        share = percent(arrivals.late_share)
        return (
            f"generator could not keep the schedule: {share} % of {counted(arrivals.judged, 'arrival')} began late "
            f"(at most {percent(MOST_LATE, 0)})"
        )
    return ""


def arrivals_gate(arrivals: ArrivalAccounts) -> GateResult:
    """The row of the schedule: kept, or what was measured is not the planned load."""
    doubt = off_schedule(arrivals) or ("" if arrivals.judged else "no arrival was due in the judged time")
    kept = f"{percent(1 - arrivals.unstarted_share, 2)} % of {counted(arrivals.judged, 'arrival')} were started"
    return GateResult(
        gate="generator",
        subject="arrivals",
        state=State.INCONCLUSIVE if doubt else State.PASS,
        required=True,
        promise=f"at most {percent(MOST_UNSTARTED, 0)} % not started, at most {percent(MOST_LATE, 0)} % late",
        unit="count",
        measured=Estimate(value=float(round(arrivals.unstarted_share * arrivals.judged)) if arrivals.judged else None),
        samples=arrivals.judged,
        reason=doubt or kept,
        anchor=anchor("arrivals"),
        threshold=MOST_UNSTARTED * arrivals.judged,
    )


def exposure(evidence: Evidence) -> Counts:
    """What brings requests about in each second, shape (S,), in units of any size: users, or the rate of arrivals.

    The rate, not the arrivals that chance had in store, since their requests are spread over the length of a pass.
    """
    load, begin_ns, columns = evidence.manifest.plan.load, schedule_begin_ns(evidence), evidence.columns
    if load.arrivals is None or begin_ns is None:
        return columns.users
    if load.arrivals.process == "recorded":
        counts = arrival_counts(evidence)
        assert counts is not None
        kernel = np.ones(2 * _SMOOTHED_S + 1) / (2 * _SMOOTHED_S + 1)
        return np.asarray(np.convolve(counts.planned, kernel, "full")[_SMOOTHED_S:-_SMOOTHED_S] * 1000, dtype=np.int64)
    edges_s = (columns.seconds * NS - begin_ns) / NS
    due = load.curve.cumulative(np.append(edges_s, edges_s[-1:] + 1))
    return np.asarray(np.round(np.diff(due) * 1000), dtype=np.int64)
