import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.plan import Arrivals, ArrivalStage
from journal.plan_shapes import Curve, Shape, segments_of, shape_problems
from tests.journal.shape_strategies import STAGES


def curve_of(stages: tuple[ArrivalStage, ...]) -> Curve:
    return Arrivals(process="constant", stages=stages).curve


def levels(shape: Shape, *at_s: float, level: float = 10.0, duration_s: float = 60.0) -> list[float]:
    curve = Curve(segments_of(level, shape, duration_s))
    return [curve.level(moment) for moment in at_s]


def test_a_ramp_goes_evenly_from_one_level_to_the_other() -> None:
    assert levels(Shape(kind="ramp", to=70.0), 0, 30, 60) == [10, 40, 70]


def test_steps_begin_at_the_level_and_end_at_the_other() -> None:
    assert levels(Shape(kind="steps", to=40.0, steps=4), 0, 14, 15, 30, 59) == [10, 10, 20, 30, 40]


def test_a_spike_is_there_between_its_begin_and_its_end_only() -> None:
    assert levels(Shape(kind="spike", to=100.0, at_s=20.0, for_s=5.0), 19.9, 20, 24.9, 25) == [10, 100, 100, 10]


def test_a_sine_swings_around_its_level() -> None:
    assert levels(Shape(kind="sine", amplitude=4.0, period_s=40.0), 0, 10, 20, 30) == pytest.approx([10, 14, 10, 6])


def test_a_soak_is_constant() -> None:
    assert levels(Shape(kind="soak"), 0, 59) == [10, 10]


@given(STAGES, st.floats(0, 1))
def test_the_cumulative_amount_is_the_integral_of_the_level(stages: tuple[ArrivalStage, ...], share: float) -> None:
    curve = curve_of(stages)
    until_s = share * curve.duration_s
    # exact sums over fine, even slices of each segment; the midpoint rule is exact for lines
    total = 0.0
    for begin_s, segment in curve.spans():
        length_s = min(max(0.0, until_s - begin_s), segment.duration_s)
        edges = np.linspace(0, length_s, 4001)
        middles = (edges[:-1] + edges[1:]) / 2
        total += sum(segment.level_at(float(t_s)) for t_s in middles) * length_s / 4000
    assert curve.cumulative(np.array([until_s]))[0] == pytest.approx(total, rel=1e-4, abs=1e-3)


@given(STAGES, st.floats(0.001, 0.999))
def test_the_inverse_finds_the_moment_of_an_amount(stages: tuple[ArrivalStage, ...], share: float) -> None:
    curve = curve_of(stages)
    amount = share * curve.total
    moment_s = curve.inverse(np.array([amount]))
    assert 0 <= moment_s[0] <= curve.duration_s
    assert curve.cumulative(moment_s)[0] == pytest.approx(amount, rel=1e-6, abs=1e-6)


@given(STAGES)
def test_a_level_stays_within_what_the_curve_says_of_itself(stages: tuple[ArrivalStage, ...]) -> None:
    for segment in curve_of(stages).segments:
        found = [segment.level_at(float(t_s)) for t_s in np.linspace(0, segment.duration_s, 50)]
        assert segment.lowest - 1e-6 <= min(found)
        assert max(found) <= segment.highest + 1e-6


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Shape(kind="ramp"), "shape.to: is missing; a ramp needs to"),
        (Shape(kind="sine", to=3.0, amplitude=1.0, period_s=5.0), "shape.to: has no meaning for a sine"),
        (Shape(to=3.0), "has no meaning for a constant; it takes no settings"),
        (Shape(kind="spike", to=9.0, at_s=58.0, for_s=5.0), "the spike ends after the stage"),
        (Shape(kind="sine", amplitude=11.0, period_s=5.0), "swings below zero: 11 is more than the level 10"),
    ],
)
def test_a_shape_that_does_not_fit_is_explained(shape: Shape, said: str) -> None:
    (problem,) = shape_problems("load.stages[0]", 10.0, shape, 60.0)
    assert said in str(problem)


def test_all_problems_of_a_shape_are_found_at_once() -> None:
    assert len(list(shape_problems("s", 10.0, Shape(kind="spike", steps=3, amplitude=2.0), 60.0))) == 5
