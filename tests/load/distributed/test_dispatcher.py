from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.distributed import dispatcher as module
from load.distributed.dispatcher import Dispatcher, Goal, Placement


@dataclass
class Class:
    __name__: str
    weight: float = 1
    fixed_count: int = 0


@dataclass
class Node:
    id: str


CLASSES = [Class("Agents", 2), Class("Auth", 1), Class("Control", 2)]
FAST = 1000.0


def dispatcher_for(workers: list[Node], classes: list[Class] | None = None) -> Dispatcher:
    return Dispatcher(workers, classes or CLASSES, sleep=lambda _: None)


def nodes(number: int) -> list[Node]:
    return [Node(f"node-{index}") for index in range(number)]


def settled(dispatcher: Dispatcher, users: int, rate_per_s: float = FAST) -> list[dict[str, dict[str, int]]]:
    """Every distribution on the way to so many users."""
    dispatcher.new_dispatch(users, rate_per_s)
    return list(dispatcher)


def total(distribution: dict[str, dict[str, int]]) -> int:
    return sum(loads(distribution).values())


def loads(distribution: dict[str, dict[str, int]]) -> dict[str, int]:
    return {worker: sum(users.values()) for worker, users in distribution.items()}


def by_class(distribution: dict[str, dict[str, int]]) -> dict[str, int]:
    names = next(iter(distribution.values()))
    return {name: sum(users[name] for users in distribution.values()) for name in names}


def test_users_are_split_by_weight_and_evenly_over_the_workers():
    last = settled(dispatcher_for(nodes(4)), 100)[-1]
    assert by_class(last) == {"Agents": 40, "Auth": 20, "Control": 40}
    assert set(loads(last).values()) == {25}
    assert {users["Auth"] for users in last.values()} == {5}


def test_a_ramp_changes_no_more_users_at_once_than_its_rate_allows():
    dispatcher = dispatcher_for(nodes(2))
    totals = [0, *map(total, settled(dispatcher, 9, rate_per_s=4)), *map(total, settled(dispatcher, 3, rate_per_s=4))]
    assert totals == [0, 4, 8, 9, 5, 3]


def test_a_ramp_keeps_its_pace_on_an_absolute_schedule(monkeypatch: pytest.MonkeyPatch):
    now_s = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    def sleep(seconds: float) -> None:
        now_s[0] += seconds + 0.1  # each sleep is too long

    dispatcher = Dispatcher(nodes(1), CLASSES, sleep)
    dispatcher.new_dispatch(16, 4.0)
    steps = [(round(now_s[0], 3), total(distribution)) for distribution in dispatcher]
    assert steps == [(0, 4), (1.1, 8), (2.1, 12), (3.1, 16)]


def test_the_users_of_a_lost_worker_are_started_on_the_others_and_nobody_elses_are_stopped():
    first, second, third = nodes(3)
    dispatcher = dispatcher_for([first, second, third])
    before = settled(dispatcher, 30)[-1]
    assert not dispatcher.unsettled
    dispatcher.remove_worker(second)
    assert dispatcher.unsettled
    way = settled(dispatcher, 30, rate_per_s=200)
    assert loads(way[-1]) == {"node-0": 15, "node-2": 15}
    assert by_class(way[-1]) == by_class(before)
    for after in way:
        assert all(
            after[node.id][name] >= before[node.id][name] for node in (first, third) for name in before["node-0"]
        )
    assert not dispatcher.unsettled


def test_a_worker_that_comes_back_keeps_its_users_and_the_others_give_up_what_they_took_over():
    first, second = nodes(2)
    dispatcher = dispatcher_for([first, second])
    before = settled(dispatcher, 20)[-1]
    dispatcher.remove_worker(second)
    settled(dispatcher, 20)
    dispatcher.add_worker(second)
    way = settled(dispatcher, 20, rate_per_s=4)
    assert [distribution["node-1"] for distribution in way] == [before["node-1"]] * len(way)
    assert loads(way[-1]) == {"node-0": 10, "node-1": 10}
    assert all(total(distribution) >= 20 for distribution in way)


def test_a_new_worker_gets_its_share_without_a_dip():
    dispatcher = dispatcher_for(nodes(1))
    settled(dispatcher, 30)
    dispatcher.add_worker(Node("late"))
    way = settled(dispatcher, 30, rate_per_s=100)
    assert loads(way[-1]) == {"node-0": 15, "late": 15}
    assert min(map(total, way)) >= 30


