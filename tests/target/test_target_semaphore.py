"""The planted semaphore: what the load asks for is served by so many servers, in order, at a rate that is known."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from target.defects import Defects, Servers


def test_calls_are_served_in_order_by_whoever_is_free_first() -> None:
    servers = Servers(2, 1.0)
    assert [servers.ends_at_s(now_s) for now_s in (0.0, 0.0, 0.5, 0.5, 5.0)] == [1.0, 1.0, 2.0, 2.0, 6.0]


def test_ten_calls_at_once_take_five_turns_of_two_servers_and_other_calls_take_none(start) -> None:
    target = start("--replicas", "1", "--defect", "semaphore:2:200")
    user = target.user()

    def call(_: int) -> float:
        began = time.monotonic()
        assert user.get("/auth/me", headers={"x-gameday-run": "r"}).status_code == 200
        return time.monotonic() - began

    with ThreadPoolExecutor(10) as pool:
        began = time.monotonic()
        took = sorted(pool.map(call, range(10)))
        assert time.monotonic() - began >= 1.0
    turns = (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    assert all(seconds >= 0.2 * turn - 0.1 for turn, seconds in zip(turns, took, strict=True))
    began = time.monotonic()
    for _ in range(10):
        user.get("/auth/me")
    assert time.monotonic() - began < 10 * 0.2


@pytest.mark.parametrize("spec", ["semaphore", "semaphore:2", "semaphore:0:5", "semaphore:2:0", "semaphore:x:5"])
def test_a_semaphore_that_cannot_be_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Defects().plant(spec)
