"""The search on simulated targets: whatever the noise, it ends, and its interval holds the truth."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.capacity.level import LevelState
from analysis.capacity.search import MOST_VISITS, Bracket, Rules, Seen, bracket, next_level

PASS, FAIL, OPEN, UNFIT = LevelState.PASS, LevelState.FAIL, LevelState.OPEN, LevelState.UNFIT
RULES = Rules(start=10, most=1000, resolution=0.1)


def search(rules: Rules, answer: Callable[[int], LevelState], most_visits: int = 200) -> list[Seen]:
    """All visits until the search says that it is over."""
    seen: list[Seen] = []
    while (n := next_level(rules, seen)) is not None:
        assert 1 <= n <= rules.most
        assert len(seen) < most_visits, f"does not end: {seen[-20:]}"
        seen.append(Seen(n, answer(n)))
    return seen


def levels(seen: list[Seen]) -> list[int]:
    return [visit.n for visit in seen]


def test_it_climbs_by_doubling_halves_the_interval_and_repeats_both_ends() -> None:
    seen = search(RULES, lambda n: PASS if n <= 57 else FAIL)
    assert levels(seen) == [10, 20, 40, 80, 60, 50, 55, 60, 55]
    assert bracket(RULES, seen) == Bracket(55, 60, confirmed=True, narrow=True, limit="", open=())


def test_it_descends_to_a_single_user_and_says_when_not_even_that_passes() -> None:
    seen = search(RULES, lambda n: FAIL)
    assert min(levels(seen)) == 1
    assert bracket(RULES, seen) == Bracket(0, 1, confirmed=True, narrow=True, limit="", open=())


def test_it_stops_at_the_most_that_may_be_tried() -> None:
    seen = search(Rules(start=10, most=50, resolution=0.1), lambda n: PASS)
    assert levels(seen) == [10, 20, 40, 50, 50]
    found = bracket(Rules(10, 50, 0.1), seen)
    assert found == Bracket(50, None, confirmed=True, narrow=False, limit="most", open=())


def test_a_generator_that_cannot_is_the_limit_and_not_the_target() -> None:
    seen = search(RULES, lambda n: PASS if n < 40 else UNFIT)
    assert levels(seen) == [10, 20, 40, 40, 40, 20]
    found = bracket(RULES, seen)
    assert found == Bracket(20, None, confirmed=True, narrow=False, limit="generator", open=(40,))


def test_a_level_that_the_generator_spoils_is_passed_by_where_a_higher_one_failed() -> None:
    seen = search(RULES, lambda n: UNFIT if n == 30 else PASS if n <= 33 else FAIL)
    found = bracket(RULES, seen)
    assert (found.passes, found.fails, found.narrow) == (32, 35, True)


def test_a_level_that_was_unfit_once_is_visited_again() -> None:
    answers = iter([PASS, UNFIT, PASS, FAIL, *[PASS] * 50])
    seen: list[Seen] = []
    for _ in range(4):
        n = next_level(RULES, seen)
        assert n is not None
        seen.append(Seen(n, next(answers)))
    assert levels(seen) == [10, 20, 20, 40]


@pytest.mark.parametrize("others", [(OPEN, OPEN), (FAIL, OPEN)])
def test_one_pass_of_three_visits_decides_nothing(others: tuple[LevelState, LevelState]) -> None:
    found = bracket(RULES, [Seen(10, state) for state in (PASS, *others)])
    assert (found.passes, found.fails, found.open) == (0, None, (10,))


def test_a_failure_by_chance_below_a_level_that_passes_is_overruled() -> None:
    """20 fails once though the truth is 100: the repeat of the upper end finds it out, and the climb goes on."""
    tries = {20: iter([FAIL])}
    seen = search(RULES, lambda n: next(tries.get(n, iter([])), PASS if n <= 100 else FAIL))
    found = bracket(RULES, seen)
    assert found.confirmed
    assert found.passes <= 100 < (found.fails or 0)
    assert (found.fails or 0) - found.passes <= 10


def test_a_pass_by_chance_is_overruled_by_its_repeats() -> None:
    tries = {40: iter([PASS])}
    seen = search(RULES, lambda n: next(tries.get(n, iter([])), PASS if n <= 31 else FAIL))
    found = bracket(RULES, seen)
    assert found.passes <= 31 < (found.fails or 0)


@pytest.mark.parametrize(("fails", "narrow"), [(111, True), (112, False)])
def test_an_interval_is_narrow_up_to_the_share_of_its_upper_end_that_was_asked_for(fails: int, narrow: bool) -> None:
    assert bracket(RULES, [Seen(100, PASS), Seen(fails, FAIL)]).narrow is narrow


def test_undecided_levels_are_named_and_neither_end_is_put_there() -> None:
    seen = search(RULES, lambda n: PASS if n < 48 else FAIL if n > 62 else OPEN)
    found = bracket(RULES, seen)
    assert found.passes < 48
    assert (found.fails or 0) > 62
    assert 1 <= len(found.open) <= 4
    assert all(48 <= n <= 62 for n in found.open)
    assert not found.narrow


def test_an_interval_with_an_open_level_in_it_is_narrowed_all_the_same() -> None:
    seen = search(RULES, lambda n: OPEN if n == 55 else PASS if n < 55 else FAIL)
    found = bracket(RULES, seen)
    assert found.narrow
    assert found.passes < 55 < (found.fails or 0)


@given(truth=st.integers(0, 1200), start=st.integers(1, 300), resolution=st.floats(0.01, 0.5))
def test_without_noise_the_interval_holds_the_truth_and_is_narrow(truth: int, start: int, resolution: float) -> None:
    rules = Rules(start=start, most=1000, resolution=resolution)
    found = bracket(rules, search(rules, lambda n: PASS if n <= truth else FAIL))
    assert found.confirmed
    assert found.passes <= truth
    if truth >= 1000:
        assert (found.passes, found.fails, found.limit) == (1000, None, "most")
        return
    assert found.fails is not None
    assert truth < found.fails
    assert found.narrow
    assert found.fails - found.passes <= max(1, resolution * found.fails)


@given(answers=st.data(), start=st.integers(1, 50), most=st.integers(50, 400))
def test_whatever_is_answered_the_search_ends_and_visits_no_level_too_often(
    answers: st.DataObject, start: int, most: int
) -> None:
    rules = Rules(start=start, most=most, resolution=0.1)
    seen = search(rules, lambda _: answers.draw(st.sampled_from(list(LevelState))))
    counts = [levels(seen).count(n) for n in set(levels(seen))]
    assert max(counts) <= 3 * MOST_VISITS
    found = bracket(rules, seen)
    assert found.passes < (found.fails or rules.most + 1)


@pytest.mark.parametrize("wrong", [0.02, 0.05, 0.1])
def test_the_interval_holds_the_truth_though_some_visits_are_wrong(wrong: float) -> None:
    """Of 300 searches with a random truth; each visit says the opposite with the probability `wrong`."""
    rng = random.Random(f"{wrong}")
    held = 0
    for _ in range(300):
        truth = rng.randint(5, 500)

        def answer(n: int, truth: int = truth) -> LevelState:
            return PASS if (n <= truth) != (rng.random() < wrong) else FAIL

        found = bracket(RULES, search(RULES, answer))
        held += found.passes <= truth < (found.fails or RULES.most + 1)
    assert held / 300 >= {0.02: 0.97, 0.05: 0.9, 0.1: 0.75}[wrong]
