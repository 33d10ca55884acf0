"""What was to be expected of the requests around a fault, and which of them stayed away."""

import numpy as np
import pytest

from analysis.arrivals import ArrivalCounts
from analysis.pool import Pool
from analysis.words import counted

SECONDS = 120
AT = np.arange(SECONDS)
BEFORE, DURING = AT < 60, (AT >= 60) & (AT < 80)


def pool(started: np.ndarray, **more: object) -> Pool:
    none = np.zeros(SECONDS, dtype=np.int64)
    settings = {"users": np.full(SECONDS, 50), "in_load": AT >= 0, **more}
    return Pool(n=started, bad=none, failed=none, started=started, **settings)  # type: ignore[arg-type]


def clumps(seed: int, *, passes_per_s: float = 5.0, requests: float = 12.0) -> np.ndarray:
    """Passes that begin by chance, with a random number of requests each, within four seconds."""
    random = np.random.default_rng(seed)
    begun = np.repeat(AT, random.poisson(passes_per_s, SECONDS))
    sent = np.repeat(begun, random.geometric(1 / requests, begun.size))
    sent = sent + random.integers(0, 4, sent.size)
    return np.bincount(sent[sent < SECONDS], minlength=SECONDS)


def test_requests_that_come_in_clumps_are_hardly_ever_missed_by_chance() -> None:
    false = sum(pool(clumps(seed)).missing(BEFORE, DURING) > 0 for seed in range(200))
    assert false <= 6, counted(false, "false alarm")


def test_users_who_wait_are_missed_by_what_they_sent_before() -> None:
    started = np.random.default_rng(1).poisson(np.where((AT >= 62) & (AT < 72), 1.0, 40.0))
    assert pool(started).missing(BEFORE, DURING) == pytest.approx(390, abs=60)


def test_in_clumps_an_outage_is_missed_too() -> None:
    started = np.where(DURING, 0, clumps(3))
    assert pool(started).missing(BEFORE, DURING) == pytest.approx(20 * 60, rel=0.15)


def test_single_requests_vary_as_much_as_chance_and_clumps_more() -> None:
    single = np.random.default_rng(2).poisson(40.0, SECONDS)
    assert pool(single).usual(single, BEFORE).dispersion == pytest.approx(1, abs=0.4)
    assert pool(clumps(2)).usual(clumps(2), BEFORE).dispersion > 4


def test_a_steady_rate_varies_no_less_than_chance_would_have_it() -> None:
    steady = np.full(SECONDS, 40)
    assert pool(steady).usual(steady, BEFORE).dispersion == 1
    assert pool(steady).usual(steady, np.zeros(SECONDS, dtype=bool)).dispersion == 1


def arrivals(unstarted: np.ndarray) -> ArrivalCounts:
    planned, none = np.full(SECONDS, 5), np.zeros(SECONDS, dtype=np.int64)
    return ArrivalCounts(planned=planned, handed=planned - unstarted, dropped=unstarted, late=none)


def test_arrivals_of_an_open_model_are_missed_one_by_one_whatever_chance_does_to_requests() -> None:
    few = np.where(DURING, 0, 60)
    assert pool(few, arrivals=arrivals(np.zeros(SECONDS, dtype=np.int64))).missing(BEFORE, DURING) == 0
    dropped = np.where(AT == 70, 3, 0)
    assert pool(np.full(SECONDS, 60), arrivals=arrivals(dropped)).missing(BEFORE, DURING) == 3 * 12


def test_nobody_is_missed_in_seconds_in_which_the_plan_keeps_users_away() -> None:
    dropped = np.where(DURING, 3, 0)
    kept_away = pool(np.full(SECONDS, 60), arrivals=arrivals(dropped), away=(AT >= 60) & (AT < 70))
    assert kept_away.missing(BEFORE, DURING) == 10 * 3 * 12
    assert pool(np.where(DURING, 0, 60), away=DURING).missing(BEFORE, DURING) == 0


def test_in_seconds_that_are_forgiven_each_arrival_found_a_user() -> None:
    spoiled = arrivals(np.where(DURING, 3, 0)).all_handed(AT < 70)
    assert (spoiled.unstarted[:70].sum(), spoiled.unstarted[70:80].sum()) == (0, 30)
