"""The figures of one endpoint over chosen seconds: shares with bounds, quantiles with bounds, outcomes."""

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Counts, Evidence, Mask
from analysis.intervals import ShareInterval, quantile_ranks, share_interval
from analysis.verdict import Estimate, Figures, Latency
from journal.histogram import BUCKETS, highest_values
from journal.outcomes import Outcome

_HIGHEST_MS = highest_values(np.arange(BUCKETS, dtype=np.int64)) / 1000


def good_share(interval: ShareInterval) -> Estimate:
    """The good share with its bounds, from the interval of the bad share."""
    if interval.samples == 0:
        return Estimate(value=None)
    low, high = interval.bounds()
    return Estimate(
        value=1 - interval.value, low=None if high is None else 1 - high, high=None if low is None else 1 - low
    )


def share(interval: ShareInterval) -> Estimate:
    """The share itself with its bounds."""
    low, high = interval.bounds()
    return Estimate(value=interval.value if interval.samples else None, low=low, high=high)


def figures(evidence: Evidence, row: int, within: Mask) -> Figures:
    """What one endpoint (by index) did in the seconds where `within`, shape (S,), is true."""
    n, bad, failed = (table[row][within] for table in (evidence.samples, evidence.bad, evidence.failed))
    seconds = int(np.count_nonzero(within))
    ended = evidence.columns.count[row][:, within].sum(axis=1)
    return Figures(
        samples=int(n.sum()),
        bad=int(bad.sum()),
        failed=int(failed.sum()),
        good_share=good_share(share_interval(bad, n)),
        error_rate=share(share_interval(failed, n)),
        latency=latency(evidence, row, within),
        rate_per_s=int(n.sum()) / seconds if seconds else 0.0,
        outcomes={outcome.label: int(ended[outcome]) for outcome in Outcome if ended[outcome]},
    )


def latency(evidence: Evidence, row: int, within: Mask) -> Latency:
    """Median, 95th and 99th percentile of one endpoint's time in ms, with bounds."""
    times = evidence.times(row)
    chosen = within[times.second]
    place = np.cumsum(within) - 1
    seconds, index, count = place[times.second[chosen]], times.index[chosen], times.count[chosen]
    length = int(np.count_nonzero(within))
    p50, p95, p99 = (_quantile(seconds, index, count, length, level) for level in (0.50, 0.95, 0.99))
    return Latency(p50=p50, p95=p95, p99=p99)


def _quantile(
    seconds: NDArray[np.int64], index: NDArray[np.int32], count: Counts, length: int, level: float
) -> Estimate:
    """A quantile with bounds by order statistics, their ranks taken at the effective number of samples n/deff.

    deff is that of the share of samples above the quantile, by batch means over the seconds.
    """
    n = int(count.sum())
    if n == 0:
        return Estimate(value=None)
    cumulative = np.cumsum(np.bincount(index, weights=count, minlength=BUCKETS))

    def at(rank_share: float) -> float:
        rank = max(1, int(np.ceil(rank_share * n - 1e-9)))
        return float(_HIGHEST_MS[int(np.searchsorted(cumulative, rank))])

    above = count * (_HIGHEST_MS[index] > at(level))
    per_second = [np.bincount(seconds, weights=w, minlength=length).astype(np.int64) for w in (above, count)]
    interval = share_interval(per_second[0], per_second[1])
    if not interval.batches:
        return Estimate(value=at(level))
    size = max(1, int(n / interval.deff))
    low, high = quantile_ranks(size, level)
    return Estimate(
        value=at(level), low=None if low is None else at(low / size), high=None if high is None else at(high / size)
    )
