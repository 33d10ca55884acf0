"""What is missing from a record is counted, and keeps a run from passing by itself, whatever the accounts say."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.evidence import NS, Evidence, Window, load_evidence
from analysis.gaps import Gaps, find_gaps
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Phase

CALM = {"kill_at_s": None, "throttle_at_s": None, "load_s": 30}
PER_FRAME = 54  # requests a second, of each of two workers
Synthetic = Callable[..., RunDirectory]


@pytest.fixture
def evidence(synthetic: Synthetic) -> Evidence:
    return load_evidence(synthetic(**CALM))


def test_a_whole_record_has_no_gap(evidence: Evidence) -> None:
    assert find_gaps(evidence) == Gaps((), decisive=False, lost_s=0, lost_requests=0)


def test_frames_that_are_missing_in_the_load_are_counted_and_decide(synthetic: Synthetic) -> None:
    gaps = find_gaps(load_evidence(synthetic(**CALM, missing_frames=(20, 21))))
    assert (gaps.decisive, gaps.lost_s) == (True, 2)
    assert gaps.lost_requests == pytest.approx(2 * 2 * PER_FRAME, rel=0.2)


def test_a_worker_whose_first_frames_are_missing_owes_them(evidence: Evidence) -> None:
    first, second = evidence.columns.workers
    late = replace(first, first_second=first.first_second + 13, missing=tuple(range(1, 14)))
    reporting = evidence.columns.reporting.copy()
    reporting[:13] -= 1
    gaps = find_gaps(replace(evidence, columns=replace(evidence.columns, workers=(late, second), reporting=reporting)))
    assert (gaps.decisive, gaps.lost_s) == (True, 3)  # the warm-up takes the other ten


def test_a_load_that_goes_on_after_the_last_frame_is_not_wholly_on_record(evidence: Evidence) -> None:
    assert evidence.load is not None
    longer = Window(evidence.load.begin_ns, evidence.load.end_ns + 9 * NS)
    gaps = find_gaps(replace(evidence, load=longer))
    assert (gaps.decisive, gaps.lost_s) == (True, 4)  # the drain has frames of five seconds


def test_a_run_without_an_orderly_end_has_a_gap_that_decides(evidence: Evidence) -> None:
    events = tuple(event for event in evidence.events if event.data.get("phase") != Phase.ENDED)
    gaps = find_gaps(replace(evidence, events=events))
    assert (gaps.decisive, gaps.names) == (True, ("the run did not come to its orderly end",))


def test_a_worker_that_joined_and_left_no_frame_decides(synthetic: Synthetic) -> None:
    joined = (EventKind.WORKER, -9.0, {"worker": "worker-2", "state": "joined"})
    gaps = find_gaps(load_evidence(synthetic(**CALM, extra_events=[joined])))
    assert (gaps.decisive, gaps.names) == (True, ("1 worker joined but left no frame",))
