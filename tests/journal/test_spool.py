"""What a worker keeps for the case of its death, and how it comes into the run directory."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journal.collecting import collect
from journal.columns import read_columns
from journal.errors import RunDirectoryError
from journal.failures import read_failures
from journal.frame_file import FrameWriter
from journal.frames import EndpointSecond, Frame, OutcomeSecond, encode
from journal.json_lines import JsonLines
from journal.manifest import Manifest, this_machine
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.readings import read_readings
from journal.run_directory import RunDirectory, create_run_directory
from journal.spool import ALIVE_NS, ANSWERED, CUT, STARTED, Spool, find_spools
from journal.timeline import EventKind, read_timeline

RUN_ID = "0a1b2c3d"
LOGIN = Endpoint(Kind.REQUEST, "auth", "POST /auth/login")
FAILURE = {"at_ns": 5, "worker": "worker-0", "kind": "REQUEST", "journey": "auth", "name": "POST /auth/login"}
READING = {"at_ns": 5, "subject": "worker-0", "role": "generator", "incarnation": "1@1"}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    plan = Plan(name="test", load=Load(stages=(Stage(users=1, duration_s=1.0),)))
    manifest = Manifest(
        run_id=RUN_ID,
        created_at_ns=1,
        command="pytest",
        base_url="http://127.0.0.1:1",
        plan=plan,
        profile=Profile(name="test"),
        machine=this_machine(),
        versions={},
    )
    return create_run_directory(tmp_path / "run", manifest)


def frame(number: int, *, worker: str = "worker-0", last: bool = False) -> Frame:
    seen = EndpointSecond(2, 0, {Outcome.OK: OutcomeSecond(2)})
    return Frame(worker, number, 1_700_000_000 + number, 3, {LOGIN: seen}, last)


def parcel(number: int, *, last: bool = False, worker: str = "worker-0", **extras: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"failures": [], "readings": [], "warnings": []}
    encoded = encode(frame(number, worker=worker, last=last))
    return {"sequence": number, "frame": encoded, "last": last, **nothing, **extras}


def spool_of(run: RunDirectory, *numbers: int, worker: str = "worker-0", run_id: str = RUN_ID) -> Spool:
    spool = Spool(run.spool, run_id, worker)
    for number in numbers:
        assert spool.keep(parcel(number, worker=worker))
    return spool


def sequences(run: RunDirectory) -> list[tuple[int, tuple[int, ...]]]:
    return [(worker.frames, worker.missing) for worker in read_columns(run.frames).workers]


def test_what_a_spool_holds_comes_into_the_run_once_with_all_that_belongs_to_it(run: RunDirectory):
    failure = {**FAILURE, "outcome": "TIMEOUT", "detail": "after 10 s", "served_by": ""}
    sizes = {"rss_bytes": 1, "uss_bytes": 1, "cpu_s": 0.5, "threads": 1, "descriptors": 3}
    writer = FrameWriter(run.frames)
    for number in (1, 2):
        writer.append(frame(number))
    writer.close()
    spool = spool_of(run, 2)
    spool.keep(parcel(3, failures=[failure], readings=[{**READING, **sizes}], warnings=["the target stutters"]))
    collected = collect(run, [run.spool])
    assert collected.parcels == {"worker-0": 1}
    assert sequences(run) == [(3, ())]
    assert [found.detail for found in read_failures(run.failures)[0]] == ["after 10 s"]
    assert [series.subject for series in read_readings(run.readings)[0]] == ["worker-0"]
    said = [event.data["message"] for event in read_timeline(run.timeline)[0] if event.kind is EventKind.WARNING]
    assert said == ["worker-0: the target stutters"]
    assert not run.spool.exists()
    assert collect(run, [run.spool]).parcels == {}


def test_what_the_master_has_acknowledged_is_not_kept(run: RunDirectory):
    spool = spool_of(run, 1, 2)
    empty = Spool(run.spool, RUN_ID, "worker-1").path.stat().st_size
    spool.forget()
    assert spool.path.stat().st_size == empty
    spool.keep(parcel(3))
    (found, _) = list(find_spools(run.spool))
    assert [kept.frame.sequence for kept in found.read()[0]] == [3]


def test_an_orderly_end_leaves_no_file(run: RunDirectory):
    spool_of(run, 1).remove()
    assert not run.spool.exists()


def test_a_full_spool_keeps_what_it_has_and_counts_what_it_refused(run: RunDirectory):
    spool = Spool(run.spool, RUN_ID, "worker-0", limit_bytes=700)
    kept = [spool.keep(parcel(number)) for number in range(1, 20)]
    assert kept == sorted(kept, reverse=True)
    assert 0 < spool.refused == kept.count(False) < 19
    assert spool.path.stat().st_size <= 700
    assert collect(run, [run.spool]).parcels == {"worker-0": kept.count(True)}


CRASH = """
import os, sys
from pathlib import Path
from journal.spool import ALIVE_NS, ANSWERED, CUT, STARTED, Spool
spool = Spool(Path(sys.argv[1]), sys.argv[2], "worker-0")
spool.counts[STARTED], spool.counts[ANSWERED], spool.counts[CUT] = 9, 5, 1
spool.counts[ALIVE_NS] = 1_700_000_003_000_000_000
os.kill(os.getpid(), 9)
"""


def test_the_count_of_a_killed_process_survives_it(run: RunDirectory):
    command = [sys.executable, "-c", CRASH, str(run.spool), RUN_ID]
    assert subprocess.run(command, check=False).returncode == -9
    collect(run, [run.spool])
    (event,) = [event for event in read_timeline(run.timeline)[0] if event.kind is EventKind.TALLY]
    assert event.at_ns == 1_700_000_003_000_000_000
    assert event.data == {"worker": "worker-0", "started": 9, "answered": 5, "cut": 1}


def test_who_ended_in_order_needs_no_count_of_its_own(run: RunDirectory):
    spool = spool_of(run, 1)
    spool.counts[STARTED] = spool.counts[ANSWERED] = spool.counts[ALIVE_NS] = 4
    assert spool.counts[CUT] == 0
    spool.keep(parcel(2, last=True))
    collect(run, [run.spool])
    assert [worker.complete for worker in read_columns(run.frames).workers] == [True]
    assert not read_timeline(run.timeline)[0]


def test_spools_of_other_runs_and_files_that_are_none_are_left_alone(run: RunDirectory, tmp_path: Path):
    foreign = spool_of(run, 1, run_id="other")
    (run.spool / "notes.spool").write_text("{}")
    (run.spool / "torn.spool").write_bytes(b"\xff\x00")
    mine = spool_of(run, 1)
    elsewhere = tmp_path / mine.path.name
    mine.path.rename(elsewhere)
    collected = collect(run, [run.spool])
    assert collected.parcels == {}
    assert str(collected) == "there was no spool of this run to collect; of other runs 1 were left alone"
    assert collect(run, [elsewhere]).parcels == {"worker-0": 1}
    assert foreign.path.exists()
    assert not elsewhere.exists()


def torn(data: bytes) -> bytes:
    return data[:-9]


def flipped(data: bytes) -> bytes:
    return data.replace(b'"frame":"8UdERk', b'"frame":"8UdERl', 1)


@pytest.mark.parametrize("damage", [torn, flipped])
def test_a_damaged_spool_is_read_as_far_as_it_goes_and_the_damage_is_told(
    damage: Callable[[bytes], bytes], run: RunDirectory
):
    spool = spool_of(run, 1, 2)
    data = spool.path.read_bytes()
    assert damage(data) != data
    spool.path.write_bytes(damage(data))
    assert collect(run, [run.spool]).parcels == {"worker-0": 1}
    (event,) = read_timeline(run.timeline)[0]
    assert event.data["message"].startswith("spool of worker-0: 0a1b2c3d-worker-0.spool: ")


def test_a_run_that_is_still_written_is_not_touched(run: RunDirectory):
    spool = spool_of(run, 1)
    writer = FrameWriter(run.frames)
    writer.lock()
    with pytest.raises(RunDirectoryError, match="still being written"):
        collect(run, [run.spool])
    assert spool.path.exists()
    writer.close()
    assert collect(run, [run.spool]).parcels == {"worker-0": 1}


def test_lines_that_are_no_parcels_are_damage(run: RunDirectory):
    spool = spool_of(run, 1)
    lines = JsonLines(spool.path)
    lines.append({"frame": "AAAA", "failures": [], "readings": [], "warnings": []})
    lines.append({"frame": 3})
    lines.close()
    (found,) = find_spools(run.spool)
    kept, damages = found.read()
    assert (len(kept), len(damages)) == (1, 2)
