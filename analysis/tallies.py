"""What killed workers had done by their own count, beyond what their frames tell; exact, where gaps are estimates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.evidence import NS, Evidence
from journal.columns import WorkerRecord
from journal.spool import Tally
from journal.timeline import EventKind


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Requests of one killed worker of which there is no frame: sent; ended, how nobody knows but cut or not; open."""

    sent: int
    ended: int
    cut: int
    unfinished: int


def tallies(evidence: Evidence) -> dict[str, Tally]:
    """The tally of each worker that was killed and whose spool was collected."""
    found = (_tally(event.data, event.at_ns) for event in evidence.events_of(EventKind.TALLY))
    return {tally.worker: tally for tally in found if tally is not None}


def _tally(data: Mapping[str, Any], at_ns: int) -> Tally | None:
    numbers = [data.get(name) for name in ("started", "answered", "cut")]
    started, answered, cut = (number if isinstance(number, int) else -1 for number in numbers)
    return Tally(str(data.get("worker")), started, answered, cut, at_ns) if min(started, answered, cut) >= 0 else None


def unrecorded(worker: WorkerRecord, tally: Tally) -> Unrecorded:
    """What the tally knows more than the frames."""
    return Unrecorded(
        sent=max(0, tally.started - worker.started),
        ended=max(0, tally.answered + tally.cut - worker.answered - worker.cut),
        cut=max(0, tally.cut - worker.cut),
        unfinished=max(0, tally.started - tally.answered - tally.cut),
    )


def last_alive_s(evidence: Evidence, worker: WorkerRecord) -> int | None:
    """The second in which a worker without an orderly end was last alive, as far as anybody knows."""
    tally = tallies(evidence).get(worker.name)
    if tally is not None:
        return tally.alive_ns // NS
    states = [event for event in evidence.events_of(EventKind.WORKER) if event.data.get("worker") == worker.name]
    return states[-1].at_ns // NS if states and states[-1].data.get("state") == "lost" else None
