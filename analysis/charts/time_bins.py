"""The time axis of every drawing: seconds since the load began, gathered into at most some hundred bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journal.columns import FrameColumns

MAX_BINS = 600
_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True)
class TimeBins:
    """N bins of `width_s` over S recorded seconds.

    starts_s, shape (N,): their beginning in seconds since the load began, negative in the warm-up.
    bin_of, shape (S,): the bin of each second. known, shape (S,): whether every worker reported that second.
    """

    width_s: int
    starts_s: NDArray[np.float64]
    bin_of: NDArray[np.int64]
    known: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """The number of bins."""
        return int(self.starts_s.size)

    @property
    def begin_s(self) -> float:
        """Where the axis begins."""
        return float(self.starts_s[0]) if self.size else 0.0

    @property
    def end_s(self) -> float:
        """Where the axis ends."""
        return float(self.starts_s[-1]) + self.width_s if self.size else 1.0

    @property
    def centres_s(self) -> NDArray[np.float64]:
        """Where a bin's point is drawn."""
        return self.starts_s + self.width_s / 2

    @property
    def known_seconds(self) -> NDArray[np.int64]:
        """How many seconds of each bin are known, shape (N,)."""
        return np.bincount(self.bin_of[self.known], minlength=self.size)

    def sums(self, per_second: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of a (S,) array over the known seconds of each bin; NaN where none is known."""
        totals = np.bincount(self.bin_of[self.known], weights=per_second[self.known], minlength=self.size)
        return np.where(self.known_seconds > 0, totals, np.nan)

    def rates(self, per_second: NDArray[np.int64]) -> NDArray[np.float64]:
        """The mean of a (S,) array over the known seconds of each bin; NaN where none is known."""
        return self.sums(per_second) / np.maximum(self.known_seconds, 1)

    def peaks(self, per_second: NDArray[np.int64]) -> NDArray[np.float64]:
        """The maximum of a (S,) array over the known seconds of each bin; NaN where none is known."""
        highest = np.full(self.size, -np.inf)
        np.maximum.at(highest, self.bin_of[self.known], per_second[self.known])
        return np.where(np.isfinite(highest), highest, np.nan)


def time_bins(
    columns: FrameColumns,
    load_began_ns: int | None,
    *,
    span_s: tuple[float, float] = (-np.inf, np.inf),
    most: int = MAX_BINS,
) -> TimeBins:
    """The finest bins of a round width over a span of the run that are at most `most`.

    Time 0 is `load_began_ns`, else the first recorded second. Seconds outside the span count as not known.
    """
    zero_s, fraction_s = _zero(columns, load_began_ns)
    elapsed = columns.seconds - zero_s
    inside = (elapsed - fraction_s > span_s[0] - 1) & (elapsed - fraction_s < span_s[1])
    if not inside.any():
        nothing = np.zeros(elapsed.size, dtype=np.int64)
        return TimeBins(1, np.zeros(0), nothing, nothing.astype(np.bool_))
    width_s = next((width for width in _WIDTHS_S if inside.sum() <= width * (most - 1)), _WIDTHS_S[-1])
    numbers = elapsed // width_s
    first, last = int(numbers[inside][0]), int(numbers[inside][-1])
    return TimeBins(
        width_s=width_s,
        starts_s=np.asarray(np.arange(first, last + 1) * width_s - fraction_s, dtype=np.float64),
        bin_of=np.clip(numbers - first, 0, last - first),
        known=known_seconds(columns) & inside,
    )


def known_seconds(columns: FrameColumns) -> NDArray[np.bool_]:
    """Shape (S,): whether every worker that was at work before and after a second sent its frame for it."""
    expected = np.zeros(columns.users.size, dtype=np.int64)
    for worker in columns.workers:
        expected[worker.first_second - columns.first_second : worker.last_second - columns.first_second + 1] += 1
    return (columns.reporting > 0) & (columns.reporting >= expected)


def gaps_s(columns: FrameColumns, load_began_ns: int | None) -> list[tuple[float, float]]:
    """The stretches of seconds that at least one worker did not report, in seconds since the load began."""
    zero_s, fraction_s = _zero(columns, load_began_ns)
    begin_s = columns.first_second - zero_s - fraction_s
    unknown = np.concatenate(([False], ~known_seconds(columns), [False])).astype(np.int8)
    edges = np.flatnonzero(np.diff(unknown)).reshape(-1, 2)
    return [(begin_s + float(begin), begin_s + float(end)) for begin, end in edges]


def _zero(columns: FrameColumns, load_began_ns: int | None) -> tuple[int, float]:
    """The epoch second of time 0 and the fraction of a second by which the load began after it."""
    if load_began_ns is None:
        return columns.first_second, 0.0
    return load_began_ns // 1_000_000_000, load_began_ns % 1_000_000_000 / 1e9
