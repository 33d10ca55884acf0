"""The levels of a search in arrivals: one schedule after another, without a moment that two of them grant."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from journal.arrival_schedule import level_schedule
from journal.capacity import ARRIVALS_PER_S, Search
from journal.orders import Order
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS
from journal.plan import Arrivals, ArrivalStage, Load, Plan
from journal.timeline import EventKind, Timeline, read_timeline
from load.arrivals.leases import LEASE_NS
from load.arrivals.levels import BEGIN_AFTER_NS, Levels
from load.arrivals.open_model import OpenModel
from load.distributed.messages import LEASE
from load.distributed.roster import Roster
from load.recorder import Recorder

NS = 1_000_000_000
T0_S = 1_700_000_000
STAGE = ArrivalStage(rate_per_s=1000, duration_s=60)
PLAN = Plan(name="open", seed=4, load=Load(arrivals=Arrivals(process="constant", stages=(STAGE,)), mix={"auth": 1}))
SEARCH = Search(start=20, most=1000, unit=ARRIVALS_PER_S)


def order(level: int, arrivals_per_s: float) -> Order:
    return Order(level=level, users=10, spawn_rate_per_s=10.0, arrivals_per_s=arrivals_per_s)


class Scene:
    """A master with a clock of its own; `told` are the leases in the order in which they were sent."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.told: list[dict[str, Any]] = []
        self.timeline = Timeline(folder / "timeline.jsonl")
        self.roster = Roster(self._deliver, self.timeline, clock=lambda: self.now_s)
        self.roster.join("0", 0)
        self.levels = Levels(
            PLAN, SEARCH, self.roster, self._deliver, self.timeline, clock_ns=lambda: round((T0_S + self.now_s) * NS)
        )

    def _deliver(self, msg_type: str, data: dict[str, Any] | None = None, client_id: str | None = None) -> None:
        assert client_id == "0"
        if msg_type == LEASE:
            assert data is not None
            self.told.append(data)

    def go_on(self, seconds: float) -> None:
        self.now_s += seconds
        self.roster.heard("0")
        self.levels.renew()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_level_begins_where_no_grant_of_the_one_before_reaches(scene: Scene, tmp_path: Path) -> None:
    scene.levels.follow(order(0, 20))
    scene.go_on(2.5)
    scene.levels.follow(order(1, 40))
    before, after = scene.told[-2:]
    assert (before["level"], after["level"], after["rate_per_s"]) == (0, 1, 40)
    assert before["until_ns"] == after["begin_ns"] == (T0_S + 2.5) * NS + LEASE_NS
    begun = [event.data for event in read_timeline(tmp_path / "timeline.jsonl")[0] if event.kind is EventKind.ARRIVALS]
    assert [(data["level"], data["begin_ns"]) for data in begun] == [
        (0, T0_S * NS + BEGIN_AFTER_NS),
        (1, after["begin_ns"]),
    ]


def test_nothing_is_granted_in_a_pause_and_the_next_level_keeps_clear_of_older_grants(scene: Scene) -> None:
    scene.levels.follow(order(0, 20))
    until_ns = scene.told[-1]["until_ns"]
    scene.levels.follow(order(0, 0))
    number = len(scene.told)
    scene.go_on(0.5)
    assert len(scene.told) == number
    scene.levels.follow(order(1, 40))
    assert scene.told[-1]["begin_ns"] == until_ns
    scene.levels.follow(order(1, 0))
    scene.go_on(60)
    scene.levels.follow(order(2, 80))
    assert scene.told[-1]["begin_ns"] == (T0_S + 60.5) * NS + BEGIN_AFTER_NS


def test_each_visit_to_a_level_has_other_random_moments() -> None:
    poisson = Plan(name="open", load=Load(arrivals=Arrivals(process="poisson", stages=(STAGE,))))
    first, second, again = (next(level_schedule(poisson, SEARCH, level, 20).blocks()) for level in (0, 1, 0))
    assert first.at_ns.tolist() == again.at_ns.tolist() != second.at_ns.tolist()


class Served:
    """The worker's side in real time, with users whose passes take no time."""

    def __init__(self) -> None:
        self.recorder = Recorder("worker-0", (200_000,))
        self.model = OpenModel(PLAN, self.recorder, SEARCH)
        self.intended_ns: list[int] = []
        self.greenlets = [gevent.spawn(self.model.run), *(gevent.spawn(self._serve) for _ in range(20))]
        gevent.sleep(0)

    def _serve(self) -> None:
        while True:
            self.intended_ns.append(self.model.next_pass("auth"))


@pytest.fixture
def served() -> Iterator[Served]:
    scene = Served()
    yield scene
    gevent.killall(scene.greenlets)


def test_a_worker_starts_each_level_up_to_the_begin_of_the_next(served: Served) -> None:
    begin_ns = time.time_ns() + NS // 5
    change_ns, end_ns = begin_ns + NS, begin_ns + 2 * NS
    lease = {"shares": [[0, 0, 1]]}
    slow = {**lease, "level": 0, "rate_per_s": 20.0, "begin_ns": begin_ns, "until_ns": change_ns}
    quick = {**lease, "level": 1, "rate_per_s": 80.0, "begin_ns": change_ns, "until_ns": end_ns}
    served.model.granted(slow)
    gevent.sleep(0.3)
    served.model.granted(quick)
    served.model.granted({**slow, "until_ns": end_ns})  # was overtaken on its way
    while time.time_ns() < end_ns + NS // 5:
        gevent.sleep(0.05)
    served.model.finish()
    expected = [
        begin_ns + int(at_ns)
        for level, rate, begin, end in ((0, 20, begin_ns, change_ns), (1, 80, change_ns, end_ns))
        for at_ns in next(level_schedule(PLAN, SEARCH, level, rate).blocks()).at_ns + begin - begin_ns
        if at_ns + begin_ns < end
    ]
    counted = [frame.endpoints for frame in served.recorder.close()]
    dropped = sum(endpoints[DROPPED_ARRIVALS].started for endpoints in counted if DROPPED_ARRIVALS in endpoints)
    assert sum(endpoints[ARRIVALS].started for endpoints in counted if ARRIVALS in endpoints) + dropped == 100
    assert len(served.intended_ns) + dropped == len(expected) == 100  # what a held-up machine missed is dropped
    assert set(served.intended_ns) <= set(expected)
