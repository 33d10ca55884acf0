"""The universal scalability law (Gunther 1993), fitted to throughput by load: how much is lost to queues and talk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import stdtrit

FEWEST_LEVELS = 6
FEWEST_PAST_KNEE = 2
_CONFIDENCE = 0.975  # on either side, so that the interval of κ holds it with 95 %

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Usl:
    """X = γN/(1 + σ(N−1) + κN(N−1)): γ per second and user, σ contention, κ crosstalk with its 95 % interval.

    `peak_n` = √((1−σ)/κ) with `peak_per_s`, where the data identify it; else None, and `why_not` says why. Without
    enough levels nothing is fitted, and γ, σ and κ are None.
    """

    gamma: float | None = None
    sigma: float | None = None
    kappa: float | None = None
    kappa_low: float | None = None
    kappa_high: float | None = None
    peak_n: float | None = None
    peak_per_s: float | None = None
    why_not: str = ""

    def throughput(self, n: float) -> float | None:
        """The fitted throughput at N."""
        if self.gamma is None or self.sigma is None or self.kappa is None:
            return None
        return float(_law(np.array([self.gamma, self.sigma, self.kappa]), np.array([n]))[0])


def fit(n: Sequence[float], per_s: Sequence[float]) -> Usl:
    """The law that comes nearest to these throughputs, by bounded least squares.

    A peak is named only when there are at least 6 levels, at least 2 of them beyond the knee (where γN meets the
    largest throughput), κ's interval excludes 0, and the peak lies within the levels that were measured.
    """
    size, x = np.asarray(n, dtype=np.float64), np.asarray(per_s, dtype=np.float64)
    distinct = np.unique(size).size
    if distinct < FEWEST_LEVELS:
        return Usl(why_not=f"the fit takes {FEWEST_LEVELS} levels, there are {distinct}")
    if not x.any():
        return Usl(why_not="no request ended at any level")
    parameters, kappa_error = _least_squares(size, x)
    gamma, sigma, kappa = (float(value) for value in parameters)
    margin = float(stdtrit(size.size - 3, _CONFIDENCE)) * kappa_error
    low, high = kappa - margin, kappa + margin
    known = Usl(gamma=gamma, sigma=sigma, kappa=kappa, kappa_low=max(0.0, low), kappa_high=high)
    past = np.unique(size[size > float(x.max()) / gamma]).size
    if past < FEWEST_PAST_KNEE:
        return replace(known, why_not=f"{past} of the levels lie beyond the knee, it takes {FEWEST_PAST_KNEE}")
    if low <= 0 or kappa <= 0:
        return replace(known, why_not="the throughput may go on growing or stay level: κ may be 0")
    peak = math.sqrt(max(0.0, 1 - sigma) / kappa)
    if not size.min() <= peak <= size.max():
        return replace(known, why_not=f"the fitted peak at {peak:.0f} lies outside of the levels that were measured")
    return replace(known, peak_n=peak, peak_per_s=float(_law(parameters, np.array([peak]))[0]))


def _law(parameters: Floats, n: Floats) -> Floats:
    gamma, sigma, kappa = parameters
    return np.asarray(gamma * n / (1 + sigma * (n - 1) + kappa * n * (n - 1)))


def _least_squares(n: Floats, x: Floats) -> tuple[Floats, float]:
    """(γ, σ, κ), and the standard error of κ from the curvature at the optimum."""
    per_user = float(np.max(x / n))
    start = np.array([per_user, 0.01, 1e-4])
    found = least_squares(
        lambda parameters: _law(parameters, n) - x,
        start,
        bounds=([0.0, 0.0, 0.0], [np.inf, 1.0, np.inf]),
        x_scale=[per_user, 0.1, 1 / float(n.max()) ** 2],
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
        max_nfev=5000,
    )
    variance = float(found.fun @ found.fun) / (n.size - 3)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * variance
    return found.x, math.sqrt(max(0.0, float(covariance[2, 2])))
