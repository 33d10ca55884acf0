"""Decisions about a share: the numbers of samples they take, and how often they are wrong."""

import numpy as np
import pytest
from scipy import signal, stats

from analysis.intervals import share_interval
from analysis.slo import decide, further_seconds, samples_needed
from analysis.verdict import State

REPEATS = 400


@pytest.mark.parametrize(("budget", "bad", "n"), [(0.05, 0, 59), (0.05, 1, 93), (0.05, 2, 124), (0.001, 0, 2995)])
def test_a_pass_takes_the_known_number_of_samples(budget: float, bad: int, n: int) -> None:
    assert samples_needed(budget, bad) == n
    assert stats.binom.cdf(bad, n, budget) < 0.05 <= stats.binom.cdf(bad, n - 1, budget)


def test_59_good_answers_pass_95_per_cent_and_58_do_not() -> None:
    assert decide(share_interval(*_counts(59, 0)), 0.05) is State.PASS
    assert decide(share_interval(*_counts(58, 0)), 0.05) is State.INCONCLUSIVE


def test_2995_good_answers_pass_three_nines() -> None:
    assert decide(share_interval(*_counts(2995, 0)), 0.001) is State.PASS
    assert decide(share_interval(*_counts(2994, 0)), 0.001) is State.INCONCLUSIVE


def test_a_bound_that_lies_on_the_budget_decides_nothing() -> None:
    interval = share_interval(*_counts(900, 100))
    low, high = interval.bounds()
    assert [decide(interval, budget) for budget in (low, high)] == [State.INCONCLUSIVE] * 2


def test_nothing_measured_decides_nothing() -> None:
    assert decide(share_interval(*_counts(0, 0)), 0.05) is State.INCONCLUSIVE
    assert further_seconds(share_interval(*_counts(0, 0)), 0.05, 24.0) is None


def test_a_decided_share_needs_no_more_time() -> None:
    assert further_seconds(share_interval(*_counts(1000, 0)), 0.05, 24.0) == 0.0


def test_the_time_that_is_asked_for_decides() -> None:
    interval = share_interval(*_counts(40, 0))
    more_s = further_seconds(interval, 0.05, 100.0)
    assert more_s == pytest.approx(100.0 * (59 / 40 - 1), rel=0.05)
    assert decide(interval, 0.05, 1 + more_s / 100.0) is State.PASS


def test_nobody_can_say_how_long_a_share_on_the_line_would_take() -> None:
    assert further_seconds(share_interval(*_counts(1900, 100)), 0.05, 100.0) is None


@pytest.mark.parametrize(("phi", "most"), [(0.0, 0.06), (0.9, 0.09)])
def test_a_target_exactly_on_its_promise_hardly_ever_passes_by_luck(phi: float, most: float) -> None:
    """30 min at 100 a second, a bad share that wanders around 5 % with memory phi; a naive binomial passes 40 %."""
    states = _decisions(phi, mean=0.05, seconds=1800)
    assert states.count(State.PASS) / REPEATS <= most
    assert states.count(State.FAIL) / REPEATS <= most


def test_a_target_far_from_its_promise_is_told_apart_in_a_minute() -> None:
    assert set(_decisions(0.0, mean=0.01, seconds=60)) == {State.PASS}
    assert set(_decisions(0.0, mean=0.10, seconds=60)) == {State.FAIL}


def _decisions(phi: float, *, mean: float, seconds: int) -> list[State]:
    random = np.random.default_rng(7)
    noise = random.normal(size=(REPEATS, seconds + 200)) * np.sqrt(1 - phi**2)
    level = signal.lfilter([1], [1, -phi], noise)[:, 200:] if phi else np.zeros((REPEATS, seconds))
    shares = np.clip(mean * np.exp(0.6 * level - 0.18), 0, 1) if phi else np.full((REPEATS, seconds), mean)
    n = random.poisson(100, (REPEATS, seconds))
    bad = random.binomial(n, shares)
    return [decide(share_interval(bad[i], n[i]), 0.05) for i in range(REPEATS)]


def _counts(good: int, bad: int) -> tuple[np.ndarray, np.ndarray]:
    """Spread evenly over 24 s."""
    edges = np.arange(25)
    bads, goods = np.diff(bad * edges // 24), np.diff(good * edges // 24)
    return bads, bads + goods
