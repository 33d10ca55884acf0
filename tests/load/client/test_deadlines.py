"""Deadlines that cost no timer per request: nobody is expired early, nobody much too late, nothing closed is kept."""

import time

import gevent
import pytest

from load.client import reactor
from load.client.reactor import NEVER_NS, TICK_NS, Deadlines


class Waiter:
    def __init__(self) -> None:
        self.deadline_ns = self.listed_ns = NEVER_NS
        self.expired_ns: list[int] = []

    def expire(self) -> None:
        self.deadline_ns = NEVER_NS
        self.expired_ns.append(time.monotonic_ns())


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines(gevent.get_hub().loop)


def wait(deadlines: Deadlines, waiter: Waiter, in_s: float) -> int:
    waiter.deadline_ns = time.monotonic_ns() + round(in_s * 1e9)
    if waiter.deadline_ns < waiter.listed_ns:
        deadlines.watch(waiter)
    return waiter.deadline_ns


def until(met) -> None:
    with gevent.Timeout(5):
        while not met():
            gevent.sleep(0.005)


def test_waiters_are_expired_once_and_never_early(deadlines):
    waiters = [Waiter() for _ in range(20)]
    due_ns = [wait(deadlines, waiter, 0.005 * number) for number, waiter in enumerate(waiters)]
    until(lambda: all(waiter.expired_ns for waiter in waiters))
    gevent.sleep(3 * TICK_NS / 1e9)
    assert [len(waiter.expired_ns) for waiter in waiters] == [1] * 20
    assert all(waiter.expired_ns[0] >= due for waiter, due in zip(waiters, due_ns, strict=True))


def test_a_deadline_that_moved_on_is_kept_and_one_that_came_nearer_too(deadlines):
    later, sooner, ended = Waiter(), Waiter(), Waiter()
    for waiter, first_s in ((later, 0.02), (sooner, 60.0), (ended, 0.02)):
        wait(deadlines, waiter, first_s)
    ended.deadline_ns = NEVER_NS
    due_ns = wait(deadlines, later, 0.1)
    wait(deadlines, sooner, 0.02)
    until(lambda: later.expired_ns and sooner.expired_ns)
    assert later.expired_ns[0] >= due_ns
    assert ended.expired_ns == []


def test_what_is_closed_is_on_no_list(deadlines):
    waiter = Waiter()
    wait(deadlines, waiter, 60.0)
    wait(deadlines, waiter, 30.0)
    deadlines.forget(waiter)
    assert not any(deadlines._lists.values())


class Loop:
    """An event loop whose timer the test fires."""

    def timer(self, *_: float):
        return self

    def start(self, fire) -> None:
        self.fire = fire

    def stop(self) -> None:
        pass


def test_a_waiter_is_expired_one_tick_late_at_most(monkeypatch):
    now_ns, loop, waiter = [5 * TICK_NS + 7], Loop(), Waiter()
    monkeypatch.setattr(reactor, "monotonic_ns", lambda: now_ns[0])
    deadlines = Deadlines(loop)
    waiter.deadline_ns = due_ns = now_ns[0] + 3 * TICK_NS
    deadlines.watch(waiter)
    while not waiter.expired_ns and now_ns[0] < due_ns + 500 * TICK_NS:
        now_ns[0] += TICK_NS // 2
        loop.fire()
    assert due_ns <= now_ns[0] <= due_ns + TICK_NS
