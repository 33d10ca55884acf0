"""What befell the target's processes, pods and nodes while the run went on, as a table under the timeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.evidence import Evidence
from journal.timeline import EventKind

SHOWN = 100


@dataclass(frozen=True, slots=True)
class TargetEvent:
    """One event: when, in seconds since the begin of the load, to what, what, and more about it."""

    at_s: float
    process: str
    state: str
    more: str


@dataclass(frozen=True, slots=True)
class TargetEvents:
    """The first events; `rest` further ones are only counted."""

    rows: tuple[TargetEvent, ...]
    rest: int


def target_events(evidence: Evidence, shown: int = SHOWN) -> TargetEvents:
    """The events in order of time."""
    events = evidence.events_of(EventKind.TARGET)
    rows = (
        TargetEvent(
            evidence.elapsed_s(event.at_ns),
            _text(event.data, "process"),
            _text(event.data, "state"),
            ", ".join(filter(None, (_text(event.data, "reason"), _where(event.data)))),
        )
        for event in events[:shown]
    )
    return TargetEvents(tuple(rows), max(0, len(events) - shown))


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name) or "")


def _where(data: Mapping[str, Any]) -> str:
    node, container = _text(data, "node"), _text(data, "container")
    return " ".join(filter(None, (container and f"container {container}", node and f"on node {node}")))
