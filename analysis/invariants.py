"""Judges what must hold whatever fails: the invariants that the load checked after its drain."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.evidence import Evidence
from analysis.verdict import Estimate, GateResult, InvariantResult, State, anchor
from analysis.words import counted
from journal.profile import planned_mix
from journal.timeline import Event, EventKind

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
    owed = [name for name, journeys in CHECKED_BY.items() if journeys & mix]
    if any(storm.kind == "token-expiry" for storm in evidence.manifest.plan.load.storms):
        owed.append(EXPIRED_TOKEN_REFUSED)
    found = {name: _Sum() for name in owed}
    for event in evidence.events_of(EventKind.INVARIANT):
        name, told = str(event.data.get("name")), _Sum.of(event)
        if name in found or told.says_anything:  # every worker tells of all of them, also of those that nobody touches
            found[name] = found.get(name, _Sum()) + told
    return tuple(found[name].result(name) for name in sorted(found))


@dataclass(frozen=True, slots=True)
class _Sum:
    """What workers told of one invariant."""

    checked: int = 0
    violated: int = 0
    unknown: int = 0
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, event: Event) -> "_Sum":
        checked, violated, unknown = (_number(event, name) for name in ("checked", "violated", "unknown"))
        return cls(checked, violated, unknown, tuple(str(example) for example in event.data.get("examples") or ()))

    def __add__(self, other: "_Sum") -> "_Sum":
        return _Sum(
            self.checked + other.checked,
            self.violated + other.violated,
            self.unknown + other.unknown,
            (*self.examples, *other.examples)[:_EXAMPLES],
        )

    @property
    def says_anything(self) -> bool:
        return bool(self.checked or self.violated or self.unknown)

    def result(self, name: str) -> InvariantResult:
        held = State.PASS if self.checked and not self.unknown else State.INCONCLUSIVE
        return InvariantResult(
            name=name,
            state=State.FAIL if self.violated else held,
            checked=self.checked,
            violated=self.violated,
            unknown=self.unknown,
            examples=self.examples,
        )


def _number(event: Event, name: str) -> int:
    """A count of an event; 0 where there is none."""
    told = event.data.get(name)
    return told if isinstance(told, int) else 0


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


def _reason(result: InvariantResult) -> str:
    if result.violated:
        example = f", e.g. {result.examples[0]}" if result.examples else ""
        return f"{result.name} violated {counted(result.violated, 'time')} in {result.checked}{example}"
    held = f"held {counted(result.checked, 'time')}" if result.checked else "was not checked"
    unknown = f"; the target would not say in {counted(result.unknown, 'case')}" if result.unknown else ""
    return f"{result.name} {held}{unknown}"
