"""The timeline: what happened when, beside the load; each event is one JSON line with a time, a kind and its data."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from journal.frame_file import Damage
from journal.json_lines import JsonLines, JsonLinesTail, read_records
from journal.records import int64

LOST_AFTER_S = 6.0
"""So long a worker has been silent when it is written down as lost."""


class EventKind(StrEnum):
    """The closed set of things that are written down; docs/run-directory.md lists the data of each."""

    PHASE = "phase"
    USERS = "users"
    ARRIVALS = "arrivals"
    WORKER = "worker"
    CALIBRATION = "calibration"
    FAULT = "fault"
    STORM = "storm"
    INVARIANT = "invariant"
    COUNTERS = "counters"
    TALLY = "tally"
    CLOCK = "clock"
    TARGET = "target"
    GUARD = "guard"
    LEVEL = "level"
    WARNING = "warning"
    INTERRUPTED = "interrupted"


class Phase(StrEnum):
    """The way of a run, in order."""

    CHECK = "check"
    WARM_UP = "warm-up"
    LOAD = "load"
    DRAIN = "drain"
    INVARIANTS = "invariants"
    ENDED = "ended"


class FaultState(StrEnum):
    """The way of a fault; NO_EFFECT voids a pass, NOT_REVERTED ends with exit 6."""

    PLANNED = "planned"
    INJECTED = "injected"
    EFFECTIVE = "effective"
    NO_EFFECT = "no-effect"
    REVERTED = "reverted"
    PROVEN = "proven"
    NOT_REVERTED = "not-reverted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline; `at_ns` is in epoch nanoseconds."""

    at_ns: int
    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> "Event | None":
        """The event of one JSON object, or None when it is none."""
        try:
            rest = {key: value for key, value in record.items() if key not in {"at_ns", "kind"}}
            return cls(int64(record["at_ns"]), EventKind(record["kind"]), rest)
        except (KeyError, TypeError, ValueError):
            return None


class Timeline:
    """Appends events; conductor, master and experiments each hold one for the same file."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def write(self, kind: EventKind, *, at_ns: int | None = None, **data: Any) -> None:
        """Writes one event; without `at_ns` it happened now."""
        self._lines.append({"at_ns": time.time_ns() if at_ns is None else at_ns, "kind": kind, **data})

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        self._lines.close()


def read_timeline(path: Path) -> tuple[list[Event], list[Damage]]:
    """All events in order of time, and what could not be read."""
    events, damages = read_records(path, Event.parse, "an event")
    return sorted(events, key=lambda event: event.at_ns), damages


class TimelineTail:
    """Follows a timeline that is still being written."""

    def __init__(self, path: Path) -> None:
        self._tail = JsonLinesTail(path)

    def read(self) -> list[Event]:
        """The events since the last call."""
        events = (Event.parse(record) for record in self._tail.read())
        return [event for event in events if event is not None]
