"""The union of all shares is the whole schedule, and no arrival is in two of them, however often it is split anew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from load.arrivals.split import Share, Split, decode, encode, mine, shares_of

ARRIVALS = np.arange(500)
MEMBERS = st.lists(st.sampled_from([f"worker-{number}" for number in range(12)]), min_size=1, unique=True).map(tuple)
SPLITS = st.lists(st.tuples(st.integers(1, 499), MEMBERS), max_size=5).map(sorted)


@given(st.integers(1, 40))
def test_the_union_of_a_split_is_the_whole_schedule(workers: int) -> None:
    split = [Split(0, tuple(f"worker-{number}" for number in range(workers)))]
    taken = sum(mine(shares_of(split, member), ARRIVALS).astype(int) for member in split[0].members)
    assert (taken == 1).all()


@given(MEMBERS, SPLITS)
def test_splitting_anew_loses_no_arrival_and_doubles_none(first: tuple[str, ...], later) -> None:
    splits = [Split(0, first), *(Split(index, members) for index, members in later)]
    everybody = {member for split in splits for member in split.members}
    taken = sum(mine(shares_of(splits, member), ARRIVALS).astype(int) for member in everybody)
    assert (taken == 1).all()


@given(st.integers(1, 9), st.integers(0, 400))
def test_each_share_is_within_one_arrival_of_its_part(workers: int, until: int) -> None:
    split = [Split(0, tuple(f"worker-{number}" for number in range(workers)))]
    for member in split[0].members:
        assert abs(mine(shares_of(split, member), ARRIVALS[:until]).sum() - until / workers) < 1


def test_a_worker_that_is_no_member_takes_nothing_from_then_on() -> None:
    splits = [Split(0, ("a", "b")), Split(10, ("a",)), Split(20, ("a", "b"))]
    assert np.flatnonzero(mine(shares_of(splits, "b"), np.arange(24))).tolist() == [1, 3, 5, 7, 9, 21, 23]


def test_shares_travel_as_numbers() -> None:
    shares = [Share(0, 1, 3), Share(100, 0, 0)]
    assert decode(encode(shares)) == shares
