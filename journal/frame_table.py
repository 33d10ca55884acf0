"""Frames as they come, flattened into columns of numbers: eight bytes for what would be a hundred as Python objects."""

from array import array
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from journal.frames import Frame, OutcomeSecond
from journal.histogram import BUCKETS
from journal.outcomes import Endpoint, Outcome

MERGED_AT_A_TIME = 2_000_000


class BucketTable:
    """Histograms, each of a place that is named by a number; those of one place are merged while they come.

    Many workers tell of the same second, so that what is kept grows with the seconds and not with the workers.
    """

    def __init__(self, at_a_time: int = MERGED_AT_A_TIME) -> None:
        self._at_a_time = at_a_time
        self._sizes = array("q")
        self._indices = array("I")
        self._counts = array("I")
        self._merged: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def add(self, place: int, buckets: Mapping[int, int]) -> None:
        """Takes one histogram."""
        self._sizes.extend((place, len(buckets)))
        self._indices.extend(buckets.keys())
        self._counts.extend(buckets.values())
        if len(self._indices) >= self._at_a_time:
            self._merge()

    def _merge(self) -> None:
        place, size = _rows(self._sizes, 2)
        keys = np.repeat(place, size) * BUCKETS + np.array(self._indices, dtype=np.int64)
        counts = np.array(self._counts, dtype=np.int64)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        if begins.size:
            self._merged.append((keys[begins], np.add.reduceat(counts[order], begins)))
        for raw in (self._sizes, self._indices, self._counts):
            del raw[:]

    def rows(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Places, bucket indices and their counts; a place that came in pieces may have a bucket more than once."""
        self._merge()
        nothing = np.zeros(0, dtype=np.int64)
        keys = np.concatenate([nothing, *(keys for keys, _ in self._merged)])
        counts = np.concatenate([nothing, *(counts for _, counts in self._merged)])
        self._merged = [(keys, counts)]  # the pieces would take their room a second time
        return (keys // BUCKETS).astype(np.int32), (keys % BUCKETS).astype(np.int32), counts


class FrameTable:
    """Tables that grow by a frame at a time; a frame that comes twice (worker, sequence) is taken once.

    Endpoints, workers and histogram names are numbered in order of first appearance, and so are the places of
    histograms: second, endpoint, outcome, name. `frame` is a row of `frames`.
    """

    def __init__(self) -> None:
        self.workers: dict[str, int] = {}
        self.endpoints: dict[Endpoint, int] = {}
        self.names: dict[str, int] = {}
        self._seen: set[tuple[int, int]] = set()
        self._frames = array("q")
        self._started = array("q")
        self._ended = array("q")
        self._over = array("q")
        self._places: dict[tuple[int, int, int, int], int] = {}
        self._buckets = BucketTable()

    def add(self, frame: Frame) -> None:
        """Takes one frame."""
        worker = self.workers.setdefault(frame.worker, len(self.workers))
        if (worker, frame.sequence) in self._seen:
            return
        number = len(self._seen)
        self._seen.add((worker, frame.sequence))
        self._frames.extend((worker, frame.sequence, frame.second, frame.users, frame.last))
        for endpoint, seen in frame.endpoints.items():
            row = self.endpoints.setdefault(endpoint, len(self.endpoints))
            self._started.extend((number, row, seen.started, seen.in_flight))
            for outcome, ended in seen.outcomes.items():
                self._add_outcome(number, frame.second, row, outcome, ended)

    def _add_outcome(self, frame: int, second: int, endpoint: int, outcome: Outcome, ended: OutcomeSecond) -> None:
        self._ended.extend((frame, endpoint, outcome, ended.count))
        for threshold_us, count in ended.over.items():
            self._over.extend((frame, endpoint, outcome, threshold_us, count))
        for name, buckets in ended.histograms.items():
            place = (second, endpoint, int(outcome), self.names.setdefault(name, len(self.names)))
            self._buckets.add(self._places.setdefault(place, len(self._places)), buckets)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Rows: worker, sequence, second, users, last."""
        return _rows(self._frames, 5)

    @property
    def started(self) -> NDArray[np.int64]:
        """Rows: frame, endpoint, started, in flight."""
        return _rows(self._started, 4)

    @property
    def ended(self) -> NDArray[np.int64]:
        """Rows: frame, endpoint, outcome, count."""
        return _rows(self._ended, 4)

    @property
    def over(self) -> NDArray[np.int64]:
        """Rows: frame, endpoint, outcome, threshold in µs, count."""
        return _rows(self._over, 5)

    @property
    def places(self) -> NDArray[np.int64]:
        """Rows: second, endpoint, outcome, name."""
        return np.array(list(self._places), dtype=np.int64).reshape(-1, 4).T

    def buckets(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Every used bucket: the place of its histogram, its index, its count."""
        return self._buckets.rows()


def _rows(numbers: "array[int]", width: int) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64).reshape(-1, width).T
