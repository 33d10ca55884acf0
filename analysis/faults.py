"""Judges each fault: did it bite, is it undone, and what did users feel from the injection until they were well."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.cuts import CUT_LATE_S, EARLY_S, attributed_cuts
from analysis.evidence import Evidence, Mask
from analysis.fault_story import FaultStory, fault_stories
from analysis.pool import Pool
from analysis.recovery import HURT_WINDOW_S, LONGEST_WELL_WINDOW_S, Impact, Normal, impact, still_hurt
from analysis.storm_story import storm_stories, users_away
from analysis.suspicion import Suspicion
from analysis.verdict import CutRequest, Estimate, FaultResult, GateResult, State, anchor
from analysis.words import percent, target_percent
from journal.plan import PlannedFault
from journal.timeline import FaultState

_BASELINE_S = 300.0
_FEWEST_BASELINE_S = 5
_SHORTEST_WELL_WINDOW_S = 3


@dataclass(frozen=True, kw_only=True)
class JudgedFaults:
    """All faults, the seconds of the load phase that they touch (shape (S,)), and the cuts that none explains."""

    results: tuple[FaultResult, ...]
    touched: Mask
    unexplained_cuts: tuple[CutRequest, ...]


def judge_faults(evidence: Evidence, suspicion: Suspicion) -> JudgedFaults:
    """Judges the faults in order of their injection.

    A fault passes as the record stands, since what the generator spoiled makes it look worse only. It fails only when
    it still does with the suspect seconds forgiven.
    """
    pool, spared = Pool.of(evidence, users_away(evidence)), suspicion.seconds & suspicion.few
    strict = _judge_all(evidence, pool, spared)
    if not suspicion.seconds.any():
        return strict
    lenient = _judge_all(evidence, pool.forgiven(evidence, suspicion.seconds), spared)
    pairs = zip(strict.results, lenient.results, strict=True)
    return replace(strict, results=tuple(one if other.state == State.FAIL else _excused(one) for one, other in pairs))


def excused(faults: JudgedFaults) -> JudgedFaults:
    """The same by a generator that is suspect altogether."""
    return replace(faults, results=tuple(_excused(result) for result in faults.results))


def _excused(fault: FaultResult) -> FaultResult:
    """A suspect generator cannot tell what users felt; whether a fault was reverted it never could."""
    if fault.state != State.FAIL or fault.revert == "failed":
        return fault
    return replace(fault, state=State.INCONCLUSIVE, reason=f"{fault.reason}, by a generator that was suspect meanwhile")


def _judge_all(evidence: Evidence, pool: Pool, spared: Mask) -> JudgedFaults:
    """`spared`: seconds that do not count for how things were before and after a fault, shape (S,)."""
    touched = np.zeros_like(evidence.in_load)
    stories = [*fault_stories(evidence), *storm_stories(evidence)]
    cuts = attributed_cuts(evidence, stories)
    results: dict[str, FaultResult] = {}
    for story in sorted(stories, key=lambda story: story.injected_s if story.injected_s is not None else math.inf):
        results[story.id] = _FaultJudge(evidence, pool, story, touched | spared, cuts).result()
        if results[story.id].window_s:
            begin_s, end_s = results[story.id].window_s
            touched = touched | (evidence.touching(begin_s - EARLY_S, end_s) & evidence.in_load)
    return JudgedFaults(
        results=_with_overlaps([results[story.id] for story in stories]),
        touched=touched,
        unexplained_cuts=tuple(cut for cut in cuts if not cut.fault_id),
    )


def fault_gate(result: FaultResult, plan: PlannedFault | None, *, required: bool) -> GateResult:
    """The row of one fault in the decision table."""
    plan = plan or PlannedFault(id=result.id, experiment=result.experiment, at_s=result.planned_s)
    share = target_percent(plan.max_budget_share)
    ends = "reaches users, all come back" if result.kind == "storm" else "bites, is undone"
    return GateResult(
        gate="faults",
        subject=f"{result.id} {result.experiment or result.fault}",
        state=result.state,
        required=required,
        promise=f"{ends}, users well within {plan.recovery_s:g} s, ≤ {share} % of the budget",
        unit="s",
        measured=Estimate(value=result.recovered_s),
        threshold=plan.recovery_s,
        samples=0,
        reason=result.reason,
        anchor=anchor("fault", result.id),
        began_s=result.injected_s,
    )


class _FaultJudge:
    """One fault against the pool of all requests."""

    def __init__(
        self, evidence: Evidence, pool: Pool, story: FaultStory, touched: Mask, cuts: Sequence[CutRequest]
    ) -> None:
        self.evidence = evidence
        self.pool = pool
        self.story = story
        self.touched = touched
        self.cuts = tuple(cut for cut in cuts if cut.fault_id == story.id)
        self.plan = story.plan or PlannedFault(id=story.id, experiment=story.experiment or "?", at_s=0.0)
        self.slo = evidence.manifest.plan.slo

    def result(self) -> FaultResult:
        story = self.story
        told = FaultResult(
            id=story.id,
            kind=story.kind,
            experiment=story.experiment,
            fault=story.fault,
            hypothesis=story.hypothesis,
            target=story.target,
            state=State.INCONCLUSIVE,
            planned_s=story.planned_s,
            injected_s=story.injected_s,
            effective_s=story.at(FaultState.EFFECTIVE),
            reverted_s=story.at(FaultState.REVERTED),
            proven_s=story.at(FaultState.PROVEN),
            effect=story.effect,
            revert=story.revert,
            evidence=story.evidence,
            cut_requests=self.cuts,
        )
        injected_s = story.injected_s
        if injected_s is None:
            refused = FaultState.REFUSED in story.times_s
            if story.kind == "storm":
                return replace(told, reason=f"{story.id} never began")
            why = f"was refused: {story.evidence.get('reason', 'no reason given')}" if refused else "was never injected"
            return replace(told, reason=f"{story.id} {why}")
        return self._felt(told, injected_s)

    def _felt(self, told: FaultResult, injected_s: float) -> FaultResult:
        before = self._before(injected_s)
        normal = Normal.of(self.pool, before, 1 - self.slo.good_share, 1 - self.slo.availability)
        felt = self._impact(injected_s, normal, before)
        window_s = self._window(injected_s, felt)
        during = self.evidence.touching(window_s[0] - EARLY_S, window_s[1]) & self.evidence.in_load
        missing = self.pool.missing(before, during)
        after = self.evidence.in_load & (self.evidence.seconds_s > window_s[1]) & ~self.touched
        measured = replace(
            told,
            window_s=window_s,
            detected_s=self._since(injected_s, felt.hurt),
            recovered_s=self._recovered_s(injected_s, felt),
            missing_arrivals=missing,
            budget_share=self._budget_share(before, during, missing),
            good_share_before=self.pool.good_share(before),
            good_share_during=self.pool.good_share(during),
            good_share_after=self.pool.good_share(after),
        )
        state, reason = self._decide(measured, still_hurt(self.pool, normal, before, self._column(self._deadline_s)))
        return replace(measured, state=state, reason=reason)

    def _before(self, injected_s: float) -> Mask:
        """The load before the injection that no other fault touched, else all such load."""
        seconds_s, quiet = self.evidence.seconds_s, self.evidence.in_load & ~self.touched
        before = quiet & (seconds_s + 1 <= injected_s - EARLY_S) & (seconds_s >= injected_s - _BASELINE_S)
        if np.count_nonzero(before) >= _FEWEST_BASELINE_S:
            return np.asarray(before)
        return np.asarray(quiet & ((seconds_s + 1 <= injected_s - EARLY_S) | (seconds_s > self._deadline_s)))

    @property
    def _over_s(self) -> float:
        """When the fault ended, as far as anybody knows: to the end of the load when it was never reverted."""
        over_s, begun_s = self.story.over_s, self.story.injected_s or 0.0
        return over_s if over_s is not None else max(self.evidence.load_s, begun_s)

    @property
    def _deadline_s(self) -> float:
        return self._over_s + self.plan.recovery_s

    def _impact(self, injected_s: float, normal: Normal, before: Mask) -> Impact:
        wanted = min(LONGEST_WELL_WINDOW_S, max(_SHORTEST_WELL_WINDOW_S, round(self.plan.recovery_s / 3)))
        return impact(self.pool, normal, before, self._search(injected_s), wanted)

    def _search(self, injected_s: float) -> slice:
        """The columns in which its harm may begin."""
        return slice(max(0, self._column(injected_s - EARLY_S)), max(0, self._column(self._deadline_s) + 1))

    def _column(self, at_s: float) -> int:
        """The column that holds this moment; it may lie outside of the columns."""
        seconds_s = self.evidence.seconds_s
        return math.floor(at_s - float(seconds_s[0])) if seconds_s.size else 0

    def _since(self, injected_s: float, column: int | None) -> float | None:
        return None if column is None else max(0.0, float(self.evidence.seconds_s[column]) - injected_s)

    def _recovered_s(self, injected_s: float, felt: Impact) -> float | None:
        if felt.hurt is not None:
            return self._since(injected_s, felt.well)
        return 0.0 if self._in_sight and self.pool.n[self._search(injected_s)].any() else None

    @property
    def _in_sight(self) -> bool:
        """Whether the load outlasted the fault: where there are no users nobody is hurt, which proves nothing."""
        load = self.evidence.load
        return load is not None and 0 <= self._over_s <= load.duration_s - HURT_WINDOW_S

    def _window(self, injected_s: float, felt: Impact) -> tuple[float, float]:
        """From the injection to the proof of the revert, and on until users are well, as long as the plan allows."""
        end_s = max(self._over_s, self.story.at(FaultState.PROVEN) or 0.0)
        if self.story.kills:
            end_s = max(end_s, (self.story.at(FaultState.EFFECTIVE) or injected_s) + CUT_LATE_S)
        if felt.hurt is not None:
            well_s = math.inf if felt.well is None else float(self.evidence.seconds_s[felt.well])
            end_s = max(end_s, min(well_s, self._deadline_s))
        return injected_s, end_s

    def _budget_share(self, before: Mask, during: Mask, missing: int) -> float | None:
        """What the fault added as a share of what the load phase may have: (Σ(bad − usual·n) + missing) / β·N."""
        pool = self.pool
        allowed = (1 - self.slo.good_share) * float(pool.n[self.evidence.in_load].sum())
        usual = float(pool.bad[before].sum()) / max(1.0, float(pool.n[before].sum()))
        added = float(pool.bad[during].sum()) - usual * float(pool.n[during].sum())
        return max(0.0, added + missing) / allowed if allowed else None

    def _decide(self, fault: FaultResult, hurt_at_deadline: bool | None) -> tuple[State, str]:
        late_s = self._deadline_s - (fault.injected_s or 0.0)
        well = fault.recovered_s is not None and fault.recovered_s <= late_s and self._in_sight
        failure = next(self._failures(fault, still_hurt=bool(hurt_at_deadline) and not well), None)
        if failure is not None:
            return State.FAIL, f"{fault.id} {failure}"
        doubt = next(_doubts(fault, well=well), None)
        if doubt is not None:
            return State.INCONCLUSIVE, f"{fault.id} {doubt}"
        felt = f"users were well again after {fault.recovered_s:.0f} s" if fault.recovered_s else "users were not hurt"
        return State.PASS, f"{fault.id}: {felt}"

    def _failures(self, fault: FaultResult, *, still_hurt: bool) -> Iterator[str]:
        if fault.revert == "failed":
            yield "could not be reverted"
        if self.story.failure:
            yield self.story.failure
        if still_hurt:
            yield f"still hurt users {self.plan.recovery_s:g} s after its end"
        if fault.budget_share is not None and fault.budget_share > self.plan.max_budget_share:
            allowed = target_percent(self.plan.max_budget_share)
            yield f"burned {percent(fault.budget_share, 0)} % of the error budget (at most {allowed})"


def _doubts(fault: FaultResult, *, well: bool) -> Iterator[str]:
    if fault.kind == "storm":
        yield from _doubts_about_storm(fault)
    elif fault.effect == "none":
        yield "showed no effect, which voids the pass"
    elif fault.effect == "unknown":
        yield "has no known effect"
    elif fault.revert != "proven":
        yield "was not proven to be reverted"
    if not well:
        yield "was not over long enough to see users well again"


def _doubts_about_storm(fault: FaultResult) -> Iterator[str]:
    if fault.effect == "none":
        yield "found nothing to take from anybody, which voids the pass"
    if fault.effect == "unknown":
        yield "was not told to its end by every worker"
    if fault.revert != "proven":
        yield "was over before all of its users had noticed"


def _with_overlaps(results: Sequence[FaultResult]) -> tuple[FaultResult, ...]:
    """Marks the faults whose windows share time: what users felt then cannot be told apart."""

    def meet(one: FaultResult, other: FaultResult) -> bool:
        if one.id == other.id or not one.window_s or not other.window_s:
            return False
        return one.window_s[0] < other.window_s[1] and other.window_s[0] < one.window_s[1]

    return tuple(
        replace(result, overlaps=tuple(other.id for other in results if meet(result, other))) for result in results
    )
