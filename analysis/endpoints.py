"""Judges what was called: each endpoint on its own, and the availability of all of them together."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.evidence import Counts, Evidence, Mask
from analysis.figures import figures, good_share
from analysis.intervals import ShareInterval, share_interval
from analysis.judged_time import Decision, JudgedTime, decide_promise
from analysis.recovery import first_above
from analysis.slo import decide, further_seconds
from analysis.verdict import EndpointResult, GateResult, State, anchor
from analysis.words import bounds, counted, decimals_for, more_time, percent, target_percent
from journal.outcomes import Endpoint, Kind

UNTRUSTED = ", by a generator that cannot be trusted"
_REPORTED = (Kind.REQUEST, Kind.WORKFLOW, Kind.MESSAGE)


def endpoint_results(evidence: Evidence, time: JudgedTime) -> tuple[EndpointResult, ...]:
    """One row per endpoint, workflow and message, in and outside of the fault windows; without what was left out.

    The promise about time is one about requests. The state of a workflow or a message says whether enough of them ended
    well, however long that took.
    """
    budget = 1 - evidence.manifest.plan.slo.good_share
    results = []
    for row in evidence.rows(*_REPORTED):
        endpoint = evidence.columns.endpoints[row]
        judged = evidence.bad if endpoint.kind is Kind.REQUEST else evidence.failed
        results.append(
            EndpointResult(
                kind=endpoint.kind.name.lower(),
                journey=endpoint.journey,
                name=endpoint.name,
                state=_decision(evidence, time, budget, [row], judged).state,
                outside=figures(evidence, row, time.clean),
                inside=figures(evidence, row, time.inside & ~time.left_out),
            )
        )
    return tuple(results)


def latency_gates(evidence: Evidence, time: JudgedTime, *, required: bool) -> Iterator[GateResult]:
    """One row per endpoint that was called in the judged time, named with its journey where two share its name.

    A rare one informs only, unless all are rare: then nothing would be left to decide.
    """
    slo = evidence.manifest.plan.slo
    since = " from the intended start" if evidence.response_measured else ""
    under = f"under {slo.threshold_ms:g} ms{since}"
    called = [row for row in evidence.rows(Kind.REQUEST) if _was_called(evidence, row, time.outside)]
    if not called:
        promise = _Promise("latency", "all requests", under, slo.good_share, anchor("availability"))
        yield promise.gate_result(Decision(State.INCONCLUSIVE, ShareInterval(float("nan"), 0)), required=required)
    times = Counter(evidence.columns.endpoints[row].name for row in called)
    rare = {row for row in called if _is_rare(evidence, row, time)}
    for row in called:
        endpoint = evidence.columns.endpoints[row]
        subject = endpoint.name if times[endpoint.name] == 1 else f"{endpoint.journey}: {endpoint.name}"
        promise = _Promise("latency", subject, under, slo.good_share, endpoint_anchor(endpoint))
        decides = required and (row not in rare or len(rare) == len(called))
        yield _judge(evidence, promise, [row], evidence.bad, time, required=decides)


def availability_gate(evidence: Evidence, time: JudgedTime, *, required: bool) -> GateResult:
    """All requests together: how many were answered well, however slowly."""
    availability = evidence.manifest.plan.slo.availability
    promise = _Promise("availability", "all requests", "answered well", availability, anchor("availability"))
    return _judge(evidence, promise, evidence.rows(Kind.REQUEST), evidence.failed, time, required=required)


def pooled_bad_share(evidence: Evidence, time: JudgedTime) -> ShareInterval:
    """The bad share of all requests together in the judged time."""
    clean, rows = time.clean, evidence.rows(Kind.REQUEST)
    return share_interval(evidence.bad[rows].sum(axis=0)[clean], evidence.samples[rows].sum(axis=0)[clean])


def endpoint_anchor(endpoint: Endpoint) -> str:
    """The id of an endpoint's element in the report."""
    return anchor("endpoint", endpoint.journey, endpoint.name)


