"""Where every request went, by the generator's own counts and by the target's."""

import math
from collections.abc import Iterator

from analysis.evidence import Evidence
from analysis.gaps import Gaps
from analysis.tallies import tallies, unrecorded
from analysis.verdict import Accounts, CutRequest, Estimate, GateResult, State, anchor
from analysis.words import counted
from journal.outcomes import Kind, Outcome
from journal.timeline import EventKind

_UNANSWERED = [int(outcome) for outcome in Outcome if not outcome.answered]
_ANSWERED = [int(outcome) for outcome in Outcome if outcome.answered]


def balance(evidence: Evidence, gaps: Gaps, unexplained_cuts: tuple[CutRequest, ...]) -> Accounts:
    """The account of the whole run, warm-up and drain included: sent = answered + cut + unfinished + lost.

    Of a killed worker whose tally was collected, `lost` holds the requests that ended without a record, exactly. Where
    frames are missing otherwise, `sent` contains the estimate for them, and what it exceeds the rest by is `lost`; an
    estimate cannot be compared with the target's counts, so `agrees` is None then.
    """
    rows = evidence.rows(Kind.REQUEST)
    count = evidence.columns.count[rows].sum(axis=(0, 2))
    answered, cut = int(count[_ANSWERED].sum()), int(count[_UNANSWERED].sum())
    known = tallies(evidence)
    killed = [unrecorded(worker, known[worker.name]) for worker in evidence.columns.workers if worker.name in known]
    others = [worker for worker in evidence.columns.workers if worker.name not in known]
    unfinished = sum(worker.unfinished for worker in others) + sum(one.unfinished for one in killed)
    sent = int(evidence.columns.started[rows].sum()) + gaps.lost_requests + sum(one.sent for one in killed)
    incomplete = any(worker.missing or not worker.complete for worker in others) or bool(gaps.lost_requests)
    lost = sum(one.ended for one in killed)
    if incomplete:
        lost = max(lost, sent - answered - cut - unfinished)
    silent = cut + unfinished + sum(one.cut for one in killed)
    started, finished = _target_counts(evidence)
    return Accounts(
        sent=sent,
        answered=answered,
        cut=cut,
        unfinished=unfinished,
        lost=lost,
        target_started=started,
        target_finished=finished,
        agrees=None if finished is None or incomplete else 0 <= sent - finished <= silent,
        unexplained_cuts=unexplained_cuts,
    )


def accounts_gate(evidence: Evidence, accounts: Accounts) -> GateResult:
    """The row of the accounts: they balance and the target agrees, or nobody knows what was measured."""
    residual = accounts.sent - accounts.answered - accounts.cut - accounts.unfinished - accounts.lost
    reason = "; ".join(_doubts(evidence, accounts, residual))
    balanced = f"all {counted(accounts.sent, 'request')} accounted for"
    agreed = ", and the target counted the same" if accounts.agrees else ""
    return GateResult(
        gate="accounts",
        subject="requests",
        state=State.INCONCLUSIVE if reason else State.PASS,
        required=True,
        promise="sent = answered + cut + unfinished, as the target counted",
        unit="count",
        measured=Estimate(value=float(abs(residual) + accounts.lost)),
        samples=accounts.sent,
        reason=reason or balanced + agreed,
        anchor=anchor("accounts"),
        threshold=0.0,
    )


def _doubts(evidence: Evidence, accounts: Accounts, residual: int) -> Iterator[str]:
    if not accounts.sent:
        yield "no request was measured"
    if accounts.lost:
        yield f"about {counted(accounts.lost, 'request')} missing from the record"
    if residual and any(worker.missing for worker in evidence.columns.workers):
        yield "frames are missing, so the accounts do not balance"
    elif residual:
        yield f"{counted(abs(residual), 'request')} {'lost' if residual > 0 else 'too many'} in the accounts"
    if accounts.agrees is False:
        low, high = accounts.sent - (accounts.target_finished or 0), accounts.cut + accounts.unfinished
        yield f"sent − finished = {low} by the target's counters, outside of 0 to {high} (cut + unfinished)"
    if accounts.target_finished is None and evidence.events_of(EventKind.COUNTERS):
        yield "the target's counters were not read after the load"


def _target_counts(evidence: Evidence) -> tuple[int | None, int | None]:
    """What the target started and finished between the readings before and after the load."""
    told = {event.data.get("when"): event.data for event in evidence.events_of(EventKind.COUNTERS)}
    before, after = told.get("before"), told.get("after")
    if before is None or after is None:
        return None, None

    def grown(name: str) -> int | None:
        values = [side.get(name) for side in (before, after)]
        numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
        return int(numbers[1] - numbers[0]) if len(numbers) == 2 else None

    return grown("started"), grown("finished")
