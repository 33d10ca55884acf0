"""The scalability law against published data, an exact curve, and noise."""

import numpy as np
import pytest

from analysis.capacity.usl import fit

SPECSDM91 = ([1, 18, 36, 72, 108, 144, 216], [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2])
RAYTRACER = ([1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64], [20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310])


def law(n: float, gamma: float, sigma: float, kappa: float) -> float:
    return gamma * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


def test_the_published_fit_of_specsdm91_is_found_again() -> None:
    found = fit(*SPECSDM91)
    assert found.sigma == pytest.approx(0.0277285, rel=1e-4)
    assert found.kappa == pytest.approx(0.0001044, rel=1e-3)
    assert found.gamma == pytest.approx(89.995, rel=1e-4)
    assert found.peak_n == pytest.approx(96.52, abs=0.01)
    assert found.peak_per_s == pytest.approx(1884, abs=0.5)


def test_a_curve_that_only_flattens_has_no_peak() -> None:
    found = fit(*RAYTRACER)
    assert found.peak_n is None
    assert "κ may be 0" in found.why_not
    assert found.throughput(32) == pytest.approx(250, rel=0.05)


def test_an_exact_curve_gives_back_its_parameters() -> None:
    n = [1, 2, 4, 6, 8, 10]
    found = fit(n, [law(size, 1.0, 0.02, 0.02) for size in n])
    assert (found.gamma, found.sigma, found.kappa) == pytest.approx((1.0, 0.02, 0.02), rel=1e-6)
    assert found.peak_n == pytest.approx(7.0, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "why_not"),
    [
        ((1, 1.5, 2, 2.5, 3, 7.2), "1 of the levels lie beyond the knee, it takes 2"),
        ((1, 2, 3, 4, 5, 6), "the fitted peak at 7 lies outside of the levels that were measured"),
    ],
)
def test_no_peak_is_named_that_too_few_levels_show(n: tuple[float, ...], why_not: str) -> None:
    found = fit(n, [law(size, 1.0, 0.02, 0.02) for size in n])
    assert (found.peak_n, found.why_not) == (None, why_not)


def test_five_levels_are_too_few() -> None:
    assert "takes 6 levels, there are 5" in fit([1, 2, 4, 6, 8, 8], [1, 2, 3, 4, 4, 4]).why_not


def test_a_target_that_never_answers_has_no_law() -> None:
    assert fit([1, 2, 4, 8, 16, 32], [0.0] * 6).why_not == "no request ended at any level"


def test_a_straight_line_has_no_knee() -> None:
    found = fit([1, 2, 4, 8, 16, 32], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert found.peak_n is None
    assert found.why_not


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_three_per_cent_moves_the_peak_by_less_than_a_quarter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = [5, 10, 20, 40, 60, 80, 100, 120]
    found = fit(n, [law(size, 10, 0.01, 0.0004) * rng.normal(1, 0.03) for size in n])
    assert found.peak_n == pytest.approx(np.sqrt(0.99 / 0.0004), rel=0.25)
