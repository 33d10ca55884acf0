"""What a run's columns and readings say over time: one value per bin, NaN where nothing is known."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.charts.time_bins import TimeBins
from journal.columns import FrameColumns
from journal.histogram import highest_values
from journal.outcomes import Outcome
from journal.readings import ReadingSeries

Values = NDArray[np.float64]
MIB = 1024 * 1024


def quantiles_ms(
    columns: FrameColumns, bins: TimeBins, endpoints: Sequence[int], shares: Sequence[float], *, name: str = "service"
) -> list[Values]:
    """Quantiles of each bin's merged histogram of properly answered operations: the value at rank ⌈share·n⌉, in ms.

    They are exact for the bin, so a coarse bin shows its slowest operations as a fine one does.
    """
    table = columns.histograms
    empty = np.full(bins.size, np.nan)
    if name not in table.names or not bins.size:
        return [empty.copy() for _ in shares]
    chosen = (table.name == table.names.index(name)) & np.isin(table.endpoint, endpoints)
    chosen &= (table.outcome == Outcome.OK) & bins.known[table.second]
    number, index, count = bins.bin_of[table.second[chosen]], table.index[chosen], table.count[chosen]
    order = np.lexsort((index, number))
    number, index, cumulative = number[order], index[order], np.cumsum(count[order])
    ends = np.searchsorted(number, np.arange(bins.size), side="right")
    totals = np.concatenate(([0], cumulative))[ends]
    before = np.concatenate(([0], totals[:-1]))
    return [_at_rank(share, before, totals, cumulative, index) for share in shares]


def _at_rank(
    share: float,
    before: NDArray[np.int64],
    totals: NDArray[np.int64],
    cumulative: NDArray[np.int64],
    index: NDArray[np.int64],
) -> Values:
    samples = totals - before
    ranks = before + np.maximum(1, np.ceil(share * samples - 1e-9))
    found = np.minimum(np.searchsorted(cumulative, ranks), max(0, cumulative.size - 1))
    values = highest_values(index[found].astype(np.int64)) / 1000 if index.size else np.zeros(samples.size)
    return np.where(samples > 0, values, np.nan)


def good_share(samples: NDArray[np.int64], bad: NDArray[np.int64], bins: TimeBins) -> Values:
    """The share of good operations in each bin, from counts of shape (S,); NaN where nothing ended."""
    n = bins.sums(samples)
    return np.where(n > 0, 1 - bins.sums(bad) / np.where(n > 0, n, 1), np.nan)


def errors(columns: FrameColumns, bins: TimeBins, endpoints: Sequence[int]) -> dict[Outcome, Values]:
    """How many operations of each bin ended badly, by outcome; outcomes that never occurred are left out."""
    counts = columns.count[endpoints].sum(axis=0)
    return {
        outcome: bins.sums(counts[outcome]) for outcome in Outcome if outcome != Outcome.OK and counts[outcome].any()
    }


def memory_mib(series: ReadingSeries) -> Values:
    """The process's own memory (USS) in MiB, or its resident size where the former could not be read."""
    return np.where(series.uss_bytes > 0, series.uss_bytes, series.rss_bytes) / MIB


def memory_by_role(readings: Iterable[ReadingSeries], bins: TimeBins, load_began_ns: int) -> dict[str, Values]:
    """The memory of all processes of a role together, in MiB: each incarnation's peak in the bin, summed."""
    by_role: dict[str, Values] = {}
    for series in readings:
        values = _by_bin(series.at_ns, memory_mib(series), bins, load_began_ns)
        total = by_role.get(series.role, np.full(bins.size, np.nan))
        by_role[series.role] = np.where(np.isnan(values), total, np.nan_to_num(total) + values)
    return by_role


def cpu_share(series: ReadingSeries, bins: TimeBins, load_began_ns: int) -> Values:
    """The CPU that one process used, as a share of one core, from the differences of its CPU time."""
    elapsed_s = np.diff(series.at_ns) / 1e9
    share = np.diff(series.cpu_s) / np.where(elapsed_s > 0, elapsed_s, np.inf)
    return _by_bin(series.at_ns[1:], share, bins, load_began_ns)


def _by_bin(at_ns: NDArray[np.int64], values: Values, bins: TimeBins, load_began_ns: int) -> Values:
    """The maximum of some readings per bin; bins between two readings hold the former, as nothing was read there."""
    peaks = np.full(bins.size, -np.inf)
    number = np.floor(((at_ns - load_began_ns) / 1e9 - bins.begin_s) / bins.width_s).astype(np.int64)
    inside = (number >= 0) & (number < bins.size)
    np.maximum.at(peaks, number[inside], values[inside])
    found = np.flatnonzero(np.isfinite(peaks))
    result = np.full(bins.size, np.nan)
    if found.size:
        longest = max(1, int(np.ceil(2 * _usual_step(found))))
        for here, following in zip(found, [*found[1:], found[-1] + 1], strict=True):
            reach = following if following - here <= longest else here + 1
            result[here:reach] = peaks[here]
    return result


def _usual_step(found: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(found))) if found.size > 1 else 1.0
