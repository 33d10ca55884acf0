import itertools

from hypothesis import given
from hypothesis import strategies as st

from journal.plan import Load, Stage
from journal.plan_shapes import Shape
from journal.timeline import Phase
from load.distributed.schedule import Want, phase_at, turning_points_s, wanted

STAIRS = Load(
    stages=(
        Stage(users=10, spawn_rate_per_s=5, duration_s=20),
        Stage(users=30, spawn_rate_per_s=2, duration_s=30),
        Stage(users=5, spawn_rate_per_s=1, duration_s=10),
    ),
    warm_up_s=8,
)


def test_each_stage_is_wanted_from_its_begin_until_the_next():
    assert wanted(STAIRS, 0) == Want(10, 5, 0)
    assert wanted(STAIRS, 19.999) == Want(10, 5, 0)
    assert wanted(STAIRS, 20) == Want(30, 2, 1)
    assert wanted(STAIRS, 50) == Want(5, 1, 2)
    assert wanted(STAIRS, 60) is None


def test_the_warm_up_is_the_beginning_of_the_load_and_the_drain_its_end():
    assert [phase_at(STAIRS, at_s) for at_s in (0, 7.9, 8, 59.9, 60)] == [
        Phase.WARM_UP,
        Phase.WARM_UP,
        Phase.LOAD,
        Phase.LOAD,
        Phase.DRAIN,
    ]


def test_the_turning_points_are_where_something_changes():
    assert list(turning_points_s(STAIRS)) == [0, 8, 20, 50, 60]


shapes = st.sampled_from(
    [
        Shape(),
        Shape(kind="ramp", to=30.0),
        Shape(kind="steps", to=1.0, steps=4),
        Shape(kind="sine", amplitude=1.0, period_s=7.0),
    ]
)
stages = st.lists(
    st.builds(
        Stage,
        users=st.integers(1, 9),
        duration_s=st.floats(0.1, 50).map(lambda value: round(value, 3)),
        shape=shapes,
    ),
    min_size=1,
    max_size=5,
)


@given(stages, st.floats(0, 100).map(lambda value: round(value, 3)), st.floats(0, 1))
def test_nothing_changes_between_two_turning_points(parts, warm_up_s, within):
    load = Load(stages=tuple(parts), warm_up_s=warm_up_s)
    points = list(turning_points_s(load))
    assert points == sorted(set(points))
    for begin_s, end_s in itertools.pairwise(points):
        between_s = begin_s + (end_s - begin_s) * within * 0.999
        assert wanted(load, between_s) == wanted(load, begin_s)
        assert phase_at(load, between_s) == phase_at(load, begin_s)
    assert wanted(load, points[-1]) is None


SHAPED = Load(
    stages=(
        Stage(users=10, duration_s=5),
        Stage(users=10, duration_s=4.5, shape=Shape(kind="ramp", to=100.0)),
        Stage(users=20, duration_s=9, shape=Shape(kind="steps", to=40.0, steps=3)),
        Stage(users=20, duration_s=10, shape=Shape(kind="spike", to=60.0, at_s=2.5, for_s=1.5)),
        Stage(users=20, duration_s=8, shape=Shape(kind="sine", amplitude=10.0, period_s=8.0)),
    ),
    warm_up_s=2,
)


def users_at(*moments_s: float) -> list[int]:
    return [want.users for moment_s in moments_s if (want := wanted(SHAPED, moment_s)) is not None]


def test_a_ramp_approaches_in_each_second_what_it_wants_at_its_end():
    assert users_at(4.9, 5, 5.99, 6, 8.9, 9.0, 9.4) == [10, 30, 30, 50, 90, 100, 100]


def test_steps_and_spikes_are_wanted_from_their_own_begin_on():
    assert users_at(9.5, 12.4, 12.5, 15.5, 18.4) == [20, 20, 30, 40, 40]
    assert users_at(18.5, 20.9, 21.0, 22.4, 22.5) == [20, 20, 60, 60, 20]


def test_a_sine_is_followed_second_by_second():
    assert users_at(*(28.5 + second for second in range(8))) == [27, 30, 27, 20, 13, 10, 13, 20]


def test_the_turning_points_of_shapes_are_where_their_levels_change():
    assert [point for point in turning_points_s(SHAPED) if point < 20] == [
        *(0, 2, 5, 6, 7, 8, 9, 9.5, 12.5, 15.5, 18.5)
    ]
