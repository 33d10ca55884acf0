"""The oracle itself, where theory knows the answer."""

import pytest

from tests.analysis.capacity.closed_network import Knee, bad_shares, most_users


def test_one_user_alone_never_waits() -> None:
    assert set(bad_shares(Knee(threshold_s=0.0301), 1, seconds=100, seed=1).values()) == {0.0}


def test_everything_is_late_when_there_are_far_too_many() -> None:
    """By Little's law 100 users of 100/s with at most 0.15 s of thinking wait for 0.85 s at least."""
    assert min(bad_shares(Knee(), 100, seconds=100, seed=1).values()) == 1.0


def test_the_capacity_lies_where_littles_law_puts_it() -> None:
    """N = X·(R + Z) at the ceiling X, R just under the threshold and a mean pause of 0.05 to 0.1 s between calls."""
    knee = Knee()
    low, high = (knee.ceiling_per_s * (r + z) for r, z in ((0.14, 0.05), (0.2, 0.1)))
    assert low < most_users(knee, seconds=200) < high


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_answer_does_not_depend_on_the_seed(seed: int) -> None:
    assert abs(most_users(Knee(), seconds=300, seed=seed) - most_users(Knee(), seconds=300, seed=seed + 10)) <= 1
