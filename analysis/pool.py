"""All requests of a run together, second by second: what there was, what was to be expected, and what stayed away."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.arrivals import ArrivalCounts, arrival_counts, exposure
from analysis.evidence import Counts, Evidence, Mask
from analysis.figures import good_share
from analysis.intervals import share_interval
from analysis.verdict import Estimate
from journal.outcomes import Kind

NOISE_DEVIATIONS = 3.0
_NOISE_WINDOW_S = 3


@dataclass(frozen=True, slots=True)
class Usual:
    """What to expect of a count in each second, shape (S,), and how unevenly it came before.

    `dispersion`: the variance of its sums over 3 s as a multiple of Poisson's, at least 1. Requests come in clumps, one
    of each pass, so that chance alone makes more of a difference than if each came for itself.
    """

    per_s: NDArray[np.float64]
    dispersion: float


@dataclass(frozen=True, slots=True)
class Pool:
    """All requests together by second, shape (S,) each.

    Of an open model `users` is the rate of arrivals, in units of any size, and `arrivals` what became of them. `away`:
    seconds in which the plan itself keeps users away, so that nothing is to be expected of them.
    """

    n: Counts
    bad: Counts
    failed: Counts
    started: Counts
    users: Counts
    in_load: Mask
    away: Mask | bool = False
    arrivals: ArrivalCounts | None = None

    @classmethod
    def of(cls, evidence: Evidence, away: Mask | bool = False) -> "Pool":
        """The pool of a run."""
        rows = evidence.rows(Kind.REQUEST)
        return cls(
            n=evidence.samples[rows].sum(axis=0),
            bad=evidence.bad[rows].sum(axis=0),
            failed=evidence.failed[rows].sum(axis=0),
            started=evidence.columns.started[rows].sum(axis=0),
            users=exposure(evidence),
            in_load=evidence.in_load,
            away=away,
            arrivals=arrival_counts(evidence),
        )

    def forgiven(self, evidence: Evidence, seconds: Mask) -> "Pool":
        """The same where in some seconds nothing went wrong but what was answered badly, and nothing stayed away."""
        kept = evidence.answered_badly[evidence.rows(Kind.REQUEST)].sum(axis=0)
        others = self.in_load & ~seconds
        count = max(1, int(np.count_nonzero(others)))

        def at_least_usual(counts: Counts) -> Counts:
            return np.where(seconds, np.maximum(counts, counts[others].sum() // count), counts)

        return replace(
            self,
            n=at_least_usual(self.n),
            bad=np.where(seconds, kept, self.bad),
            failed=np.where(seconds, kept, self.failed),
            started=at_least_usual(self.started),
            arrivals=self.arrivals.all_handed(seconds) if self.arrivals is not None else None,
        )

    def usual(self, counts: Counts, before: Mask) -> Usual:
        """What to expect of `counts`: the rate per user in the seconds `before`, times the users of each second."""
        users = np.maximum(self.users, 1)
        known = int(users[before].sum())
        per_user = float(counts[before].sum()) / known if known else 0.0
        expected = users * per_user
        return Usual(np.where(self.away, 0.0, expected), _dispersion(counts, expected, before))

    def missing(self, before: Mask, during: Mask) -> int:
        """How many requests nobody sent in the seconds `during`, by what was usual in those `before`.

        An arrival of an open model that no user took is known for certain, and misses the requests of one pass. Users
        of a closed model that wait send nothing; a deficit within three standard deviations of chance is none.
        """
        if self.arrivals is not None:
            handed = int(self.arrivals.handed[before].sum())
            per_arrival = float(self.started[before].sum()) / handed if handed else 1.0
            return round(float(self.arrivals.unstarted[during & np.logical_not(self.away)].sum()) * per_arrival)
        usual, known = self.usual(self.started, before), float(self.started[before].sum())
        expected = float(usual.per_s[during].sum())
        if expected <= 0 or known <= 0:
            return 0
        deficit = expected - float(self.started[during].sum())
        noise = math.sqrt(usual.dispersion * expected * (1 + expected / known))
        return round(deficit) if deficit > NOISE_DEVIATIONS * noise else 0

    def good_share(self, within: Mask) -> Estimate:
        """The good share of all requests in some seconds."""
        return good_share(share_interval(self.bad[within], self.n[within]))


def sliding(values: NDArray[np.int64] | NDArray[np.float64], window_s: int) -> NDArray[np.float64]:
    """The sum over the window that begins at each column, shape (S,); cut short at the end."""
    total = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    ends = np.minimum(np.arange(values.size) + window_s, values.size)
    return np.asarray(total[ends] - total[:-1])


def whole(mask: Mask, window_s: int) -> Mask:
    """Whether all seconds of the window that begins at each column are in the mask, shape (S,)."""
    return np.asarray(sliding(mask.astype(np.int64), window_s) == window_s)


def _dispersion(counts: Counts, expected: NDArray[np.float64], before: Mask) -> float:
    """The index of dispersion of sums n over 3 s about their expectation e: the mean of (n − e)² / e."""
    n, e = sliding(counts, _NOISE_WINDOW_S), sliding(expected, _NOISE_WINDOW_S)
    told = whole(before, _NOISE_WINDOW_S) & (e > 0)
    return max(1.0, float(((n[told] - e[told]) ** 2 / e[told]).mean())) if told.any() else 1.0
