"""All frames of a run as numpy columns: exact counts per endpoint, outcome and second, and merged histograms."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from journal.frame_file import Damage, scan
from journal.frame_table import FrameTable
from journal.frames import Frame
from journal.histogram import BUCKETS, Histogram
from journal.outcomes import Endpoint, Kind, Outcome

OUTCOMES = len(Outcome)
LONGEST_SILENCE_S = 3600


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What arrived from one worker; `missing` lists the sequence numbers that never did, `complete` its orderly end.

    `unfinished`: the requests that were still open at the end of its last frame. `started`, `answered` and `cut` count
    the requests of all its frames.
    """

    name: str
    frames: int
    missing: tuple[int, ...]
    first_second: int
    last_second: int
    complete: bool
    unfinished: int
    started: int = 0
    answered: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class HistogramColumns:
    """Every used bucket of every second, endpoint, outcome and name, merged over the workers.

    A row each; a few buckets may have two, whose counts add up.
    """

    name: NDArray[np.int32]
    endpoint: NDArray[np.int32]
    outcome: NDArray[np.int8]
    second: NDArray[np.int32]
    index: NDArray[np.int32]
    count: NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """S seconds from `first_second` on, E endpoints, O outcomes, T thresholds.

    count, shape (E, O, S): operations by second of completion. over, shape (T, E, O, S): those at or above a
    threshold. started, shape (E, S): by second of intended start. in_flight, shape (E, S), and users, shape (S,): at
    the end of the second. reporting, shape (S,): how many workers sent a frame for this second; where it is less than
    expected, a zero elsewhere means "not known".
    """

    first_second: int
    endpoints: tuple[Endpoint, ...]
    thresholds_us: tuple[int, ...]
    count: NDArray[np.int64]
    over: NDArray[np.int64]
    started: NDArray[np.int64]
    in_flight: NDArray[np.int64]
    users: NDArray[np.int64]
    reporting: NDArray[np.int64]
    histograms: HistogramColumns
    workers: tuple[WorkerRecord, ...]
    damages: tuple[Damage, ...]

    @property
    def seconds(self) -> NDArray[np.int64]:
        """The epoch second of each column."""
        return self.first_second + np.arange(self.users.size)

    def histogram(
        self,
        endpoints: Sequence[int],
        *,
        name: str = "service",
        outcomes: Sequence[Outcome] = (Outcome.OK,),
        within: NDArray[np.bool_] | None = None,
    ) -> Histogram:
        """The merged histogram of some endpoints (by index) and outcomes, in the seconds where `within` is true."""
        table = self.histograms
        if name not in table.names:
            return Histogram()
        chosen = (table.name == table.names.index(name)) & np.isin(table.endpoint, endpoints)
        chosen &= np.isin(table.outcome, [int(outcome) for outcome in outcomes])
        if within is not None:
            chosen &= within[table.second]
        weights = table.count[chosen]
        counts = np.bincount(table.index[chosen], weights=weights, minlength=BUCKETS)
        return Histogram(counts.astype(np.int64))


def read_columns(path: Path) -> FrameColumns:
    """The columns of a file of frames; damage is named in them, a missing file has no seconds."""
    table, damages = FrameTable(), []
    with _contents(path) as data:
        for found in scan(data, path.name):
            if isinstance(found, Damage):
                damages.append(found)
            else:
                table.add(found)
    return _columns(table, damages, path.name)


@contextmanager
def _contents(path: Path) -> Iterator[bytes | mmap]:
    """What is in a file, without holding it in memory; nothing if there is no such file."""
    if not path.exists() or not path.stat().st_size:
        yield b""
        return
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        yield mapped


def merge(frames: Iterable[Frame]) -> FrameColumns:
    """The columns of some frames; a frame that arrived twice (same worker and sequence) counts once."""
    table = FrameTable()
    for frame in frames:
        table.add(frame)
    return _columns(table, [], "")


def _columns(table: FrameTable, damages: list[Damage], path: str) -> FrameColumns:
    kept, strays = _without_strays(table, path)
    second = table.frames[2]
    first = int(second[kept].min(initial=np.iinfo(np.int64).max)) if kept.any() else 0
    length = int(second[kept].max()) + 1 - first if kept.any() else 0
    return _Assembly(table, kept, first, length).columns(tuple(damages) + strays)


def _without_strays(table: FrameTable, path: str) -> tuple[NDArray[np.bool_], tuple[Damage, ...]]:
    """Which frames to keep: a date far from all others would stretch the columns beyond all memory."""
    worker, sequence, second = table.frames[:3]
    if second.size == 0:
        return np.zeros(0, dtype=bool), ()
    middle = int(np.median(second))
    away_s = np.abs(second.astype(np.float64) - middle)
    kept = away_s <= second.size + LONGEST_SILENCE_S
    names = tuple(table.workers)
    return kept, tuple(
        Damage(path, 0, 0, f"frame {sequence[i]} of {names[worker[i]]} is dated {away_s[i]:.0f} s away from the others")
        for i in np.flatnonzero(~kept)
    )


