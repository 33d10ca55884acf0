"""Grants of the master: whatever workers come and go, no arrival has two owners, and none without a loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.arrival_schedule import ArrivalSchedule
from journal.plan import Arrivals, ArrivalStage
from journal.timeline import LOST_AFTER_S, EventKind, Timeline, read_timeline
from load.arrivals.leases import HEARD_WITHIN_S, LEASE_NS, Leases
from load.arrivals.split import decode, mine
from load.distributed.messages import LEASE
from load.distributed.roster import Roster

NS = 1_000_000_000
T0_S = 1_700_000_000
SCHEDULE = ArrivalSchedule(Arrivals(process="poisson", stages=(ArrivalStage(rate_per_s=20, duration_s=60),)), 4)
AT_NS = np.concatenate([block.at_ns for block in SCHEDULE.blocks()])


class Scene:
    """A master with a clock of its own; each worker keeps the last lease that reached it, and follows only that.

    `owners` says for each arrival who started it: workers start what they were granted when its moment comes.
    """

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.timeline = Timeline(folder / "timeline.jsonl")
        self.roster = Roster(self._deliver, self.timeline, clock=lambda: self.now_s)
        self.leases = Leases(
            SCHEDULE, self.roster, self._deliver, self.timeline, clock_ns=lambda: round((T0_S + self.now_s) * NS)
        )
        self.deaf: set[str] = set()
        self.silent: set[str] = set()
        self.held: dict[str, dict[str, Any]] = {}
        self.owners: list[list[str]] = [[] for _ in range(SCHEDULE.total)]

    def _deliver(self, msg_type: str, data: dict[str, Any] | None = None, client_id: str | None = None) -> None:
        if msg_type == LEASE and client_id not in self.deaf | self.silent:
            assert data is not None
            assert client_id is not None
            self.held[client_id] = data

    def join(self, node: str) -> None:
        self.roster.join(node, int(node))

    def step(self) -> None:
        """Half a second: workers start what is due, say that they live, and are granted more."""
        before_ns = round(self.now_s * NS)
        self.now_s += 0.5
        for node, lease in self.held.items():
            if node not in self.silent:
                self._start(node, lease, before_ns)
                self.roster.heard(node)
        self.roster.find_lost()
        self.leases.renew()

    def _start(self, node: str, lease: dict[str, Any], before_ns: int) -> None:
        due = np.flatnonzero((before_ns <= AT_NS) & (round(self.now_s * NS) > AT_NS))
        granted = due[(AT_NS[due] + lease["begin_ns"] < lease["until_ns"]) & mine(decode(lease["shares"]), due)]
        for index in granted:
            self.owners[index].append(node)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_all_arrivals_are_started_once_by_workers_that_stay(scene: Scene) -> None:
    for node in "012":
        scene.join(node)
    scene.leases.begin(T0_S * NS)
    for _ in range(121):
        scene.step()
    assert [len(owners) for owners in scene.owners] == [1] * SCHEDULE.total
    assert {owner for owners in scene.owners for owner in owners} == {"0", "1", "2"}


def test_the_share_of_a_lost_worker_goes_to_the_others_and_what_it_missed_is_bounded(scene: Scene) -> None:
    for node in "012":
        scene.join(node)
    scene.leases.begin(T0_S * NS)
    for number in range(121):
        if number == 40:
            scene.silent.add("1")
        scene.step()
    missing = [index for index, owners in enumerate(scene.owners) if not owners]
    assert all(len(owners) <= 1 for owners in scene.owners)
    assert AT_NS[missing[0]] / NS >= 20
    assert AT_NS[missing[-1]] / NS <= 20 + LOST_AFTER_S + LEASE_NS / NS + 1
    assert all(index % 3 == 1 for index in missing)


def test_a_worker_that_comes_back_takes_part_again(scene: Scene) -> None:
    for node in "01":
        scene.join(node)
    scene.leases.begin(T0_S * NS)
    for number in range(121):
        if number in {20, 60}:
            scene.silent ^= {"1"}
        scene.step()
    assert all(len(owners) <= 1 for owners in scene.owners)
    last = [owners[0] for owners in scene.owners[-100:]]
    assert abs(last.count("1") - 50) <= 1


def test_who_has_not_been_heard_for_a_while_is_granted_nothing_more(scene: Scene) -> None:
    for node in "01":
        scene.join(node)
    scene.leases.begin(T0_S * NS)
    scene.now_s = HEARD_WITHIN_S
    scene.roster.heard("0")
    scene.held.clear()
    scene.leases.renew()
    assert list(scene.held) == ["0"]


def test_every_split_is_written_down(scene: Scene, tmp_path: Path) -> None:
    scene.join("0")
    scene.leases.begin(T0_S * NS)
    scene.join("1")
    scene.leases.renew()
    events, _ = read_timeline(tmp_path / "timeline.jsonl")
    told = [event.data for event in events if event.kind is EventKind.ARRIVALS]
    assert [(event["from_s"], event["workers"]) for event in told] == [
        (0.0, ["worker-0"]),
        (LEASE_NS / NS, ["worker-0", "worker-1"]),
    ]
    assert told[1]["first"] == SCHEDULE.index_at(LEASE_NS / NS)
    assert told[0]["begin_ns"] == T0_S * NS


CHANGES = st.lists(st.tuples(st.integers(0, 119), st.sampled_from("0123"), st.booleans()), max_size=8)


@settings(deadline=None, max_examples=60)
@given(CHANGES, st.sampled_from(["", "0", "12"]))
def test_no_arrival_is_started_twice_whoever_falls_silent_or_goes_deaf(tmp_path_factory, changes, late: str) -> None:
    scene = Scene(tmp_path_factory.mktemp("leases"))
    for node in "0123":
        if node not in late:
            scene.join(node)
    scene.leases.begin(T0_S * NS)
    for number in range(121):
        if number == 30:
            for node in late:
                scene.join(node)
        for at, node, deaf in changes:
            if at == number:
                who = scene.deaf if deaf else scene.silent
                who ^= {node}
        scene.step()
    assert max(len(owners) for owners in scene.owners) <= 1
