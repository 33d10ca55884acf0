"""Judges what was called: each endpoint on its own, and the availability of all of them together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.evidence import Counts, Evidence, Mask
from analysis.figures import figures, good_share
from analysis.intervals import ShareInterval, share_interval
from analysis.recovery import first_above
from analysis.slo import decide, further_seconds
from analysis.verdict import EndpointResult, GateResult, State, anchor
from analysis.words import bounds, counted, decimals_for, more_time, percent, target_percent
from journal.outcomes import Endpoint, Kind

_REPORTED = (Kind.REQUEST, Kind.WORKFLOW, Kind.MESSAGE)


def endpoint_results(evidence: Evidence, touched: Mask) -> tuple[EndpointResult, ...]:
    """One row per endpoint, workflow and message, outside and inside of the fault windows (`touched`, shape (S,)).

    The promise about time is one about requests. The state of a workflow or a message says whether enough of them ended
    well, however long that took.
    """
    budget = 1 - evidence.manifest.plan.slo.good_share
    outside, inside = evidence.in_load & ~touched, evidence.in_load & touched
    results = []
    for row in evidence.rows(*_REPORTED):
        endpoint = evidence.columns.endpoints[row]
        judged = evidence.bad if endpoint.kind is Kind.REQUEST else evidence.failed
        interval = share_interval(judged[row][outside], evidence.samples[row][outside])
        results.append(
            EndpointResult(
                kind=endpoint.kind.name.lower(),
                journey=endpoint.journey,
                name=endpoint.name,
                state=decide(interval, budget),
                outside=figures(evidence, row, outside),
                inside=figures(evidence, row, inside),
            )
        )
    return tuple(results)


def latency_gates(evidence: Evidence, touched: Mask, *, required: bool, suspect: bool) -> Iterator[GateResult]:
    """One row per endpoint that was called in the judged time; one open row when nothing was.

    With a suspect generator, slowness says nothing about the target: only what it answered badly can fail it.
    """
    slo, outside = evidence.manifest.plan.slo, evidence.in_load & ~touched
    since = " from the intended start" if evidence.response_measured else ""
    under = f"under {slo.threshold_ms:g} ms{since}"
    called = [row for row in evidence.rows(Kind.REQUEST) if _was_called(evidence, row, outside)]
    if not called:
        promise = _Promise("latency", "all requests", under, slo.good_share, anchor("availability"))
        yield promise.gate_result(ShareInterval(float("nan"), 0), State.INCONCLUSIVE, required=required)
    for row in called:
        endpoint = evidence.columns.endpoints[row]
        promise = _Promise("latency", endpoint.name, under, slo.good_share, endpoint_anchor(endpoint))
        yield _judge(evidence, promise, [row], evidence.bad, outside, required=required, suspect=suspect)


def availability_gate(evidence: Evidence, touched: Mask, *, required: bool, suspect: bool) -> GateResult:
    """All requests together: how many were answered well, however slowly."""
    availability = evidence.manifest.plan.slo.availability
    promise = _Promise("availability", "all requests", "answered well", availability, anchor("availability"))
    rows, outside = evidence.rows(Kind.REQUEST), evidence.in_load & ~touched
    return _judge(evidence, promise, rows, evidence.failed, outside, required=required, suspect=suspect)


def pooled_bad_share(evidence: Evidence, touched: Mask) -> ShareInterval:
    """The bad share of all requests together in the judged time."""
    outside, rows = evidence.in_load & ~touched, evidence.rows(Kind.REQUEST)
    return share_interval(evidence.bad[rows].sum(axis=0)[outside], evidence.samples[rows].sum(axis=0)[outside])


def endpoint_anchor(endpoint: Endpoint) -> str:
    """The id of an endpoint's element in the report."""
    return anchor("endpoint", endpoint.journey, endpoint.name)


def _was_called(evidence: Evidence, row: int, outside: Mask) -> bool:
    return bool(evidence.samples[row][outside].any() or evidence.columns.started[row][outside].any())


def _judge(
    evidence: Evidence, promise: "_Promise", rows: list[int], harm: Counts, outside: Mask, **how: bool
) -> GateResult:
    """Judges `harm`, shape (E, S), of some endpoints over the seconds `outside`."""
    n, bad = evidence.samples[rows].sum(axis=0), harm[rows].sum(axis=0)
    interval = share_interval(bad[outside], n[outside])
    state = decide(interval, promise.budget)
    if state is State.FAIL and how["suspect"]:
        surely = evidence.answered_badly[rows].sum(axis=0)
        state = decide(share_interval(surely[outside], n[outside]), promise.budget)
        state = state if state is State.FAIL else State.INCONCLUSIVE
    judged_s = int(np.count_nonzero(outside))
    rare = interval.samples < evidence.manifest.plan.gates.min_samples and not bad[outside].any()
    return promise.gate_result(
        interval,
        state,
        required=how["required"] and not rare,
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
        interval: ShareInterval,
        state: State,
        *,
        required: bool,
        needs_s: float | None = None,
        began_s: float | None = None,
    ) -> GateResult:
        return GateResult(
            gate=self.gate,
            subject=self.subject,
            state=state,
            required=required,
            promise=f"≥ {target_percent(self.target)} % {self.what}",
            unit="share",
            measured=good_share(interval),
            samples=interval.samples,
            reason=self._reason(interval, state, needs_s),
            anchor=self.anchor,
            threshold=self.target,
            needs_s=needs_s or None,
            began_s=began_s,
        )

    def _reason(self, interval: ShareInterval, state: State, needs_s: float | None) -> str:
        """The row in one sentence, as the verdict's line shows it."""
        if interval.samples == 0:
            return f"{self.subject}: no request was measured"
        estimate, decimals = good_share(interval), decimals_for(self.target)
        if estimate.low is None:
            return f"{self.subject}: {counted(interval.samples, 'request')} in too short a time to decide"
        share, wanted = f"{percent(estimate.value, decimals)} % {self.what}", target_percent(self.target)
        if state is not State.INCONCLUSIVE:
            return f"{self.subject}: {share} ({bounds(estimate, decimals)}, target {wanted})"
        more = f"; {more_time(needs_s)}" if needs_s else ""
        return f"{self.subject} {share} ({bounds(estimate, decimals)}) straddles {wanted}{more}"
