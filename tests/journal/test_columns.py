"""Columns hold what the frames hold: compared with a slow reading, frame by frame and endpoint by endpoint."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journal.columns import FrameColumns, merge, read_columns
from journal.frame_file import FrameWriter
from journal.frame_table import BucketTable
from journal.frames import EndpointSecond, Frame, OutcomeSecond, encode
from journal.histogram import BUCKETS, Histogram
from journal.outcomes import Endpoint, Kind, Outcome
from tests.journal.frame_strategies import runs_of_frames

LOGIN = Endpoint(Kind.REQUEST, "auth", "POST /auth/login")
START = 1_700_000_000


def frame(sequence: int, second: int = 0, *, worker: str = "worker-1", count: int = 1, **more: bool) -> Frame:
    ended = OutcomeSecond(count, {200_000: 1}, {"service": {100: count}})
    seen = EndpointSecond(started=count, in_flight=2, outcomes={Outcome.OK: ended})
    return Frame(worker, sequence, START + second, users=5, endpoints={LOGIN: seen}, **more)


def distinct(frames: list[Frame]) -> list[Frame]:
    """The first frame of each worker and sequence number."""
    return list({(frame.worker, frame.sequence): frame for frame in reversed(frames)}.values())


def newest_of_their_second(frames: list[Frame]) -> list[Frame]:
    ordered = sorted(frames, key=lambda frame: frame.sequence)
    return list({(frame.worker, frame.second): frame for frame in ordered}.values())


def nonzero(columns: FrameColumns, values: np.ndarray) -> dict[tuple[int, ...], int]:  # type: ignore[type-arg]
    """{(…, second): value}, with the epoch second instead of the column."""
    return {
        (*(int(place) for place in where[:-1]), int(where[-1]) + columns.first_second): int(values[tuple(where)])
        for where in np.argwhere(values)
    }


@given(runs_of_frames())
def test_counts_equal_those_added_up_one_by_one(frames: list[Frame]) -> None:
    columns = merge(frames)
    row = columns.endpoints.index
    count: Counter[tuple[int, ...]] = Counter()
    over: Counter[tuple[int, ...]] = Counter()
    started: Counter[tuple[int, ...]] = Counter()
    for one in distinct(frames):
        for endpoint, seen in one.endpoints.items():
            started[row(endpoint), one.second] += seen.started
            for outcome, ended in seen.outcomes.items():
                count[row(endpoint), outcome, one.second] += ended.count
                for threshold_us, slow in ended.over.items():
                    over[columns.thresholds_us.index(threshold_us), row(endpoint), outcome, one.second] += slow
    assert nonzero(columns, columns.count) == +count
    assert nonzero(columns, columns.over) == +over
    assert nonzero(columns, columns.started) == +started


@given(runs_of_frames())
def test_users_in_flight_and_reporting_workers_are_those_at_the_end_of_each_second(frames: list[Frame]) -> None:
    columns = merge(frames)
    users: Counter[tuple[int, ...]] = Counter()
    in_flight: Counter[tuple[int, ...]] = Counter()
    reporting: Counter[tuple[int, ...]] = Counter()
    for one in newest_of_their_second(distinct(frames)):
        users[one.second,] += one.users
        reporting[one.second,] += 1
        for endpoint, seen in one.endpoints.items():
            in_flight[columns.endpoints.index(endpoint), one.second] += seen.in_flight
    assert nonzero(columns, columns.users) == +users
    assert nonzero(columns, columns.in_flight) == +in_flight
    assert nonzero(columns, columns.reporting) == +reporting


@given(runs_of_frames(min_size=1), st.data())
def test_a_histogram_merges_the_chosen_endpoint_outcome_and_seconds(frames: list[Frame], data: st.DataObject) -> None:
    columns = merge(frames)
    within = np.array(data.draw(st.lists(st.booleans(), min_size=columns.users.size, max_size=columns.users.size)))
    expected = Histogram()
    for one in distinct(frames):
        for endpoint, seen in one.endpoints.items():
            ended = seen.outcomes.get(Outcome.TIMEOUT)
            if endpoint.kind is Kind.REQUEST and ended and within[one.second - columns.first_second]:
                expected += Histogram.from_sparse(ended.histograms.get("lag", {}))
    rows = [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.REQUEST]
    assert columns.histogram(rows, name="lag", outcomes=(Outcome.TIMEOUT,), within=within) == expected


@given(runs_of_frames())
def test_each_worker_is_recorded_with_its_gaps(frames: list[Frame]) -> None:
    records = {worker.name: worker for worker in merge(frames).workers}
    assert list(records) == sorted({one.worker for one in frames})
    for name, record in records.items():
        mine = [one for one in distinct(frames) if one.worker == name]
        numbers = {one.sequence for one in mine}
        newest = max(mine, key=lambda one: one.sequence)
        assert record.frames == len(numbers)
        assert set(record.missing) == set(range(1, max(numbers) + 1)) - numbers
        assert (record.first_second, record.last_second) == (min(f.second for f in mine), max(f.second for f in mine))
        assert record.complete == any(one.last for one in mine)
        assert record.unfinished == sum(
            seen.in_flight for endpoint, seen in newest.endpoints.items() if endpoint.kind is Kind.REQUEST
        )


@given(runs_of_frames())
def test_the_requests_of_each_worker_are_those_of_all_its_frames(frames: list[Frame]) -> None:
    started, answered, cut = Counter[str](), Counter[str](), Counter[str]()
    for one in distinct(frames):
        for endpoint, seen in one.endpoints.items():
            if endpoint.kind is Kind.REQUEST:
                started[one.worker] += seen.started
                for outcome, ended in seen.outcomes.items():
                    (answered if outcome.answered else cut)[one.worker] += ended.count
    for worker in merge(frames).workers:
        assert (worker.started, worker.answered, worker.cut) == tuple(
            total[worker.name] for total in (started, answered, cut)
        )


def test_a_frame_that_arrives_twice_counts_once() -> None:
    columns = merge([frame(1, count=7), frame(1, count=7)])
    assert columns.count.sum() == 7
    assert columns.workers[0].frames == 1


def test_a_missing_sequence_number_is_named() -> None:
    (worker,) = merge([frame(1, 0), frame(4, 3, last=True)]).workers
    assert worker.missing == (2, 3)
    assert worker.complete


def test_a_worker_that_ends_within_a_second_it_reported_already_counts_as_one() -> None:
    columns = merge([frame(1, 0), frame(2, 0, last=True)])
    assert columns.reporting.tolist() == [1]
    assert columns.users.tolist() == [5]
    assert columns.in_flight.tolist() == [[2]]
    assert columns.count.sum() == 2


def test_a_frame_from_another_age_is_named_instead_of_stretching_the_columns(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "frames.bin")
    for one in (frame(1, 0), frame(2, 1), Frame("worker-2", 1, 0, 5, {})):
        writer.append(one)
    writer.close()
    columns = read_columns(tmp_path / "frames.bin")
    assert columns.users.size == 2
    assert [worker.name for worker in columns.workers] == ["worker-1"]
    assert [str(damage) for damage in columns.damages] == [
        f"frames.bin: frame 1 of worker-2 is dated {START} s away from the others"
    ]


def test_a_file_is_read_past_its_damage(tmp_path: Path) -> None:
    path = tmp_path / "frames.bin"
    path.write_bytes(encode(frame(1, 0)) + b"damage" + encode(frame(2, 1)) + encode(frame(3, 2))[:-1])
    columns = read_columns(path)
    assert columns.count.sum() == 2
    assert [(damage.path, damage.what) for damage in columns.damages] == [
        ("frames.bin", "no sync word"),
        ("frames.bin", "torn frame"),
    ]


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_is_missing_or_empty_has_no_seconds(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "frames.bin"
    if content is not None:
        path.write_bytes(content)
    columns = read_columns(path)
    assert columns.seconds.size == 0
    assert (columns.endpoints, columns.workers, columns.damages) == ((), (), ())
    assert len(columns.histogram([])) == 0


def test_the_histograms_of_many_workers_take_the_room_of_one() -> None:
    alone = merge([frame(sequence, sequence) for sequence in range(1, 20)])
    many = merge([frame(sequence, sequence, worker=f"w{n}") for sequence in range(1, 20) for n in range(30)])
    assert many.histograms.count.size == alone.histograms.count.size == 19
    assert many.histograms.count.sum() == 30 * alone.histograms.count.sum()


@given(st.lists(st.tuples(st.integers(0, 5), st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 2**32 - 1)))))
@example([(0, {}), (5, {BUCKETS - 1: 2**32 - 1})])
def test_buckets_add_up_however_many_are_merged_at_a_time(histograms: list[tuple[int, dict[int, int]]]) -> None:
    for at_a_time in (1, 7, 1_000):
        table, expected = BucketTable(at_a_time), Counter[tuple[int, int]]()
        for place, buckets in histograms:
            table.add(place, buckets)
            expected.update({(place, index): count for index, count in buckets.items()})
        found: Counter[tuple[int, int]] = Counter()
        for place, index, count in zip(*(column.tolist() for column in table.rows()), strict=True):
            found[place, index] += count
        assert found == expected


def test_frames_of_a_wrong_date_leave_nothing_in_the_histograms(tmp_path: Path) -> None:
    path = tmp_path / "frames.bin"
    path.write_bytes(b"".join(encode(frame(number, second)) for number, second in enumerate([0, 1, 2, 10**7, 3], 1)))
    columns = read_columns(path)
    assert columns.histogram([0]).counts.sum() == 4
    assert columns.histograms.second.tolist() == [0, 1, 2, 3]
