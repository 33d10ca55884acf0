"""What is missing from the record of a run, in words, and how much of the load that is judged went missing with it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.arrivals import schedule_begin_ns
from analysis.evidence import NS, Counts, Evidence
from analysis.tallies import last_alive_s, tallies, unrecorded
from analysis.users import too_few_users
from analysis.words import clock, counted
from journal.columns import WorkerRecord
from journal.outcomes import Kind
from journal.timeline import EventKind

_SHOWN = 5
MISPLACED_MS = 500.0  # from half a second on, what a worker counted lies in a wrong second


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is not known. `decisive`: it may hide something, so that the verdict cannot be a pass.

    `lost_s`: seconds of the load phase of which a worker's frame is missing; `lost_requests`: the estimate of the
    requests in them, from the mean of the frames that are there, without those of which a tally tells exactly.
    """

    names: tuple[str, ...]
    decisive: bool
    lost_s: int
    lost_requests: int


def find_gaps(evidence: Evidence) -> Gaps:
    """Compares what arrived with what must have been written."""
    deficit, uncovered_s = _missing_frames(evidence), _uncovered_seconds(evidence)
    lost_s = int(np.count_nonzero(deficit)) + uncovered_s
    untold = _missing_frames(evidence, untold_only=True)
    lost_frames = int(untold.sum()) + uncovered_s * max(1, len(evidence.columns.workers))
    absent = too_few_users(evidence, deficit == 0)
    names = [*_record_gaps(evidence), *filter(None, [absent]), *_lost_load(evidence, lost_s)]
    broken_timeline = any(damage.path.startswith("timeline") for damage in evidence.damages)
    doubted = _silent_workers(evidence) or any(_strayed_clocks(evidence)) or absent or _unscheduled(evidence)
    decisive = bool(lost_s or evidence.load is None or not evidence.ended or broken_timeline or doubted)
    return Gaps(tuple(names), decisive, lost_s, round(lost_frames * _requests_per_frame(evidence)))


def _missing_frames(evidence: Evidence, *, untold_only: bool = False) -> Counts:
    """How many frames are missing for each second of the load phase, shape (S,); all, or those without a tally."""
    columns = evidence.columns
    seconds = columns.seconds
    expected = np.zeros_like(columns.reporting)
    told = tallies(evidence) if untold_only else {}
    for worker in columns.workers:
        begin = worker.first_second - _missing_at_start(worker)
        end = worker.last_second if worker.name in told else _last_expected(evidence, worker)
        expected += (seconds >= begin) & ((seconds <= end) if end is not None else True)
    return np.where(evidence.in_load, np.maximum(expected - columns.reporting, 0), 0)


def _last_expected(evidence: Evidence, worker: WorkerRecord) -> int | None:
    """The last second of which a worker owes a frame; None where nobody knows when it ended."""
    if worker.complete:
        return worker.last_second
    alive_s = last_alive_s(evidence, worker)
    return None if alive_s is None else max(alive_s, worker.last_second)


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
    if _unscheduled(evidence):
        yield "the schedule of the arrivals never began"
    if not evidence.ended:
        yield f"the run did not come to its orderly end{_why_not(evidence)}"
    silent = _silent_workers(evidence)
    if silent:
        yield f"{counted(silent, 'worker')} joined but left no frame"
    for worker in evidence.columns.workers:
        yield from _worker_gaps(evidence, worker)
    yield from _silences(evidence)
    yield from _strayed_clocks(evidence)
    for damage in evidence.damages[:_SHOWN]:
        yield str(damage)
    if len(evidence.damages) > _SHOWN:
        yield f"{len(evidence.damages) - _SHOWN} more damaged places"


def find_warnings(evidence: Evidence) -> tuple[str, ...]:
    """What the harness warned of while it ran, each thing once."""
    times = Counter(str(event.data.get("message")) for event in evidence.events_of(EventKind.WARNING))
    return tuple(f"{said} ({counted(n, 'time')})" if n > 1 else said for said, n in times.items())


def _why_not(evidence: Evidence) -> str:
    """What ended the load before its time, where somebody was left to write it down."""
    told = (event.data for event in evidence.events_of(EventKind.WARNING) if event.data.get("exit_code"))
    return next((f": {data.get('message')}" for data in told), "")


def _worker_gaps(evidence: Evidence, worker: WorkerRecord) -> Iterator[str]:
    if worker.missing:
        numbers = ", ".join(str(number) for number in worker.missing[:_SHOWN])
        more = ", …" if len(worker.missing) > _SHOWN else ""
        yield f"worker {worker.name}: {counted(len(worker.missing), 'frame')} missing (number {numbers}{more})"
    if not worker.complete:
        yield f"worker {worker.name} did not end in order: {_what_is_lost(evidence, worker)}"


def _silences(evidence: Evidence) -> Iterator[str]:
    """Workers that came back: nothing of them is missing, but others had their users meanwhile, or nobody."""
    for event in evidence.events_of(EventKind.WORKER):
        silent_s = event.data.get("silent_s")
        if isinstance(silent_s, int | float):
            until = clock(evidence.elapsed_s(event.at_ns))
            yield f"{event.data.get('worker')} was silent for {silent_s:.0f} s until {until}, then delivered all"


def _strayed_clocks(evidence: Evidence) -> Iterator[str]:
    """Clocks that were set or ran away after they had been compared with the master's, or were never well compared."""
    compared: set[object] = set()
    for event in evidence.events_of(EventKind.CLOCK):
        worker, off_ms, error_ms = (event.data.get(name) for name in ("worker", "off_ms", "error_ms"))
        when = clock(evidence.elapsed_s(event.at_ns))
        if worker in compared and isinstance(off_ms, int | float) and abs(off_ms) >= MISPLACED_MS:
            yield f"{worker}'s clock was found {abs(off_ms) / 1000:.1f} s off at {when}: seconds before are misplaced"
        elif isinstance(error_ms, int | float) and error_ms >= MISPLACED_MS:
            yield f"{worker}'s clock is known only to ±{error_ms / 1000:.1f} s (measured at {when})"
        compared.add(worker)


def _what_is_lost(evidence: Evidence, worker: WorkerRecord) -> str:
    tally, alive_s = tallies(evidence).get(worker.name), last_alive_s(evidence, worker)
    last = f"its last frame is number {_last_number(worker)}"
    if alive_s is None:
        return last
    without_s = max(0, alive_s - worker.last_second)
    when = clock(evidence.elapsed_s(alive_s * NS))
    if tally is None:
        return f"{last}, it was missed at {when}, {without_s} s later"
    lost = unrecorded(worker, tally)
    told = f"{counted(lost.ended, 'request')} of its last {without_s} s ended without a record"
    return f"killed at {when}; {told}, {lost.unfinished} were under way"


def _last_number(worker: WorkerRecord) -> int:
    return worker.frames + len(worker.missing)


def _silent_workers(evidence: Evidence) -> int:
    joined = {
        event.data.get("worker")
        for event in evidence.events_of(EventKind.WORKER)
        if event.data.get("state") == "joined"
    }
    return max(0, len(joined) - len(evidence.columns.workers))


def _unscheduled(evidence: Evidence) -> bool:
    """Whether nobody can tell which arrivals of an open model were due."""
    return evidence.manifest.plan.load.arrivals is not None and schedule_begin_ns(evidence) is None


def _lost_load(evidence: Evidence, lost_s: int) -> Iterator[str]:
    if lost_s and evidence.load is not None:
        yield f"of the load phase ({evidence.load.duration_s:.0f} s), {lost_s} s are not wholly on record"
