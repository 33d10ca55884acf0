"""All frames of a run as numpy columns: exact counts per endpoint, outcome and second, and merged histograms."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from journal.frame_file import Damage, scan
from journal.frames import Frame
from journal.histogram import BUCKETS, Histogram
from journal.outcomes import Endpoint, Kind, Outcome

OUTCOMES = len(Outcome)


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What arrived from one worker; `missing` lists the sequence numbers that never did, `complete` its orderly end.

    `unfinished`: the requests that were still open at the end of its last frame.
    """

    name: str
    frames: int
    missing: tuple[int, ...]
    first_second: int
    last_second: int
    complete: bool
    unfinished: int


@dataclass(frozen=True, slots=True)
class HistogramColumns:
    """Every used bucket of every frame, one row each."""

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
    threshold. started, shape (E, S): by second of intended start. in_flight, shape (E, S). users, shape (S,).
    reporting, shape (S,): how many workers sent a frame for this second; where it is less than expected, a zero
    elsewhere means "not known".
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
    data = path.read_bytes() if path.exists() else b""
    frames: list[Frame] = []
    damages: list[Damage] = []
    for found in scan(data, path.name):
        (frames if isinstance(found, Frame) else damages).append(found)  # type: ignore[arg-type]
    return merge(frames, damages)


def merge(frames: Iterable[Frame], damages: Iterable[Damage] = ()) -> FrameColumns:
    """The columns of some frames; a frame that arrived twice (same worker and sequence) counts once."""
    unique = list({(frame.worker, frame.sequence): frame for frame in frames}.values())
    first = min((frame.second for frame in unique), default=0)
    length = max((frame.second for frame in unique), default=-1) + 1 - first if unique else 0
    endpoints = tuple(sorted({endpoint for frame in unique for endpoint in frame.endpoints}))
    filler = _Filler(first, length, endpoints, _thresholds(unique))
    for frame in unique:
        filler.add(frame)
    return filler.columns(_workers(unique), tuple(damages))


def _thresholds(frames: Iterable[Frame]) -> tuple[int, ...]:
    found = {
        threshold_us
        for frame in frames
        for seen in frame.endpoints.values()
        for ended in seen.outcomes.values()
        for threshold_us in ended.over
    }
    return tuple(sorted(found))


def _workers(frames: list[Frame]) -> tuple[WorkerRecord, ...]:
    by_name: dict[str, list[Frame]] = {}
    for frame in frames:
        by_name.setdefault(frame.worker, []).append(frame)
    return tuple(_worker(name, sent) for name, sent in sorted(by_name.items()))


def _worker(name: str, frames: list[Frame]) -> WorkerRecord:
    numbers = {frame.sequence for frame in frames}
    newest = max(frames, key=lambda frame: frame.sequence)
    return WorkerRecord(
        name=name,
        frames=len(frames),
        missing=tuple(sorted(set(range(1, max(numbers) + 1)) - numbers)),
        first_second=min(frame.second for frame in frames),
        last_second=max(frame.second for frame in frames),
        complete=any(frame.last for frame in frames),
        unfinished=sum(seen.in_flight for endpoint, seen in newest.endpoints.items() if endpoint.kind is Kind.REQUEST),
    )


class _Filler:
    """Adds frames into arrays of the final shape."""

    def __init__(self, first: int, length: int, endpoints: tuple[Endpoint, ...], thresholds: tuple[int, ...]) -> None:
        self.first = first
        self.endpoints = endpoints
        self.thresholds = thresholds
        self.row = {endpoint: index for index, endpoint in enumerate(endpoints)}
        self.plane = {threshold_us: index for index, threshold_us in enumerate(thresholds)}
        size = len(endpoints)
        self.count = np.zeros((size, OUTCOMES, length), dtype=np.int64)
        self.over = np.zeros((len(thresholds), size, OUTCOMES, length), dtype=np.int64)
        self.started = np.zeros((size, length), dtype=np.int64)
        self.in_flight = np.zeros((size, length), dtype=np.int64)
        self.users = np.zeros(length, dtype=np.int64)
        self.reporting = np.zeros(length, dtype=np.int64)
        self.names: dict[str, int] = {}
        self.buckets: list[NDArray[np.int64]] = []

    def add(self, frame: Frame) -> None:
        column = frame.second - self.first
        self.users[column] += frame.users
        self.reporting[column] += 1
        for endpoint, seen in frame.endpoints.items():
            row = self.row[endpoint]
            self.started[row, column] += seen.started
            self.in_flight[row, column] += seen.in_flight
            for outcome, ended in seen.outcomes.items():
                self.count[row, outcome, column] += ended.count
                for threshold_us, slow in ended.over.items():
                    self.over[self.plane[threshold_us], row, outcome, column] += slow
                for name, buckets in ended.histograms.items():
                    self._add_histogram(name, row, outcome, column, buckets)

    def _add_histogram(self, name: str, row: int, outcome: Outcome, column: int, buckets: Mapping[int, int]) -> None:
        number = self.names.setdefault(name, len(self.names))
        rows = np.empty((6, len(buckets)), dtype=np.int64)
        rows[0], rows[1], rows[2], rows[3] = number, row, outcome, column
        rows[4] = list(buckets.keys())
        rows[5] = list(buckets.values())
        self.buckets.append(rows)

    def columns(self, workers: tuple[WorkerRecord, ...], damages: tuple[Damage, ...]) -> FrameColumns:
        table = np.concatenate(self.buckets, axis=1) if self.buckets else np.zeros((6, 0), dtype=np.int64)
        histograms = HistogramColumns(
            name=table[0].astype(np.int32),
            endpoint=table[1].astype(np.int32),
            outcome=table[2].astype(np.int8),
            second=table[3].astype(np.int32),
            index=table[4].astype(np.int32),
            count=table[5],
            names=tuple(self.names),
        )
        return FrameColumns(
            first_second=self.first,
            endpoints=self.endpoints,
            thresholds_us=self.thresholds,
            count=self.count,
            over=self.over,
            started=self.started,
            in_flight=self.in_flight,
            users=self.users,
            reporting=self.reporting,
            histograms=histograms,
            workers=workers,
            damages=damages,
        )