class _Assembly:
    """Scatters the rows of a table into arrays of the final shape."""

    def __init__(self, table: FrameTable, kept: NDArray[np.bool_], first: int, length: int) -> None:
        self.table = table
        self.kept = kept
        self.first = first
        self.length = length
        self.endpoints = tuple(sorted(table.endpoints))
        rank = {endpoint: row for row, endpoint in enumerate(self.endpoints)}
        self.row = np.array([rank[endpoint] for endpoint in table.endpoints], dtype=np.int64)
        self.column = np.where(kept, table.frames[2] - first, 0)

    def columns(self, damages: tuple[Damage, ...]) -> FrameColumns:
        """Everything, for all kept frames."""
        latest = self._latest_of_their_second()
        size, length = len(self.endpoints), self.length
        frame, endpoint, started, in_flight = self._of_kept(self.table.started)
        place = self.row[endpoint], self.column[frame]
        thresholds_us, over = self._over()
        return FrameColumns(
            first_second=self.first,
            endpoints=self.endpoints,
            thresholds_us=thresholds_us,
            count=self._count(),
            over=over,
            started=_scatter((size, length), place, started),
            in_flight=_scatter((size, length), place, np.where(latest[frame], in_flight, 0)),
            users=_scatter((length,), (self.column[latest],), self.table.frames[3][latest]),
            reporting=_scatter((length,), (self.column[latest],), np.ones(int(latest.sum()), dtype=np.int64)),
            histograms=self._histograms(),
            workers=tuple(self._workers()),
            damages=damages,
        )

    def _of_kept(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(rows[:, self.kept[rows[0]]])

    def _latest_of_their_second(self) -> NDArray[np.bool_]:
        """Where a worker sent several frames for one second, only its last says how things stood at the end."""
        worker, sequence, second = self.table.frames[:3]
        order = np.lexsort((sequence, second, worker))
        order = order[self.kept[order]]
        newer = (np.diff(worker[order]) == 0) & (np.diff(second[order]) == 0)
        latest = self.kept.copy()
        latest[order[:-1][newer]] = False
        return latest

    def _count(self) -> NDArray[np.int64]:
        frame, endpoint, outcome, count = self._of_kept(self.table.ended)
        shape = (len(self.endpoints), OUTCOMES, self.length)
        return _scatter(shape, (self.row[endpoint], outcome, self.column[frame]), count)

    def _over(self) -> tuple[tuple[int, ...], NDArray[np.int64]]:
        frame, endpoint, outcome, threshold_us, count = self._of_kept(self.table.over)
        thresholds_us, plane = np.unique(threshold_us, return_inverse=True)
        shape = (thresholds_us.size, len(self.endpoints), OUTCOMES, self.length)
        place = plane, self.row[endpoint], outcome, self.column[frame]
        return tuple(int(threshold) for threshold in thresholds_us), _scatter(shape, place, count)

    def _histograms(self) -> HistogramColumns:
        second, endpoint, outcome, name = self.table.places
        place, index, count = self.table.buckets()
        if not self.kept.all():
            # strays are told by their second alone, and lie outside of all others
            kept = ((second >= self.first) & (second < self.first + self.length))[place]
            place, index, count = place[kept], index[kept], count[kept]

        def per_bucket(values: NDArray[np.int64], dtype: type) -> NDArray[Any]:
            return np.asarray(values.astype(dtype)[place])

        return HistogramColumns(
            name=per_bucket(name, np.int32),
            endpoint=per_bucket(self.row[endpoint], np.int32),
            outcome=per_bucket(outcome, np.int8),
            second=per_bucket(second - self.first, np.int32),
            index=index,
            count=count,
            names=tuple(self.table.names),
        )

    def _workers(self) -> Iterator[WorkerRecord]:
        requests = self._requests()
        for name, number in sorted(self.table.workers.items()):
            mine = np.flatnonzero((self.table.frames[0] == number) & self.kept)
            if mine.size:
                yield self._worker(name, mine, requests[:, number])

    def _requests(self) -> NDArray[np.int64]:
        """Requests that were started, answered and cut, by worker, shape (3, workers)."""
        is_request = np.array([endpoint.kind is Kind.REQUEST for endpoint in self.table.endpoints], dtype=bool)
        answered = np.array([outcome.answered for outcome in Outcome], dtype=bool)
        frame, endpoint, started, _ = self.table.started
        total = np.zeros((3, len(self.table.workers)), dtype=np.int64)
        by = self.table.frames[0]
        np.add.at(total[0], by[frame], np.where(is_request[endpoint], started, 0))
        frame, endpoint, outcome, count = self.table.ended
        np.add.at(total, (np.where(answered[outcome], 1, 2), by[frame]), np.where(is_request[endpoint], count, 0))
        return total

    def _worker(self, name: str, mine: NDArray[np.int64], requests: NDArray[np.int64]) -> WorkerRecord:
        _, sequence, second, _, last = self.table.frames
        numbers = {int(value) for value in sequence[mine]}
        return WorkerRecord(
            name=name,
            frames=len(numbers),
            missing=tuple(sorted(set(range(1, max(numbers) + 1)) - numbers)),
            first_second=int(second[mine].min()),
            last_second=int(second[mine].max()),
            complete=bool(last[mine].any()),
            unfinished=self._open_requests(int(mine[np.argmax(sequence[mine])])),
            started=int(requests[0]),
            answered=int(requests[1]),
            cut=int(requests[2]),
        )

    def _open_requests(self, number: int) -> int:
        frame, endpoint, _, in_flight = self.table.started
        is_request = np.array([endpoint.kind is Kind.REQUEST for endpoint in self.table.endpoints], dtype=bool)
        return int(in_flight[(frame == number) & is_request[endpoint]].sum())


def _scatter(
    shape: tuple[int, ...], place: tuple[NDArray[np.int64], ...], values: NDArray[np.int64]
) -> NDArray[np.int64]:
    total = np.zeros(shape, dtype=np.int64)
    np.add.at(total, place, values)
    return total
