"""Confidence bounds that stay honest when seconds resemble their neighbours: shares by batch means, quantiles by ranks.

Every bound is one-sided: the truth lies below `high` with the given confidence, and above `low` with the same.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik, betaincinv, stdtrit

CONFIDENCE = 0.95
BATCHES = 24
FEWEST_BATCHES = 8
_MAX_RHO = 0.9


def clopper_pearson(bad: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact bounds of a share of which `bad` of `n` were seen (Clopper and Pearson 1934).

    low = Beta⁻¹(1−c; bad, n−bad+1), high = Beta⁻¹(c; bad+1, n−bad); `bad` and `n` need not be whole numbers, so that
    the effective size of a correlated sample can be used.
    """
    low = float(betaincinv(bad, n - bad + 1, 1 - confidence)) if bad > 0 else 0.0
    high = float(betaincinv(bad + 1, n - bad, confidence)) if bad < n else 1.0
    return low, high


@dataclass(frozen=True, slots=True)
class ShareInterval:
    """A share of bad operations and how well it is known.

    `se`: its standard error by batch means; `deff`: how many times more samples it takes than if they were independent;
    `batches` 0: too short a time to know either, so there are no bounds.
    """

    value: float
    samples: int
    batches: int = 0
    se: float = 0.0
    rho: float = 0.0
    deff: float = 1.0
    confidence: float = CONFIDENCE

    def bounds(self, longer: float = 1.0) -> tuple[float | None, float | None]:
        """(low, high), or what they would be had the same gone on for `longer` times the time.

        The wider one of t(K−1)·se and Clopper-Pearson at samples/deff. Markov's inequality bounds them again without
        any assumption about time: E ≥ (1−c)·value and 1−E ≥ (1−c)·(1−value).
        """
        if not self.batches:
            return None, None
        size = self.samples / self.deff * longer
        low, high = clopper_pearson(self.value * size, size, self.confidence)
        margin = float(stdtrit(self.batches - 1, self.confidence)) * self.se / math.sqrt(longer)
        floor, gap = (1 - self.confidence) * self.value, (1 - self.confidence) * (1 - self.value)
        return max(min(low, self.value - margin), floor), min(max(high, self.value + margin), 1 - gap)


def batch_edges(seconds: int) -> NDArray[np.int64]:
    """Where each of up to 24 batches of equal length begins, shape (K,)."""
    size = min(BATCHES, seconds)
    return np.asarray(np.arange(size) * seconds // max(1, size), dtype=np.int64)


def share_interval(bad: NDArray[np.int64], n: NDArray[np.int64], confidence: float = CONFIDENCE) -> ShareInterval:
    """The share Σbad/Σn from counts per second, shape (S,), with its standard error by batch means.

    K = 24 equal batches (fewer when there are fewer seconds) with residuals e = (bad − value·n)/mean(n), which is the
    ratio estimator, so that batches with few operations weigh little. r = lag-1 autocorrelation of e,
    ρ = clip((K·r+1)/(K−3), 0, 0.9), se² = var(e)/K·(1+ρ)/(1−ρ), deff = se²·n/(value·(1−value)), at least 1.
    """
    samples = int(n.sum())
    if samples == 0:
        return ShareInterval(float("nan"), 0)
    value = int(bad.sum()) / samples
    edges = batch_edges(bad.size)
    batches = edges.size
    if batches < FEWEST_BATCHES:
        return ShareInterval(value, samples)
    residuals = (np.add.reduceat(bad, edges) - value * np.add.reduceat(n, edges)) * (batches / samples)
    power = float(residuals @ residuals)
    if power == 0:
        return ShareInterval(value, samples, batches, confidence=confidence)
    r = float(residuals[1:] @ residuals[:-1]) / power
    rho = min(max((batches * r + 1) / (batches - 3), 0.0), _MAX_RHO)
    se_squared = power / (batches - 1) / batches * (1 + rho) / (1 - rho)
    deff = max(1.0, se_squared * samples / (value * (1 - value)))
    return ShareInterval(value, samples, batches, math.sqrt(se_squared), rho, deff, confidence)


def quantile_ranks(n: int, share: float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """The ranks (1 to n) of the order statistics that bound a quantile, from the binomial distribution of ranks.

    Lowest and highest value bound it when n is too small, or rather do not: then the rank is None. The maximum is an
    upper bound from n = 59, 299, 2995 on, for the shares 0.95, 0.99, 0.999.
    """
    low = _binomial_quantile(1 - confidence, n, share)
    high = _binomial_quantile(confidence, n, share) + 1
    return (low if low >= 1 else None), (high if high <= n else None)


def coverage_of_ranks(n: int, share: float, low: int, high: int) -> float:
    """The probability that the quantile lies between the values of these ranks: P(low ≤ Binomial(n, share) < high)."""
    return float(bdtr(high - 1, n, share) - bdtr(low - 1, n, share))


def _binomial_quantile(probability: float, n: int, share: float) -> int:
    """The smallest k with P(Binomial(n, share) ≤ k) ≥ probability."""
    k = max(0, math.ceil(float(bdtrik(probability, n, share)) - 1e-9))
    while k > 0 and bdtr(k - 1, n, share) >= probability:
        k -= 1
    return k
