"""Frames as they come, flattened into columns of numbers: eight bytes for what would be a hundred as Python objects."""

from array import array

import numpy as np
from numpy.typing import NDArray

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.outcomes import Endpoint, Outcome


class FrameTable:
    """Five tables that grow by a frame at a time; a frame that comes twice (worker, sequence) is taken once.

    Endpoints, workers and histogram names are numbered in order of first appearance; `frame` is a row of `frames`.
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
        self._histograms = array("q")
        self._indices = array("I")
        self._counts = array("I")

    def add(self, frame: Frame) -> None:
        """Takes one frame."""
        worker = self.workers.setdefault(frame.worker, len(self.workers))
        if (worker, frame.sequence) in self._seen:
            return
        number = len(self._seen)
        self._seen.add((worker, frame.sequence))
        self._frames.extend((worker, frame.sequence, frame.second, frame.users, frame.last))
        for endpoint, seen in frame.endpoints.items():
            self._add_endpoint(number, self.endpoints.setdefault(endpoint, len(self.endpoints)), seen)

    def _add_endpoint(self, frame: int, endpoint: int, seen: EndpointSecond) -> None:
        self._started.extend((frame, endpoint, seen.started, seen.in_flight))
        for outcome, ended in seen.outcomes.items():
            self._add_outcome(frame, endpoint, outcome, ended)

    def _add_outcome(self, frame: int, endpoint: int, outcome: Outcome, ended: OutcomeSecond) -> None:
        self._ended.extend((frame, endpoint, outcome, ended.count))
        for threshold_us, count in ended.over.items():
            self._over.extend((frame, endpoint, outcome, threshold_us, count))
        for name, buckets in ended.histograms.items():
            number = self.names.setdefault(name, len(self.names))
            self._histograms.extend((frame, endpoint, outcome, number, len(buckets)))
            self._indices.extend(buckets.keys())
            self._counts.extend(buckets.values())

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
    def histograms(self) -> NDArray[np.int64]:
        """Rows: frame, endpoint, outcome, name, number of buckets (the next so many of `buckets`)."""
        return _rows(self._histograms, 5)

    @property
    def buckets(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Bucket indices and their counts, of all histograms one after the other."""
        return np.array(self._indices, dtype=np.uint32), np.array(self._counts, dtype=np.uint32)


def _rows(numbers: "array[int]", width: int) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64).reshape(-1, width).T
