"""Intervals against published tables, slow oracles and seeded simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.intervals import (
    ShareInterval,
    batch_edges,
    clopper_pearson,
    coverage_of_ranks,
    quantile_ranks,
    share_interval,
)


def test_clopper_pearson_of_5_in_1000_is_the_published_interval() -> None:
    low, high = clopper_pearson(5, 1000, 0.975)
    assert (round(low, 6), round(high, 6)) == (0.001625, 0.011629)


def test_clopper_pearson_agrees_with_scipys_own() -> None:
    for bad, n in ((0, 1), (0, 59), (1, 93), (3, 10), (10, 10), (500, 1000)):
        exact = stats.binomtest(bad, n).proportion_ci(0.90, method="exact")
        assert clopper_pearson(bad, n) == pytest.approx((exact.low, exact.high), abs=1e-12)


@given(bad=st.integers(0, 200), more=st.integers(0, 2000))
def test_clopper_pearson_holds_the_observed_share(bad: int, more: int) -> None:
    n = bad + more
    if n == 0:
        return
    low, high = clopper_pearson(bad, n)
    assert 0 <= low <= bad / n <= high <= 1


@pytest.mark.parametrize(
    ("n", "share", "low", "high", "coverage"),
    [(100, 0.95, 90, 100, 0.9826), (1000, 0.99, 983, 997, 0.9761), (10000, 0.99, 9880, 9920, 0.9558)],
)
def test_quantile_ranks_are_those_of_the_table(n: int, share: float, low: int, high: int, coverage: float) -> None:
    assert quantile_ranks(n, share, 0.975) == (low, high)
    assert round(coverage_of_ranks(n, share, low, high), 4) == coverage


def test_conovers_sixteen_hours_have_a_median_between_the_4th_and_the_13th() -> None:
    hours = [46.9, 47.2, 49.1, 56.5, 56.8, 59.2, 59.9, 63.2, 63.3, 63.4, 63.7, 64.1, 67.1, 67.7, 73.3, 78.5]
    low, high = quantile_ranks(16, 0.5, 0.975)
    assert low is not None
    assert high is not None
    assert (hours[low - 1], hours[high - 1]) == (56.5, 67.1)


@pytest.mark.parametrize(("share", "n"), [(0.95, 59), (0.99, 299), (0.999, 2995)])
def test_the_maximum_bounds_a_quantile_from_the_known_number_of_samples_on(share: float, n: int) -> None:
    assert quantile_ranks(n, share)[1] == n
    assert quantile_ranks(n - 1, share)[1] is None


@given(n=st.integers(1, 400), share=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_quantile_ranks_agree_with_a_search_through_all_ranks(n: int, share: float) -> None:
    fewer = stats.binom(n, share).cdf(np.arange(-1, n))  # fewer[r]: that fewer than r samples lie below the quantile
    lows = [rank for rank in range(1, n + 1) if fewer[rank] < 0.05]
    highs = [rank for rank in range(1, n + 1) if fewer[rank] >= 0.95]
    assert quantile_ranks(n, share) == (max(lows, default=None), min(highs, default=None))


@given(st.integers(1, 5000))
def test_batches_differ_in_length_by_one_second_at_most(seconds: int) -> None:
    lengths = np.diff([*batch_edges(seconds), seconds])
    assert lengths.size == min(24, seconds)
    assert lengths.max() - lengths.min() <= 1


def test_independent_seconds_need_hardly_more_samples_than_a_binomial() -> None:
    random = np.random.default_rng(1)
    n = random.poisson(100, 600)
    deffs = [share_interval(random.binomial(n, 0.05), n).deff for _ in range(200)]
    assert np.median(deffs) < 1.4


def test_the_standard_error_is_that_of_batch_means_with_the_bias_of_the_autocorrelation_taken_off() -> None:
    bad = np.random.default_rng(4).binomial(100, np.repeat([0.02, 0.1, 0.05, 0.2, 0.1, 0.02], 4))
    y = bad / 100 - bad.mean() / 100
    r = (y[1:] @ y[:-1]) / (y @ y)
    rho = (24 * r + 1) / 21
    interval = share_interval(bad, np.full(24, 100))
    assert 0.3 < rho < 0.9
    assert interval.rho == pytest.approx(rho)
    assert interval.se == pytest.approx(np.sqrt(np.var(y, ddof=1) / 24 * (1 + rho) / (1 - rho)))


def test_seconds_that_resemble_their_neighbours_widen_the_interval() -> None:
    random = np.random.default_rng(2)
    n = np.full(1800, 100)
    alike = np.repeat(random.uniform(0, 0.1, 18), 100)
    assert share_interval(random.binomial(n, alike), n).deff > 20


@pytest.mark.parametrize("bad", [(0, 0), (3, 3), (2, 4)])
def test_the_bounds_hold_at_the_confidence_that_was_asked_for(bad: tuple[int, int]) -> None:
    bads, n = np.tile(bad, 12), np.full(24, 10)
    usual, sure = (share_interval(bads, n, confidence).bounds() for confidence in (0.95, 0.99))
    assert usual == pytest.approx(clopper_pearson(12 * sum(bad), 240))
    assert sure == pytest.approx(clopper_pearson(12 * sum(bad), 240, 0.99))


def test_a_second_weighs_as_much_as_it_has_requests() -> None:
    n = np.where(np.arange(24) == 5, 1, 1000)
    assert share_interval(np.where(n == 1, 1, 0), n).value == pytest.approx(1 / 23_001)


def test_too_few_seconds_give_no_bounds() -> None:
    assert share_interval(np.array([1, 0, 0]), np.array([90, 90, 90])).bounds() == (None, None)


def test_no_samples_have_no_share() -> None:
    interval = share_interval(np.zeros(30, dtype=np.int64), np.zeros(30, dtype=np.int64))
    assert interval.samples == 0
    assert math.isnan(interval.value)


@given(
    counts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=8, max_size=80).filter(
        lambda counts: sum(bad + good for bad, good in counts) > 0
    )
)
def test_bounds_hold_the_share_and_never_leave_0_to_1(counts: list[tuple[int, int]]) -> None:
    bad = np.array([bad for bad, _ in counts])
    interval = share_interval(bad, bad + np.array([good for _, good in counts]))
    low, high = interval.bounds()
    assert low is not None
    assert high is not None
    assert 0 <= low <= interval.value <= high <= 1


@given(value=st.floats(0.0, 1.0), samples=st.integers(1, 10_000), longer=st.floats(1.0, 50.0))
def test_more_of_the_same_never_widens_the_interval(value: float, samples: int, longer: float) -> None:
    interval = ShareInterval(value, samples, 24, 0.01, 0.1, 2.0)
    (low, high), (later_low, later_high) = interval.bounds(), interval.bounds(longer)
    assert low is not None
    assert high is not None
    assert later_low is not None
    assert later_high is not None
    assert later_low >= low - 1e-9
    assert later_high <= high + 1e-9


def test_a_target_that_was_down_for_half_of_the_run_is_worse_than_one_in_fifty_whatever_the_correlation() -> None:
    n = np.full(60, 100)
    bad = np.where(np.arange(60) >= 30, 100, 0)
    assert share_interval(bad, n).bounds() == pytest.approx((0.025, 0.975))


def test_the_bounds_are_the_wider_ones_of_the_batches_and_the_binomial() -> None:
    t = stats.t(23).ppf(0.95)
    assert ShareInterval(0.5, 10_000, 24, se=0.1).bounds() == pytest.approx((0.5 - 0.1 * t, 0.5 + 0.1 * t))
    assert ShareInterval(0.5, 100, 24, se=0.001).bounds() == pytest.approx(clopper_pearson(50, 100))
    assert ShareInterval(0.5, 100, 24, se=0.001, deff=5.0).bounds() == pytest.approx(clopper_pearson(10, 20))