def test_a_loss_in_the_middle_of_a_ramp_is_made_good_by_the_same_dispatch():
    dispatcher = dispatcher_for(nodes(2))
    dispatcher.new_dispatch(20, 200.0)
    next(dispatcher)
    dispatcher.remove_worker(Node("node-1"))
    assert loads(list(dispatcher)[-1]) == {"node-0": 20}


def test_without_workers_a_dispatch_ends_and_goes_on_when_one_comes():
    dispatcher = dispatcher_for(nodes(1))
    settled(dispatcher, 5)
    dispatcher.remove_worker(Node("node-0"))
    assert settled(dispatcher, 5) == [{}]
    dispatcher.add_worker(Node("node-9"))
    assert dispatcher.unsettled
    assert loads(settled(dispatcher, 5)[-1]) == {"node-9": 5}


def test_a_worker_that_is_announced_twice_keeps_its_users():
    dispatcher = dispatcher_for(nodes(2))
    before = settled(dispatcher, 10)[-1]
    dispatcher.add_worker(Node("node-1"))
    assert settled(dispatcher, 10)[-1] == before


def test_classes_of_fixed_size_come_first_and_go_last():
    dispatcher = dispatcher_for(nodes(2), [Class("Admin", fixed_count=2), Class("Auth", 1)])
    assert by_class(settled(dispatcher, 1)[-1]) == {"Admin": 1, "Auth": 0}
    assert by_class(settled(dispatcher, 6)[-1]) == {"Admin": 2, "Auth": 4}
    assert by_class(settled(dispatcher, 2)[-1]) == {"Admin": 2, "Auth": 0}


def test_classes_of_fixed_size_do_not_count_in_the_shares_of_the_others():
    dispatcher = dispatcher_for(nodes(1), [Class("Admin", fixed_count=10), Class("Agents", 3), Class("Auth", 1)])
    assert by_class(settled(dispatcher, 14)[-1]) == {"Admin": 10, "Agents": 3, "Auth": 1}


def test_where_no_class_has_a_weight_nobody_is_started():
    assert total(settled(dispatcher_for(nodes(1), [Class("Auth", 0)]), 5)[-1]) == 0


changes = st.lists(st.tuples(st.sampled_from(["come", "go", "users"]), st.integers(0, 40)), max_size=12)


@given(changes)
def test_whatever_comes_and_goes_the_goal_is_met_evenly_and_no_step_dips(script: list[tuple[str, int]]):
    """Whoever is there after any history: the right number, by weight, evenly; and never fewer than before on a way."""
    dispatcher, present, goal, running = dispatcher_for(nodes(2)), {"node-0", "node-1"}, 12, 0
    for what, number in [("users", 12), *script]:
        name = f"node-{number % 5}"
        if what == "come":
            dispatcher.add_worker(Node(name))
            present.add(name)
        elif what == "go":
            dispatcher.remove_worker(Node(name))
            present.discard(name)
        else:
            goal = number
        running = dispatcher._placement.total
        way = [running, *map(total, settled(dispatcher, goal, rate_per_s=1e6))]
        if not present:
            continue
        assert way[-1] == goal
        assert min(way) >= min(running, goal)
        assert max(dispatcher._placement.on(worker) for worker in present) - dispatcher._placement.emptiest <= 1
        shares = [dispatcher._placement.count(cls.__name__) for cls in CLASSES]
        assert all(abs(share - goal * cls.weight / 5) <= 2 for share, cls in zip(shares, CLASSES, strict=True))


def test_placing_is_the_same_every_time():
    def place() -> dict[str, dict[str, int]]:
        placement = Placement({"A": 1, "B": 1}, {})
        for worker in ("x", "y", "z"):
            placement.join(worker)
        for _ in range(17):
            placement.add()
        return placement.snapshot()

    assert place() == place()


@pytest.mark.parametrize("rate_per_s", [0.5, 1, 7, 50])
def test_the_pace_of_a_dispatch_is_its_rate(rate_per_s: float):
    goal = Goal(100, rate_per_s)
    assert goal.batch / goal.pause_s == pytest.approx(rate_per_s)
