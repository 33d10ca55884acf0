import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from journal.arrival_schedule import BLOCK, ArrivalSchedule, uniforms
from journal.plan import Arrivals, ArrivalStage
from journal.plan_shapes import Shape
from journal.recorded_arrivals import pack
from tests.journal.shape_strategies import STAGES

NS = 10**9
PROCESSES = st.sampled_from(["constant", "poisson"])


def even(rate_per_s: float, duration_s: float, process: str = "constant", **shape: object) -> Arrivals:
    stage = ArrivalStage(rate_per_s=rate_per_s, duration_s=duration_s, shape=Shape(**shape))
    return Arrivals(process=process, stages=(stage,))


def moments_s(schedule: ArrivalSchedule, first: int = 0) -> np.ndarray:
    return np.concatenate([block.at_ns for block in schedule.blocks(first)] or [np.zeros(0)]) / NS


def test_constant_arrivals_are_even() -> None:
    assert moments_s(ArrivalSchedule(even(10, 1), 1)).tolist() == pytest.approx([0.05 + 0.1 * k for k in range(10)])


@given(STAGES, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_so_many_constant_arrivals_came_by_any_moment_as_the_integral_of_the_rate_within_one(stages, shares) -> None:
    arrivals = Arrivals(process="constant", stages=stages)
    came_s = moments_s(ArrivalSchedule(arrivals, 1))
    for share in shares:
        until_s = share * arrivals.curve.duration_s
        due = float(arrivals.curve.cumulative(np.array([until_s]))[0])
        assert abs(np.searchsorted(came_s, until_s, side="right") - due) <= 1


@given(STAGES, PROCESSES, st.integers(0, 2**70))
def test_moments_ascend_within_the_load_and_are_all_there(stages, process: str, seed: int) -> None:
    arrivals = Arrivals(process=process, stages=stages)
    schedule = ArrivalSchedule(arrivals, seed)
    came_s = moments_s(schedule)
    assert came_s.size == schedule.total
    assert (np.diff(came_s) >= 0).all()
    assert ((came_s >= 0) & (came_s <= arrivals.curve.duration_s + 1e-9)).all()


@given(STAGES, PROCESSES, st.floats(0, 1))
def test_the_number_of_the_first_arrival_from_a_moment_on_is_known(stages, process: str, share: float) -> None:
    arrivals = Arrivals(process=process, stages=stages)
    schedule, at_s = ArrivalSchedule(arrivals, 3), share * arrivals.curve.duration_s
    index, came_s = schedule.index_at(at_s), moments_s(schedule)
    assert (came_s[:index] <= at_s + 1e-6).all()
    assert (came_s[index:] >= at_s - 1e-6).all()


@settings(deadline=None, max_examples=20)
@given(PROCESSES, st.integers(0, 9_999))
def test_the_rest_of_a_schedule_is_the_same_from_wherever_one_begins(process: str, first: int) -> None:
    schedule = ArrivalSchedule(even(1000, 10, process), 5)
    whole, rest = list(schedule.blocks()), list(schedule.blocks(first))
    for name in ("index", "at_ns", "choice"):
        joined = np.concatenate([getattr(block, name) for block in whole])[first:]
        assert np.array_equal(np.concatenate([getattr(block, name) for block in rest]), joined)


def test_poisson_arrivals_have_exponential_distances_and_the_planned_number() -> None:
    came_s = moments_s(ArrivalSchedule(even(100, 1000, "poisson"), 11))
    assert abs(came_s.size - 100_000) < 4 * 100_000**0.5
    assert kstest(np.diff(came_s) * 100, "expon").pvalue > 0.001


def test_poisson_arrivals_follow_the_shape_of_the_rate() -> None:
    arrivals = even(100, 100, "poisson", kind="sine", amplitude=90.0, period_s=100.0)
    came_s = moments_s(ArrivalSchedule(arrivals, 2))
    high, low = ((came_s > begin) & (came_s < begin + 50) for begin in (0, 50))
    first, whole = arrivals.curve.cumulative(np.array([50.0, 100.0]))
    assert abs(high.sum() - first) < 4 * first**0.5
    assert abs(low.sum() - (whole - first)) < 4 * (whole - first) ** 0.5


def test_another_seed_makes_another_schedule_and_the_same_one_the_same() -> None:
    one, same, other = (moments_s(ArrivalSchedule(even(50, 20, "poisson"), seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one[:500], other[:500])


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """The generator as its inventors wrote it down (Salmon et al. 2011), ten rounds."""
    whole = 2**64
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], whole)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], whole)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) % whole, (key[1] + 0xBB67AE8584CAA73B) % whole]
    return counter


def test_the_random_numbers_are_those_of_the_published_generator() -> None:
    expected = [word for step in (1, 2) for word in philox4x64([step, 3, 0, 0], [7, 1])]
    assert uniforms(7, 1, 3, 8).tolist() == [(word >> 11) / 2**53 for word in expected]


def test_choices_are_even() -> None:
    assert kstest(uniforms(1, 2, 0, BLOCK), "uniform").pvalue > 0.001


def test_recorded_arrivals_come_at_their_moments() -> None:
    arrivals = Arrivals(process="recorded", recording=pack(np.array([0, 250_000, 250_000, 2_500_000])))
    schedule = ArrivalSchedule(arrivals, 1)
    assert moments_s(schedule).tolist() == [0, 0.25, 0.25, 2.5]
    assert (arrivals.curve.duration_s, schedule.total, schedule.index_at(0.25)) == (3, 4, 1)


@given(STAGES, PROCESSES, st.integers(0, 3 * NS), st.floats(0, 1.2))
def test_each_arrival_is_counted_in_its_second_until_the_end(stages, process: str, begin_ns: int, share: float) -> None:
    arrivals = Arrivals(process=process, stages=stages)
    schedule = ArrivalSchedule(arrivals, 9)
    end_ns = begin_ns + round(share * arrivals.curve.duration_s * NS)
    counts = schedule.per_second(begin_ns, 0, 200, end_ns)
    at_ns = begin_ns + np.concatenate([block.at_ns for block in schedule.blocks()] or [np.zeros(0, dtype=np.int64)])
    kept = at_ns[at_ns < end_ns]
    assert counts.sum() == kept.size
    for second, moments in itertools.groupby(kept.tolist(), key=lambda moment: moment // NS):
        assert counts[second] == len(list(moments))
