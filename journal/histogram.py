"""HDR histograms: integer microseconds, three significant digits, 1 µs to 1 hour.

The bucket of a value v is the one of HdrHistogram (G. Tene) for 3 digits and unit 1:
    e = bit_length(v | 2047);  index = ((e - 10) << 10) + (v >> (e - 11)) - 1024
so counts agree with the `hdrhistogram` package one for one, and histograms merge exactly.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

MAX_VALUE_US = 3_600_000_000
SUB_BUCKETS = 2048
_HALF = SUB_BUCKETS // 2
_HALF_BITS = 10


def bucket_index(value_us: int) -> int:
    """The bucket of one value; values outside [0, 1 h] are clamped to the nearest end."""
    value = min(max(value_us, 0), MAX_VALUE_US)
    exponent = (value | (SUB_BUCKETS - 1)).bit_length()
    return ((exponent - _HALF_BITS) << _HALF_BITS) + (value >> (exponent - _HALF_BITS - 1)) - _HALF


BUCKETS = bucket_index(MAX_VALUE_US) + 1


def bucket_indices(values_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """`bucket_index` of a whole array."""
    values = np.clip(values_us, 0, MAX_VALUE_US)
    exponents = np.frexp((values | (SUB_BUCKETS - 1)).astype(np.float64))[1].astype(np.int64)
    indices = ((exponents - _HALF_BITS) << _HALF_BITS) + (values >> (exponents - _HALF_BITS - 1)) - _HALF
    return np.asarray(indices, dtype=np.int64)


def lowest_values(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest value in µs that falls into each bucket."""
    block = np.maximum((indices >> _HALF_BITS) - 1, 0)
    return np.asarray((indices - (block << _HALF_BITS)) << block, dtype=np.int64)


def highest_values(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest value in µs that falls into each bucket; quantiles are reported as this, as HdrHistogram does."""
    return np.asarray(lowest_values(indices + 1) - 1, dtype=np.int64)


_LOWEST = lowest_values(np.arange(BUCKETS))
_HIGHEST = highest_values(np.arange(BUCKETS))
_MIDDLE = (_LOWEST + _HIGHEST) / 2


class Histogram:
    """Counts per bucket as an int64 array of shape (BUCKETS,)."""

    __slots__ = ("counts",)

    def __init__(self, counts: NDArray[np.int64] | None = None) -> None:
        self.counts = np.zeros(BUCKETS, dtype=np.int64) if counts is None else counts

    @classmethod
    def of(cls, values_us: Iterable[int]) -> "Histogram":
        """The histogram of raw values in µs."""
        values = np.fromiter(values_us, dtype=np.int64)
        return cls(np.bincount(bucket_indices(values), minlength=BUCKETS).astype(np.int64))

    @classmethod
    def from_sparse(cls, buckets: Mapping[int, int]) -> "Histogram":
        """The histogram of {bucket index: count}."""
        histogram = cls()
        histogram.add_sparse(buckets)
        return histogram

    def add_sparse(self, buckets: Mapping[int, int]) -> None:
        """Takes in the counts of {bucket index: count}, in time that depends on their number alone."""
        indices = np.fromiter(buckets.keys(), dtype=np.int64, count=len(buckets))
        self.counts[indices] += np.fromiter(buckets.values(), dtype=np.int64, count=len(buckets))

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __len__(self) -> int:
        return int(self.counts.sum())

    def quantile_us(self, share: float) -> float:
        """The value at rank ⌈share·n⌉ in µs, as the upper end of its bucket; NaN when empty. `share` is in [0, 1]."""
        n = len(self)
        if n == 0:
            return float("nan")
        rank = min(max(1, int(np.ceil(share * n - 1e-9))), n)
        return float(_HIGHEST[int(np.searchsorted(np.cumsum(self.counts), rank))])

    def mean_us(self) -> float:
        """The mean from bucket middles in µs, within 0.05 % of the exact one; NaN when empty."""
        n = len(self)
        return float(self.counts @ _MIDDLE) / n if n else float("nan")

    def cumulative(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(values µs, share of samples at or below), one point per bucket in use."""
        used = np.flatnonzero(self.counts)
        total = max(1, len(self))
        return _HIGHEST[used].astype(np.float64), np.cumsum(self.counts[used]) / total
