"""Judges what must hold whatever fails: the invariants that the load checked after its drain."""

from collections.abc import Iterator

from analysis.evidence import Evidence
from analysis.verdict import Estimate, GateResult, InvariantResult, State, anchor
from analysis.words import counted
from journal.profile import planned_mix
from journal.timeline import EventKind

CHECKED_BY = {
    "login-needs-password": frozenset({"auth"}),
    "no-foreign-data": frozenset({"model_control", "agents", "model_context"}),
    "task-completed-once": frozenset({"model_control", "agents", "model_context"}),
    "token-supply-conserved": frozenset({"agents"}),
}
"""Each invariant and the journeys that put it to the test; it is owed when one of them is in the mix."""

EXPIRED_TOKEN_REFUSED = "expired-token-refused"  # noqa: S105  # the name of a promise
"""Owed when a storm lets tokens expire."""

_EXAMPLES = 5


def invariant_results(evidence: Evidence) -> tuple[InvariantResult, ...]:
    """The sums over all workers of each invariant that was checked or owed."""
    planned = planned_mix(evidence.manifest.plan, evidence.manifest.profile)
    mix = {journey for journey, weight in planned.items() if weight > 0}
    checked = {name: 0 for name, journeys in CHECKED_BY.items() if journeys & mix}
    if any(storm.kind == "token-expiry" for storm in evidence.manifest.plan.load.storms):
        checked[EXPIRED_TOKEN_REFUSED] = 0
    violated = dict.fromkeys(checked, 0)
    examples: dict[str, list[str]] = {}
    for event in evidence.events_of(EventKind.INVARIANT):
        name = str(event.data.get("name"))
        looks, bad = int(event.data.get("checked") or 0), int(event.data.get("violated") or 0)
        if name not in checked and not looks and not bad:
            continue  # every worker tells of all of them; one that no journey of this run touches is not owed
        checked[name] = checked.get(name, 0) + looks
        violated[name] = violated.get(name, 0) + bad
        examples.setdefault(name, []).extend(str(example) for example in event.data.get("examples") or ())
    return tuple(
        InvariantResult(
            name=name,
            state=_state(checked[name], violated[name]),
            checked=checked[name],
            violated=violated[name],
            examples=tuple(examples.get(name, ())[:_EXAMPLES]),
        )
        for name in sorted(checked)
    )


def invariant_gates(results: tuple[InvariantResult, ...], *, required: bool) -> Iterator[GateResult]:
    """One row per invariant."""
    for result in results:
        yield GateResult(
            gate="invariants",
            subject=result.name,
            state=result.state,
            required=required,
            promise="0 violated",
            unit="count",
            measured=Estimate(value=float(result.violated) if result.checked else None),
            samples=result.checked,
            reason=_reason(result),
            anchor=anchor("invariant", result.name),
            threshold=0.0,
        )


def _state(checked: int, violated: int) -> State:
    if violated:
        return State.FAIL
    return State.PASS if checked else State.INCONCLUSIVE


def _reason(result: InvariantResult) -> str:
    if result.violated:
        example = f", e.g. {result.examples[0]}" if result.examples else ""
        return f"{result.name} violated {counted(result.violated, 'time')} in {result.checked}{example}"
    return (
        f"{result.name} held {counted(result.checked, 'time')}" if result.checked else f"{result.name} was not checked"
    )
