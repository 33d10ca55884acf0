"""When a fault hurt users, and when they were well again: short windows of all requests against the level before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from analysis.evidence import Counts, Evidence, Mask
from analysis.intervals import clopper_pearson, share_interval
from analysis.pool import NOISE_DEVIATIONS, Pool, Usual, sliding, whole

HURT_WINDOW_S = 3
ONSET_WINDOW_S = 10
LONGEST_WELL_WINDOW_S = 60
_HURT_CONFIDENCE = 0.99
_WELL_CONFIDENCE = 0.95
_SILENT_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Normal:
    """What counts as unhurt: the shares of bad and of failed requests that were promised, or were usual before.

    A target that never kept its promise is not blamed again by each fault: only what is worse than before is.
    """

    bad: float
    failed: float
    keeps_promise: bool

    @classmethod
    def of(cls, pool: Pool, before: Mask, bad_budget: float, failed_budget: float) -> "Normal":
        """The normal level from the time before the fault."""
        bad, failed = _at_most(pool.bad[before], pool.n[before]), _at_most(pool.failed[before], pool.n[before])
        return cls(max(bad_budget, bad), max(failed_budget, failed), bad <= bad_budget)


@dataclass(frozen=True, slots=True)
class Impact:
    """Columns of seconds: when users began to be hurt, and the first at which they were well again; None: never."""

    hurt: int | None
    well: int | None


def impact(pool: Pool, normal: Normal, before: Mask, search: slice, well_window_s: int) -> Impact:
    """Looks for harm that begins in the columns of `search`, and for its end in the whole load phase.

    Hurt: in some 3 s the lower 99 % bound of the bad or of the failed share is above normal. Completions that stay
    away count as bad when less than half of the usual number arrive, and fewer than chance explains: users of a closed
    model go silent in an outage.
    Well: the first window of `well_window_s` whose upper 95 % bound of the bad share is not above normal (where the
    promise was not kept before: whose lower bound is not), with no more failures than normal.
    """
    usual = pool.usual(pool.n, before)
    hurt = _hurt(pool, normal, usual)
    places = np.flatnonzero(hurt[search])
    if not places.size:
        return Impact(None, None)
    first = search.start + int(places[0])
    window = slice(first, first + HURT_WINDOW_S)
    harmed = (pool.bad[window] > normal.bad * pool.n[window]) | (pool.n[window] < _SILENT_BELOW * usual.per_s[window])
    started = first + (int(np.argmax(harmed)) if harmed.any() else 0)
    well = np.flatnonzero(_well(pool, normal, usual, well_window_s)[started + 1 :])
    return Impact(started, started + 1 + int(well[0]) if well.size else None)


def still_hurt(pool: Pool, normal: Normal, before: Mask, at: int) -> bool | None:
    """Whether users are hurt in the window that begins at this column; None: the load ended before one could tell."""
    in_sight = whole(pool.in_load, HURT_WINDOW_S)
    if at < 0 or at >= in_sight.size or not in_sight[at]:
        return None
    return bool(_hurt(pool, normal, pool.usual(pool.n, before))[at])


def _at_most(bad: Counts, n: Counts) -> float:
    """The upper bound of a share; of a time too short for batch means, as if its seconds were independent."""
    interval = share_interval(bad, n)
    if not interval.samples:
        return 0.0
    high = interval.bounds()[1]
    return clopper_pearson(float(bad.sum()), interval.samples)[1] if high is None else high


def _hurt(pool: Pool, normal: Normal, usual: Usual) -> Mask:
    n, bad = _with_silence(pool, usual, HURT_WINDOW_S)
    failed = sliding(pool.failed, HURT_WINDOW_S)
    hurt = _lower(bad, n, _HURT_CONFIDENCE) > normal.bad
    hurt |= _lower(failed, sliding(pool.n, HURT_WINDOW_S), _HURT_CONFIDENCE) > normal.failed
    return np.asarray(hurt & whole(pool.in_load, HURT_WINDOW_S))


def _well(pool: Pool, normal: Normal, usual: Usual, window_s: int) -> Mask:
    n, bad = _with_silence(pool, usual, window_s)
    bound = _upper if normal.keeps_promise else _lower
    well = (n > 0) & (bound(bad, n, _WELL_CONFIDENCE) <= normal.bad)
    well &= _lower(sliding(pool.failed, window_s), sliding(pool.n, window_s), _WELL_CONFIDENCE) <= normal.failed
    return np.asarray(well & whole(pool.in_load, window_s))


def _with_silence(pool: Pool, usual: Usual, window_s: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, bad = sliding(pool.n, window_s), sliding(pool.bad, window_s)
    expected = sliding(usual.per_s, window_s)
    chance = NOISE_DEVIATIONS * np.sqrt(usual.dispersion * expected)
    silent = (n < _SILENT_BELOW * expected) & (expected - n > chance)
    absent = np.where(silent, expected - n, 0.0)
    return n + absent, bad + absent


def _lower(bad: NDArray[np.float64], n: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """Clopper-Pearson's lower bounds of many shares; 0 where nothing was bad."""
    some = bad > 0
    bounds = betaincinv(np.where(some, bad, 1.0), np.maximum(n - bad, 0.0) + 1, 1 - confidence)
    return np.asarray(np.where(some, bounds, 0.0))


def _upper(bad: NDArray[np.float64], n: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """Clopper-Pearson's upper bounds of many shares; 1 where nothing was good."""
    some = n > bad
    bounds = betaincinv(bad + 1, np.where(some, n - bad, 1.0), confidence)
    return np.asarray(np.where(some, bounds, 1.0))


def first_above(evidence: Evidence, bad: Counts, n: Counts, budget: float) -> float | None:
    """When a share first was above its budget for certain, in seconds since the origin; None when never for 10 s."""
    sums = sliding(bad, ONSET_WINDOW_S), sliding(n, ONSET_WINDOW_S)
    above = (_lower(*sums, _HURT_CONFIDENCE) > budget) & whole(evidence.in_load, ONSET_WINDOW_S)
    if not above.any():
        return None
    first = int(np.argmax(above))
    worse = bad[first : first + ONSET_WINDOW_S] > budget * n[first : first + ONSET_WINDOW_S]
    return max(0.0, float(evidence.seconds_s[first + int(np.argmax(worse))]))
