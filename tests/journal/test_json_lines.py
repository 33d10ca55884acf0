"""Timeline, readings and failures are read back line by line past damage, which is named with its place."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from journal.failures import Failure, read_failures
from journal.json_lines import JsonLines
from journal.outcomes import Endpoint, Kind, Outcome
from journal.readings import Reading, ReadingWriter, read_readings
from journal.timeline import Event, EventKind, Timeline, TimelineTail, read_timeline

LOGIN = Endpoint(Kind.REQUEST, "auth", "POST /auth/login")


def reading(at_ns: int, subject: str = "api-0", incarnation: str = "10@1.50", rss_bytes: int = 1) -> Reading:
    return Reading(at_ns, subject, "api", incarnation, rss_bytes, 2, 3.5, 4, 5)


def failure(at_ns: int = 1) -> Failure:
    return Failure.of(LOGIN, Outcome.CUT, at_ns=at_ns, worker="worker-1", detail="reset", served_by="api-0@10")


def test_events_come_back_in_order_of_time_with_their_data(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.write(EventKind.USERS, at_ns=2, users=5, note="größer")
    timeline.write(EventKind.PHASE, at_ns=1, phase="load")
    timeline.close()
    timeline.close()
    assert read_timeline(tmp_path / "timeline.jsonl") == (
        [Event(1, EventKind.PHASE, {"phase": "load"}), Event(2, EventKind.USERS, {"users": 5, "note": "größer"})],
        [],
    )


def test_a_torn_last_line_is_named_and_all_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_bytes(b'{"at_ns":1,"kind":"phase","phase":"load"}\n{"at_ns":2,"ki')
    events, (damage,) = read_timeline(path)
    assert [event.at_ns for event in events] == [1]
    assert str(damage) == "timeline.jsonl: 14 bytes at offset 42 are unreadable (torn last line)"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"\xff\xfe\x00",
        b"[1]",
        b"[" * 100_000,
        b'{"at_ns":"1","kind":"phase"}',
        b'{"at_ns":9763000000000000000000,"kind":"phase"}',
        b'{"at_ns":1e400,"kind":"phase"}',
        b'{"at_ns":1,"kind":"unheard-of"}',
        b'{"kind":"phase"}',
    ],
    ids=lambda line: line[:30].decode(errors="replace"),
)
def test_a_line_that_is_no_event_is_named_and_does_not_hide_the_next(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_bytes(line + b'\n{"at_ns":7,"kind":"phase"}\n')
    events, (damage,) = read_timeline(path)
    assert [event.at_ns for event in events] == [7]
    assert (damage.offset, damage.length) == (0, len(line) + 1)


def test_a_writer_does_not_lose_its_first_line_to_one_that_a_killed_writer_left_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_bytes(b'{"at_ns":1,"ki')
    timeline = Timeline(path)
    timeline.write(EventKind.WARNING, at_ns=2, message="recovered")
    timeline.close()
    events, damages = read_timeline(path)
    assert [event.at_ns for event in events] == [2]
    assert len(damages) == 1


def test_two_writers_of_one_file_never_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    first, second = JsonLines(path), JsonLines(path)
    for number in range(50):
        first.append({"first": number, "padding": "x" * 500})
        second.append({"second": number})
    first.close()
    second.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["second"] for line in lines if "second" in line] == list(range(50))
    assert [line["first"] for line in lines if "first" in line] == list(range(50))


def test_a_process_of_its_own_does_not_inherit_the_open_file(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "timeline.jsonl")
    assert not os.get_inheritable(lines._descriptor)
    lines.close()


def test_a_tail_passes_over_lines_that_are_no_events(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_bytes(b'{"at_ns":1,"kind":"phase"}\nbroken\n{"at_ns":2,"kind":"users"}\n')
    assert [event.at_ns for event in TimelineTail(path).read()] == [1, 2]


def test_readings_come_back_as_one_series_per_incarnation_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    writer = ReadingWriter(path)
    writer.write([reading(2, rss_bytes=20), reading(1, rss_bytes=10)])
    writer.write([reading(3, incarnation="11@2.50")])
    writer.close()
    (before, after), damages = read_readings(path)
    assert (before.subject, before.role, before.incarnation) == ("api-0", "api", "10@1.50")
    assert (before.at_ns.tolist(), before.rss_bytes.tolist(), before.cpu_s.tolist()) == ([1, 2], [10, 20], [3.5, 3.5])
    assert (after.incarnation, after.at_ns.dtype) == ("11@2.50", np.int64)
    assert damages == []


@pytest.mark.parametrize("change", [{"rss_bytes": "1"}, {"at_ns": 2**63}, {"cpu_s": float("nan")}, {"threads": None}])
def test_a_reading_with_an_impossible_value_is_named_and_left_out(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "readings.jsonl"
    writer = ReadingWriter(path)
    writer.write([reading(1)])
    writer.close()
    broken = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_text(path.read_text(encoding="utf-8") + json.dumps(broken) + "\n", encoding="utf-8")
    (series,), (damage,) = read_readings(path)
    assert series.at_ns.tolist() == [1]
    assert damage.what.startswith("not a reading: {'at_ns'")


def test_failures_come_back_in_order_of_time(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "failures.jsonl")
    for at_ns in (2, 1):
        lines.append(failure(at_ns).record())
    lines.close()
    assert read_failures(tmp_path / "failures.jsonl") == ([failure(1), failure(2)], [])
    assert failure().endpoint == LOGIN


@pytest.mark.parametrize("change", [{"kind": "NONE"}, {"outcome": "SLOW"}, {"at_ns": None}])
def test_a_failure_of_an_unknown_form_is_named_and_left_out(tmp_path: Path, change: dict[str, object]) -> None:
    lines = JsonLines(tmp_path / "failures.jsonl")
    lines.append(failure().record() | change)
    lines.append(failure().record())
    lines.close()
    failures, (damage,) = read_failures(tmp_path / "failures.jsonl")
    assert failures == [failure()]
    assert damage.what.startswith("not a failure")


@pytest.mark.parametrize("read", [read_timeline, read_readings, read_failures])
def test_a_missing_file_is_empty(tmp_path: Path, read) -> None:
    assert read(tmp_path / "missing.jsonl") == ([], [])
