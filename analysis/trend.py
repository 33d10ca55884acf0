"""The trend of a noisy level that remembers its past: its slope with bounds, and whether it is a line at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.99
FEWEST_POINTS = 8
_MAX_RHO = 0.95
_STEP_MARGIN = 2.0
_FLATTENING = 0.5
_LATE_SLOPE = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope per unit of time with one-sided 99 % bounds; `rho`: how much a point resembles the one before."""

    value: float
    low: float
    high: float
    rho: float


def bin_means(at: Floats, values: Floats, bins: int) -> tuple[Floats, Floats]:
    """The means of time and value in bins of equal length in time; a bin without a point is left out."""
    edges = np.linspace(at[0], at[-1], bins + 1)
    place = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, bins - 1)
    sizes = np.bincount(place, minlength=bins)
    used = sizes > 0
    sums = (np.bincount(place, weights=column, minlength=bins) for column in (at, values))
    when, level = (total[used] / sizes[used] for total in sums)
    return np.asarray(when), np.asarray(level)


def gls_slope(at: Floats, level: Floats) -> Slope:
    """The slope by generalised least squares with AR(1) errors (Prais and Winsten 1954).

    With r, the lag-1 autocorrelation of the residuals of an ordinary line, ρ = (m·r+p)/(m−2−p) for m points and p = 2
    parameters takes off most of r's bias. t with m−3 degrees of freedom, one more than usual being spent on ρ.
    """
    m = at.size
    design = _line(at)
    residuals = level - design @ _fit(design, level)
    power = float(residuals @ residuals)
    r = float(residuals[1:] @ residuals[:-1]) / power if power > 0 else 0.0
    rho = float(np.clip((m * r + 2) / (m - 4), 0.0, _MAX_RHO))
    white, target = _whitened(design, rho), _whitened(level, rho)
    coefficients = _fit(white, target)
    rest = target - white @ coefficients
    variance = float(rest @ rest) / (m - 3) * np.linalg.inv(white.T @ white)[1, 1]
    margin = float(stdtrit(m - 3, CONFIDENCE)) * float(np.sqrt(max(variance, 0.0)))
    value = float(coefficients[1])
    return Slope(value, value - margin, value + margin, rho)


def shape(at: Floats, level: Floats, slope: Slope) -> str:
    """What a rise looks like: "step", "plateau" (it saturates), or "line" when neither explains it better.

    The Bayesian information criterion of errors whitened by ρ decides: one step must beat the line by 2, a saturating
    exponential must beat it and lose half of its slope on the way. A Theil-Sen slope of the last half below 0.3 of the
    whole is a plateau too.
    """
    line = _criterion(_line(at), level, slope.rho, 2)
    if _best_step(at, level, slope.rho) < line - _STEP_MARGIN:
        return "step"
    if _best_saturation(at, level, slope.rho) < line or late_slope(at, level) < _LATE_SLOPE * slope.value:
        return "plateau"
    return "line"


def late_slope(at: Floats, level: Floats) -> float:
    """The median of the slopes between all pairs of points in the last half of the time (Theil 1950, Sen 1968)."""
    late = at >= (at[0] + at[-1]) / 2
    when, what = at[late], level[late]
    one, other = np.triu_indices(when.size, 1)
    return float(np.median((what[other] - what[one]) / (when[other] - when[one]))) if one.size else 0.0


def residual_noise(at: Floats, values: Floats) -> tuple[float, float]:
    """(σ, φ): the deviation of raw readings from their line, and its lag-1 autocorrelation within [0, 0.99]."""
    design = _line(at)
    residuals = values - design @ _fit(design, values)
    power = float(residuals @ residuals)
    phi = float(residuals[1:] @ residuals[:-1]) / power if power > 0 else 0.0
    return float(np.sqrt(power / max(1, at.size - 2))), float(np.clip(phi, 0.0, 0.99))


def hours_needed(sigma: float, phi: float, spacing_h: float, slope_per_h: float) -> float:
    """How long to read, after the warm-up, until a slope can be told from none.

    T = (12·V·Δ·σ²·(5.5/s)²)^⅓ with V = (1+φ)/(1−φ): the length at which the standard error is s/5.5.
    """
    variance_factor = (1 + phi) / (1 - phi)
    return float((12 * variance_factor * spacing_h * sigma**2 * (5.5 / slope_per_h) ** 2) ** (1 / 3))


def _line(at: Floats) -> Floats:
    return np.column_stack((np.ones_like(at), at - at.mean()))


def _fit(design: Floats, level: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(design, level, rcond=None)[0])


def _whitened(values: Floats, rho: float) -> Floats:
    """Takes the memory out of AR(1) errors: x₁·√(1−ρ²), then x_i − ρ·x_(i−1), along the first axis."""
    return np.concatenate((values[:1] * np.sqrt(1 - rho**2), values[1:] - rho * values[:-1]))


def _criterion(design: Floats, level: Floats, rho: float, parameters: int) -> float:
    """BIC = m·ln(RSS/m) + k·ln m of the whitened residuals."""
    white, target = _whitened(design, rho), _whitened(level, rho)
    rest = target - white @ _fit(white, target)
    m = level.size
    return float(m * np.log(max(float(rest @ rest) / m, 1e-12)) + parameters * np.log(m))


def _best_step(at: Floats, level: Floats, rho: float) -> float:
    """The least criterion of a level that jumps once, at the best of all places."""
    after = np.arange(at.size)
    designs = (np.column_stack((np.ones_like(at), (after >= place).astype(float))) for place in range(2, at.size - 1))
    return min(_criterion(design, level, rho, 3) for design in designs)


def _best_saturation(at: Floats, level: Floats, rho: float) -> float:
    """The least criterion of a + b·(1 − exp(−t/τ)), over those τ for which the slope falls by half or more."""
    elapsed = at - at[0]
    total = float(elapsed[-1])
    best = np.inf
    for tau in np.geomspace(total / 30, 2 * total, 24):
        x = total / tau
        if x * np.exp(-x) / -np.expm1(-x) <= _FLATTENING:
            design = np.column_stack((np.ones_like(at), -np.expm1(-elapsed / tau)))
            best = min(best, _criterion(design, level, rho, 3))
    return float(best)
