"""Arrivals on their moments, with a clock and users of the tests' own: nothing is started twice, late, or unseen."""

from collections import Counter
from collections.abc import Callable, Iterator

import gevent
import numpy as np
import pytest
from gevent.event import AsyncResult

from journal.arrival_schedule import ArrivalSchedule
from journal.histogram import bucket_index
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Endpoint, Outcome
from journal.plan import Arrivals, ArrivalStage
from load.arrivals import starter as starter_module
from load.arrivals.pool import Pool, choose
from load.arrivals.split import Share
from load.arrivals.starter import Counts, Lease, Starter
from load.recorder import Recorder

NS = 1_000_000_000
T0_NS = 1_700_000_000 * NS
ALL = (Share(0, 0, 1),)


def settle() -> None:
    """Lets all greenlets go on until each waits for something; waking one another takes a turn of the loop each."""
    for _ in range(5):
        gevent.sleep(0)


class Clock:
    """Time that passes only while somebody sleeps; `stall` makes the next sleep too long."""

    def __init__(self) -> None:
        self.now_ns = T0_NS
        self.stall_ns = 0

    def sleep(self, seconds: float) -> None:
        settle()  # who was woken runs before the time goes on
        self.now_ns += round(seconds * NS) + self.stall_ns
        self.stall_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class Scene:
    """A starter, so many users for it, and what they did: (intended, actual) in ns since the begin."""

    def __init__(self, clock: Clock, rate_per_s: float = 10.0, duration_s: float = 4.0, users: int = 50) -> None:
        stage = ArrivalStage(rate_per_s=rate_per_s, duration_s=duration_s)
        self.clock = clock
        self.schedule = ArrivalSchedule(Arrivals(process="constant", stages=(stage,)), 1)
        self.recorder = Recorder("worker-0", (200_000,), lambda: clock.now_ns / NS)
        self.pool = Pool()
        self.counts = Counts(self.recorder, late_ms=20.0)
        self.passes: list[tuple[int, int]] = []
        self.busy: list[AsyncResult] = []
        self.starter = Starter(self.schedule, self.pool, self.counts, lambda _: "auth", clock)
        self.users = [gevent.spawn(self._serve) for _ in range(users)]
        settle()

    def _serve(self) -> None:
        while True:
            intended_ns = self.pool.wait("auth")
            self.counts.begun(intended_ns, self.clock.now_ns)
            self.passes.append((intended_ns - T0_NS, self.clock.now_ns - T0_NS))
            if self.busy:
                self.busy[0].get()

    def run(self, *shares: Share, until_ns: int = T0_NS + 99 * NS) -> None:
        self.starter.take(Lease(T0_NS, shares or ALL, until_ns))
        self.starter.run()
        settle()

    def counted(self, endpoint: Endpoint) -> int:
        frames = self.recorder.close()
        return sum(frame.endpoints[endpoint].started for frame in frames if endpoint in frame.endpoints)

    @property
    def planned_ns(self) -> list[int]:
        return [int(moment) for block in self.schedule.blocks() for moment in block.at_ns]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(starter_module, "sleep", clock.sleep)
    monkeypatch.setattr(Starter, "_await_change", lambda self, within_s: (clock.sleep(within_s), self._changed.clear()))
    return clock


@pytest.fixture
def make_scene(clock: Clock) -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []

    def make(**settings: float) -> Scene:
        scenes.append(Scene(clock, **settings))
        return scenes[-1]

    yield make
    gevent.killall([user for scene in scenes for user in scene.users])


