import itertools

from hypothesis import given
from hypothesis import strategies as st

from journal.plan import Load, Stage
from journal.timeline import Phase
from load.schedule import Want, phase_at, turning_points_s, wanted

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


stages = st.lists(
    st.builds(Stage, users=st.integers(1, 9), duration_s=st.floats(0.1, 50).map(lambda value: round(value, 3))),
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
