"""Harm to users around a fault: seen when it is there, and not where there is only noise."""

import numpy as np
import pytest

from analysis.pool import Pool
from analysis.recovery import Impact, Normal, impact, still_hurt
from analysis.words import counted

SECONDS, FAULT = 90, slice(30, 50)


def pool(
    bad_share: np.ndarray | float, *, rate: np.ndarray | float = 100.0, failed: float = 0.0, seed: int = 1
) -> Pool:
    random = np.random.default_rng(seed)
    n = random.poisson(np.broadcast_to(rate, SECONDS))
    return Pool(
        n=n,
        bad=random.binomial(n, bad_share),
        failed=random.binomial(n, failed),
        started=n,
        users=np.full(SECONDS, 50),
        in_load=np.ones(SECONDS, dtype=bool),
    )


def felt(of: Pool) -> Impact:
    before = np.arange(SECONDS) < FAULT.start
    return impact(of, Normal.of(of, before, 0.05, 0.001), before, FAULT, 5)


def during(begin: int, end: int, value: float, otherwise: float) -> np.ndarray:
    at = np.arange(SECONDS)
    return np.where((at >= begin) & (at < end), value, otherwise)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.05, 0.2])
def test_a_fault_that_changes_nothing_is_hardly_ever_said_to_hurt(share: float) -> None:
    hurt = sum(felt(pool(share, seed=seed)).hurt is not None for seed in range(100))
    assert hurt <= 8, counted(hurt, "false alarm")


def test_harm_is_dated_from_its_first_bad_second_to_the_first_good_window() -> None:
    found = felt(pool(during(34, 44, 0.4, 0.01)))
    assert found.hurt == 34
    assert found.well == pytest.approx(44, abs=1)


def test_an_outage_in_which_users_fall_silent_is_harm() -> None:
    found = felt(pool(0.01, rate=during(35, 45, 2.0, 100.0)))
    assert found.hurt == pytest.approx(35, abs=1)
    assert found.well == pytest.approx(45, abs=2)


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_of_a_few_requests_that_come_by_chance_none_is_missed(rate: float) -> None:
    hurt = sum(felt(pool(0.0, rate=rate, seed=seed)).hurt is not None for seed in range(100))
    assert hurt <= 3, counted(hurt, "false alarm")


def test_fewer_users_are_not_an_outage() -> None:
    calm = pool(0.01, rate=during(35, 90, 30.0, 100.0))
    users = np.where(np.arange(SECONDS) < 35, 50, 15)
    assert felt(Pool(calm.n, calm.bad, calm.failed, calm.started, users, calm.in_load)).hurt is None


def test_harm_that_never_ends_has_no_recovery_and_lasts_at_the_deadline() -> None:
    of = pool(during(34, SECONDS, 0.4, 0.01))
    before = np.arange(SECONDS) < FAULT.start
    normal = Normal.of(of, before, 0.05, 0.001)
    assert felt(of).well is None
    assert still_hurt(of, normal, before, 60) is True
    assert still_hurt(of, normal, before, SECONDS - 1) is None


def test_a_target_that_was_bad_before_counts_as_well_when_it_is_as_bad_again() -> None:
    found = felt(pool(during(34, 44, 0.9, 0.2)))
    assert found.hurt == 34
    assert found.well == pytest.approx(44, abs=1)


def test_failures_hurt_even_when_they_are_few() -> None:
    calm = pool(0.0)
    failed = np.where((np.arange(SECONDS) >= 34) & (np.arange(SECONDS) < 38), 4, 0)
    hurt = felt(Pool(calm.n, failed, failed, calm.started, calm.users, calm.in_load))
    assert hurt.hurt is not None
    assert hurt.well == pytest.approx(38, abs=2)