def test_every_arrival_is_started_at_its_moment(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.run()
    assert [intended for intended, _ in scene.passes] == scene.planned_ns
    assert all(actual == intended for intended, actual in scene.passes)


def test_a_worker_starts_its_share_and_nothing_else(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.run(Share(0, 1, 3), Share(20, 0, 0), Share(30, 0, 2))
    numbers = [*range(1, 20, 3), *range(30, 40, 2)]
    assert [intended for intended, _ in scene.passes] == [scene.planned_ns[number] for number in numbers]


def test_an_arrival_that_finds_no_user_is_dropped_and_counted_in_its_second(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(users=5)
    scene.busy.append(AsyncResult())  # nobody ever comes back
    scene.run()
    frames = {frame.second - T0_NS // NS: frame.endpoints for frame in scene.recorder.close()}
    assert len(scene.passes) == 5
    assert [frames[second][DROPPED_ARRIVALS].started for second in range(4)] == [5, 10, 10, 10]
    assert frames[0][ARRIVALS].started == 5


def test_a_stall_makes_arrivals_late_and_their_delay_is_kept(make_scene: Callable[..., Scene], clock: Clock) -> None:
    scene = make_scene()
    clock.stall_ns = 550_000_000  # in the sleep to the first arrival
    scene.run()
    late = [actual - intended for intended, actual in scene.passes if actual > intended]
    assert late == [550_000_000 - 100_000_000 * number for number in range(6)]
    assert len(scene.passes) == 40
    assert scene.counted(LATE_ARRIVALS) == 6


def test_a_pass_is_late_from_the_delay_of_the_plan_on(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(users=0)
    for delay_us in (19_999, 20_000):
        scene.counts.handed(T0_NS)
        scene.counts.begun(T0_NS, T0_NS + delay_us * 1_000)
    (seen,) = [frame.endpoints for frame in scene.recorder.close() if frame.endpoints]
    assert (seen[LATE_ARRIVALS].started, seen[LATE_ARRIVALS].in_flight) == (1, 0)
    assert seen[ARRIVALS].outcomes[Outcome.OK].histograms["response"] == Counter(map(bucket_index, (19_999, 20_000)))


def test_what_is_more_than_a_second_late_is_dropped_instead_of_fired_at_once(make_scene, clock: Clock) -> None:
    scene = make_scene()
    clock.stall_ns = 2_550_000_000
    scene.run()
    assert len(scene.passes) == 40 - 16
    assert max(actual - intended for intended, actual in scene.passes) <= NS
    assert scene.counted(DROPPED_ARRIVALS) == 16


def test_nothing_is_started_beyond_the_lease_until_it_is_renewed(make_scene: Callable[..., Scene], clock) -> None:
    scene = make_scene()
    renewals = iter([(Share(0, 0, 1), Share(20, 1, 2))])

    def renewing(self: Starter, within_s: float) -> None:
        clock.sleep(within_s)
        if clock.now_ns >= T0_NS + 2 * NS and (share := next(renewals, None)):
            self.take(Lease(T0_NS, (share[0], share[1]), T0_NS + 99 * NS))

    scene.starter._await_change = renewing.__get__(scene.starter)  # type: ignore[method-assign]
    scene.run(until_ns=T0_NS + 1 * NS)
    begun = dict(scene.passes)
    first, second = scene.planned_ns[:10], scene.planned_ns[10:20]
    assert [begun[moment] for moment in first] == first
    assert all(moment not in begun or begun[moment] >= 2 * NS for moment in second)
    later = [moment for moment in begun if moment >= 2 * NS]
    assert later == [scene.planned_ns[number] for number in range(21, 40, 2)]


def test_nothing_is_started_again_when_the_shares_change_on_the_way(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    handed = scene.counts.handed

    def split_anew(intended_ns: int) -> None:
        handed(intended_ns)
        if intended_ns == T0_NS + scene.planned_ns[5]:
            scene.starter.take(Lease(T0_NS, (*ALL, Share(20, 0, 2)), T0_NS + 99 * NS))

    scene.counts.handed = split_anew  # type: ignore[method-assign]
    scene.run()
    assert [intended for intended, _ in scene.passes] == [*scene.planned_ns[:20], *scene.planned_ns[20::2]]


def test_an_older_lease_that_was_overtaken_is_not_taken(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.starter.take(Lease(T0_NS, (Share(0, 0, 0),), T0_NS + 99 * NS))
    scene.starter.take(Lease(T0_NS, ALL, T0_NS + 98 * NS))
    scene.starter.run()
    assert not scene.passes


def test_at_the_end_what_is_due_is_started_and_nothing_else(make_scene: Callable[..., Scene], clock: Clock) -> None:
    scene = make_scene()
    begun = scene.counts.begun

    def end_soon(intended_ns: int, now_ns: int) -> None:
        begun(intended_ns, now_ns)
        if len(scene.passes) == 9:
            scene.starter.finish()

    scene.counts.begun = end_soon  # type: ignore[method-assign]
    scene.run()
    assert len(scene.passes) == 10


def test_of_two_ends_the_earlier_one_counts(make_scene: Callable[..., Scene]) -> None:
    for ends_s in ((1, 3), (3, 1)):
        scene = make_scene()
        for end_s in ends_s:
            scene.starter.finish(T0_NS + end_s * NS)
        scene.clock.now_ns = T0_NS
        scene.run()
        assert [intended for intended, _ in scene.passes] == [at_ns for at_ns in scene.planned_ns if at_ns <= NS]


def test_a_starter_that_never_got_a_lease_ends_when_it_is_told(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.starter.finish()
    scene.starter.run()
    assert not scene.passes


def test_a_user_that_is_stopped_while_it_waits_is_handed_nothing(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(users=2)
    scene.users[0].kill()
    assert scene.pool.free == 1
    assert scene.pool.hand("auth", 1)
    assert not scene.pool.hand("auth", 2)
    assert not scene.pool.hand("nobody", 3)


def test_the_user_who_has_waited_longest_goes_first() -> None:
    pool, served = Pool(), list[str]()

    def serve(name: str) -> None:
        while True:
            pool.wait("auth")
            served.append(name)

    users = [gevent.spawn(serve, name) for name in "abc"]
    for number in range(6):
        settle()
        assert pool.hand("auth", number)
    settle()
    gevent.killall(users)
    assert "".join(served) == "abcabc"


def test_choices_follow_the_mix() -> None:
    journey_of = choose({"auth": 1, "none": 0, "agents": 3})
    chosen = [journey_of(float(choice)) for choice in np.linspace(0, 0.9999, 1000)]
    assert (chosen.count("auth"), chosen.count("agents"), chosen.count("none")) == (250, 750, 0)
    assert journey_of(0.25) == "agents"
