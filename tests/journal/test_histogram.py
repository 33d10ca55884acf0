"""The histogram agrees with the hdrhistogram package count for count, merges exactly, and reports honest quantiles."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import example, given
from hypothesis import strategies as st

from journal.histogram import (
    BUCKETS,
    MAX_VALUE_US,
    Histogram,
    bucket_index,
    bucket_indices,
    highest_values,
    lowest_values,
)

# powers of two and their neighbours are where bucket widths change
EDGES = st.integers(0, 31).flatmap(lambda power: st.sampled_from([2**power - 1, 2**power, 2**power + 1]))
DURATIONS = st.one_of(st.integers(1, MAX_VALUE_US), EDGES.filter(lambda value: 1 <= value <= MAX_VALUE_US))
RECORDINGS = st.lists(DURATIONS, max_size=50)


@given(RECORDINGS)
@example([1, 2047, 2048, 4095, 4096, MAX_VALUE_US])
def test_every_bucket_has_the_count_that_hdrhistogram_gives_it(values: list[int]) -> None:
    peer = HdrHistogram(1, MAX_VALUE_US, 3)
    for value in values:
        assert peer.record_value(value)
    ours = Histogram.of(values)
    theirs = [peer.get_count_at_index(index) for index in range(BUCKETS)]
    assert ours.counts.tolist() == theirs
    assert len(ours) == peer.get_total_count()


def test_the_last_bucket_is_the_one_of_an_hour() -> None:
    assert bucket_index(MAX_VALUE_US) == BUCKETS - 1


@given(RECORDINGS)
def test_a_whole_array_is_indexed_as_its_values_are_one_by_one(values: list[int]) -> None:
    assert bucket_indices(np.array(values, dtype=np.int64)).tolist() == [bucket_index(value) for value in values]


@pytest.mark.parametrize(("value", "clamped"), [(-5, 0), (MAX_VALUE_US + 1, MAX_VALUE_US), (2**62, MAX_VALUE_US)])
def test_a_value_out_of_range_goes_to_the_nearest_end(value: int, clamped: int) -> None:
    assert bucket_index(value) == bucket_index(clamped)
    assert bucket_indices(np.array([value]))[0] == bucket_index(clamped)


@given(DURATIONS)
def test_a_bucket_contains_its_value_and_is_no_wider_than_a_thousandth_of_it(value: int) -> None:
    index = np.array([bucket_index(value)])
    lowest, highest = lowest_values(index)[0], highest_values(index)[0]
    assert lowest <= value <= highest
    assert highest - lowest <= value / 1000


def test_buckets_follow_each_other_without_gap_or_overlap() -> None:
    every = np.arange(BUCKETS)
    assert (lowest_values(every)[1:] == highest_values(every)[:-1] + 1).all()


@given(RECORDINGS, RECORDINGS)
def test_merging_two_histograms_equals_recording_everything_in_one(first: list[int], second: list[int]) -> None:
    assert Histogram.of(first) + Histogram.of(second) == Histogram.of(first + second)


@given(RECORDINGS)
def test_sparse_buckets_give_the_same_histogram(values: list[int]) -> None:
    sparse: dict[int, int] = {}
    for value in values:
        sparse[bucket_index(value)] = sparse.get(bucket_index(value), 0) + 1
    assert Histogram.from_sparse(sparse) == Histogram.of(values)


@given(st.lists(DURATIONS, min_size=1, max_size=50), st.integers(0, 1000))
def test_a_quantile_is_the_end_of_the_bucket_that_holds_the_sorted_value_of_that_rank(
    values: list[int], per_mille: int
) -> None:
    rank = max(1, -(-per_mille * len(values) // 1000))
    exact = sorted(values)[rank - 1]
    assert Histogram.of(values).quantile_us(per_mille / 1000) == highest_values(np.array([bucket_index(exact)]))[0]


@given(st.lists(DURATIONS, min_size=1, max_size=50))
def test_the_mean_is_within_half_a_thousandth_of_the_exact_one(values: list[int]) -> None:
    assert Histogram.of(values).mean_us() == pytest.approx(sum(values) / len(values), rel=5e-4)


@given(st.lists(DURATIONS, min_size=1, max_size=50))
def test_the_cumulative_share_at_a_bucket_counts_all_values_up_to_its_end(values: list[int]) -> None:
    ends, shares = Histogram.of(values).cumulative()
    expected = [sum(value <= end for value in values) / len(values) for end in ends]
    assert shares.tolist() == pytest.approx(expected)


def test_an_empty_histogram_has_no_quantile_and_no_mean() -> None:
    assert len(Histogram()) == 0
    assert np.isnan(Histogram().quantile_us(0.5))
    assert np.isnan(Histogram().mean_us())
