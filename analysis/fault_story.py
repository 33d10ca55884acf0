"""What the timeline tells of each fault: who, what, and when it reached which state."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.evidence import Evidence
from journal.plan import PlannedFault
from journal.timeline import EventKind, FaultState

_BEFORE_INJECTION = frozenset({FaultState.PLANNED, FaultState.REFUSED})
_OF_REVERT = {FaultState.NOT_REVERTED: "failed", FaultState.PROVEN: "proven"}
_OVER = (FaultState.REVERTED, FaultState.PROVEN)


@dataclass(kw_only=True)
class FaultStory:
    """The events of one fault folded into one record; times in seconds since the origin, the first of each state.

    `kind` is "fault" or "storm", `revert` "proven", "unproven" or "failed" by the last word on it; of a storm,
    `failure` says how the target failed in it, by the users' own account.
    """

    id: str
    kind: str = "fault"
    experiment: str = ""
    fault: str = ""
    hypothesis: str = ""
    target: str = ""
    planned_s: float = 0.0
    plan: PlannedFault | None = None
    times_s: dict[FaultState, float] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    revert: str = "unproven"
    told_of_revert_s: float = -math.inf

    def at(self, state: FaultState) -> float | None:
        """When the fault reached this state."""
        return self.times_s.get(state)

    @property
    def injected_s(self) -> float | None:
        """When it began: the first sign of it, since an effect may be seen before the injection is written down."""
        return min((at_s for state, at_s in self.times_s.items() if state not in _BEFORE_INJECTION), default=None)

    @property
    def over_s(self) -> float | None:
        """When the fault was no longer in force: reverted, else proven to be."""
        return min((self.times_s[state] for state in _OVER if state in self.times_s), default=None)

    @property
    def effect(self) -> str:
        """ "seen", "none" or "unknown"."""
        if FaultState.EFFECTIVE in self.times_s:
            return "seen"
        return "none" if FaultState.NO_EFFECT in self.times_s else "unknown"

    @property
    def kills(self) -> bool:
        """Whether this fault ends processes, and so cuts the requests that they were answering."""
        return self.fault.startswith("kill")

    def reached(self, state: FaultState, at_s: float) -> None:
        """Notes that it came to a state."""
        self.times_s.setdefault(state, at_s)
        if state in _OF_REVERT and at_s >= self.told_of_revert_s:
            self.revert, self.told_of_revert_s = _OF_REVERT[state], at_s

    def add(self, at_s: float, data: Mapping[str, Any]) -> None:
        """Takes one event in."""
        try:
            state = FaultState(data.get("state", ""))
        except ValueError:
            return
        self.reached(state, at_s)
        for name in ("experiment", "fault", "hypothesis", "target"):
            setattr(self, name, str(data.get(name) or getattr(self, name)))
        found = data.get("evidence")
        if isinstance(found, Mapping):
            self.evidence.update({str(key): _shown(value) for key, value in found.items()})


def fault_stories(evidence: Evidence) -> list[FaultStory]:
    """One story per fault of the plan, in its order, then those that somebody else injected."""
    stories = {
        planned.id: FaultStory(id=planned.id, experiment=planned.experiment, planned_s=planned.at_s, plan=planned)
        for planned in evidence.manifest.plan.faults
    }
    for event in evidence.events_of(EventKind.FAULT):
        name = str(event.data.get("fault_id") or "?")
        at_s = evidence.elapsed_s(event.at_ns)
        stories.setdefault(name, FaultStory(id=name, planned_s=max(0.0, at_s))).add(at_s, event.data)
    return list(stories.values())


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
