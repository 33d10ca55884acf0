"""What is missing from the record of a run, in words, and how much of the load that is judged went missing with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.evidence import NS, Counts, Evidence
from analysis.words import counted
from journal.columns import WorkerRecord
from journal.outcomes import Kind
from journal.timeline import EventKind

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is not known. `decisive`: it may hide something, so that the verdict cannot be a pass.

    `lost_s`: seconds of the load phase of which a worker's frame is missing; `lost_requests`: the estimate of the
    requests in them, from the mean of the frames that are there.
    """

    names: tuple[str, ...]
    decisive: bool
    lost_s: int
    lost_requests: int


def find_gaps(evidence: Evidence) -> Gaps:
    """Compares what arrived with what must have been written."""
    deficit = _missing_frames(evidence)
    uncovered_s = _uncovered_seconds(evidence)
    lost_s = int(np.count_nonzero(deficit)) + uncovered_s
    lost_frames = int(deficit.sum()) + uncovered_s * max(1, len(evidence.columns.workers))
    names = [*_record_gaps(evidence), *_lost_load(evidence, lost_s)]
    broken_timeline = any(damage.path.startswith("timeline") for damage in evidence.damages)
    decisive = bool(lost_s or not evidence.ended or broken_timeline or _silent_workers(evidence))
    return Gaps(tuple(names), decisive, lost_s, round(lost_frames * _requests_per_frame(evidence)))


def _missing_frames(evidence: Evidence) -> Counts:
    """How many frames are missing for each second of the load phase, shape (S,)."""
    columns = evidence.columns
    seconds = columns.seconds
    expected = np.zeros_like(columns.reporting)
    for worker in columns.workers:
        begin = worker.first_second - _missing_at_start(worker)
        expected += (seconds >= begin) & ((seconds <= worker.last_second) | (not worker.complete))
    return np.where(evidence.in_load, np.maximum(expected - columns.reporting, 0), 0)


def _missing_at_start(worker: WorkerRecord) -> int:
    """How many of a worker's first frames are missing: the numbers 1, 2, … up to the first that is there."""
    return next((place for place, number in enumerate(worker.missing) if number != place + 1), len(worker.missing))


def _uncovered_seconds(evidence: Evidence) -> int:
    """Whole seconds of the load phase before the first frame or after the last one."""
    if evidence.load is None:
        return 0
    begin, end = -(-evidence.load.begin_ns // NS), evidence.load.end_ns // NS
    covered = int(np.count_nonzero(evidence.in_load))
    return max(0, end - begin - covered)


def _requests_per_frame(evidence: Evidence) -> float:
    rows = evidence.rows(Kind.REQUEST)
    frames = int(evidence.columns.reporting[evidence.in_load].sum())
    return float(evidence.columns.started[rows][:, evidence.in_load].sum()) / frames if frames else 0.0


def _record_gaps(evidence: Evidence) -> Iterator[str]:
    if not evidence.columns.workers:
        yield "there are no frames: no request was measured"
    if evidence.load is None:
        yield "the load phase never began"
    if not evidence.ended:
        yield "the run did not come to its orderly end"
    silent = _silent_workers(evidence)
    if silent:
        yield f"{counted(silent, 'worker')} joined but left no frame"
    for worker in evidence.columns.workers:
        yield from _worker_gaps(worker)
    for damage in evidence.damages[:_SHOWN]:
        yield str(damage)
    if len(evidence.damages) > _SHOWN:
        yield f"{len(evidence.damages) - _SHOWN} more damaged places"


def _worker_gaps(worker: WorkerRecord) -> Iterator[str]:
    if worker.missing:
        numbers = ", ".join(str(number) for number in worker.missing[:_SHOWN])
        more = ", …" if len(worker.missing) > _SHOWN else ""
        yield f"worker {worker.name}: {counted(len(worker.missing), 'frame')} missing (number {numbers}{more})"
    if not worker.complete:
        yield f"worker {worker.name} did not end in order: its last frame is number {_last_number(worker)}"


def _last_number(worker: WorkerRecord) -> int:
    return worker.frames + len(worker.missing)


def _silent_workers(evidence: Evidence) -> int:
    joined = {
        event.data.get("worker")
        for event in evidence.events_of(EventKind.WORKER)
        if event.data.get("state") == "joined"
    }
    return max(0, len(joined) - len(evidence.columns.workers))


def _lost_load(evidence: Evidence, lost_s: int) -> Iterator[str]:
    if lost_s and evidence.load is not None:
        yield f"of the load phase ({evidence.load.duration_s:.0f} s), {lost_s} s are not wholly on record"