def _was_called(evidence: Evidence, row: int, outside: Mask) -> bool:
    return bool(evidence.samples[row][outside].any() or evidence.columns.started[row][outside].any())


def _is_rare(evidence: Evidence, row: int, time: JudgedTime) -> bool:
    """Whether an endpoint had fewer requests than the plan's gates ask for, none of them bad."""
    few = evidence.samples[row][time.clean].sum() < evidence.manifest.plan.gates.min_samples
    return bool(few and not evidence.bad[row][time.outside].any())


def _decision(evidence: Evidence, time: JudgedTime, budget: float, rows: list[int], harm: Counts) -> Decision:
    """What `harm`, shape (E, S), of some endpoints says."""
    counts = (table[rows].sum(axis=0) for table in (harm, evidence.samples, evidence.answered_badly))
    return decide_promise(time, budget, *counts)


def _judge(
    evidence: Evidence, promise: "_Promise", rows: list[int], harm: Counts, time: JudgedTime, *, required: bool
) -> GateResult:
    found = _decision(evidence, time, promise.budget, rows, harm)
    state, interval = found.state, found.interval
    n, bad = evidence.samples[rows].sum(axis=0), harm[rows].sum(axis=0)
    judged_s = int(np.count_nonzero(time.clean))
    return promise.gate_result(
        found,
        required=required,
        needs_s=further_seconds(interval, promise.budget, judged_s) if state is State.INCONCLUSIVE else None,
        began_s=first_above(evidence, bad, n, promise.budget) if state is State.FAIL else None,
    )


@dataclass(frozen=True, slots=True)
class _Promise:
    """That this share of a subject's requests is good; `what` says what good means."""

    gate: str
    subject: str
    what: str
    target: float
    anchor: str

    @property
    def budget(self) -> float:
        return 1 - self.target

    def gate_result(
        self,
        found: Decision,
        *,
        required: bool,
        needs_s: float | None = None,
        began_s: float | None = None,
    ) -> GateResult:
        return GateResult(
            gate=self.gate,
            subject=self.subject,
            state=found.state,
            required=required,
            promise=f"≥ {target_percent(self.target)} % {self.what}",
            unit="share",
            measured=good_share(found.interval),
            samples=found.interval.samples,
            reason=self._reason(found, needs_s),
            anchor=self.anchor,
            threshold=self.target,
            needs_s=needs_s or None,
            began_s=began_s,
            whole=None if found.whole is None else good_share(found.whole),
        )

    def _reason(self, found: Decision, needs_s: float | None) -> str:
        """The row in one sentence, as the verdict's line shows it."""
        interval = found.interval
        if interval.samples == 0:
            return f"{self.subject}: no request was measured"
        estimate, decimals = good_share(interval), decimals_for(self.target)
        if estimate.low is None:
            return f"{self.subject}: {counted(interval.samples, 'request')} in too short a time to decide"
        share, wanted = f"{percent(estimate.value, decimals)} % {self.what}", target_percent(self.target)
        known = bounds(estimate, decimals)
        if found.state is not State.INCONCLUSIVE:
            return f"{self.subject}: {share} ({known}, target {wanted} %){self._with_left_out(found)}"
        if decide(interval, self.budget) is not State.INCONCLUSIVE:
            return f"{self.subject}: {share} ({known}, target {wanted} %){self._with_left_out(found) or UNTRUSTED}"
        more = f"; {more_time(needs_s)}" if needs_s else ""
        return f"{self.subject} {share} ({known}) straddles {wanted} %{self._with_left_out(found)}{more}"

    def _with_left_out(self, found: Decision) -> str:
        """What it would be had nothing been left out; a share is never judged without saying so."""
        if found.whole is None:
            return ""
        share = good_share(found.whole)
        return f", {percent(share.value, decimals_for(self.target))} with the seconds left out for the generator"
