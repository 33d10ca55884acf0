"""PING: timed from when it was due, so that a stall shows in full."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from journal.errors import ProfileError, TargetUnreachable
from probes.redis import Ping, measure_pings, p95_ms, ping_p95_ms
from probes.target_state import RedisEndpoint
from tests.probes.conftest import RunningValkey


@pytest.fixture
def endpoint(redis: RunningValkey) -> RedisEndpoint:
    return RedisEndpoint("127.0.0.1", redis.port, str(redis.password_file))


STALL = """
import os, sys, time
pid, wait_s, stall_s = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
print("ready", flush=True)
time.sleep(wait_s)
os.kill(pid, 19)  # SIGSTOP
print("stopped", flush=True)
time.sleep(stall_s)
os.kill(pid, 18)  # SIGCONT
"""


@pytest.fixture
def stall(redis: RunningValkey) -> Iterator[Callable[[float, float], subprocess.Popen[str]]]:
    """Stops Redis after a wait, for a while, both in seconds."""
    children = []

    def start(wait_s: float, stall_s: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", STALL, str(redis.process.pid), str(wait_s), str(stall_s)]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert children[-1].stdout.readline() == "ready\n"
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()
    redis.process.send_signal(signal.SIGCONT)


def test_pings_are_due_at_even_intervals(endpoint: RedisEndpoint) -> None:
    pings = measure_pings(endpoint, count=5, interval_ms=20)
    gaps_ms = [(after.due_at_ns - before.due_at_ns) / 1e6 for before, after in pairwise(pings)]
    assert gaps_ms == pytest.approx([20] * 4)
    assert all(ping.latency_ms > 0 for ping in pings)


def test_a_stall_counts_for_every_ping_that_was_due_in_it(
    endpoint: RedisEndpoint, stall: Callable[[float, float], subprocess.Popen[str]]
) -> None:
    stall(0.2, 0.4)
    pings = measure_pings(endpoint, count=150, interval_ms=10)
    late_ms = [ping.latency_ms for ping in pings if ping.latency_ms >= 50]
    assert len(late_ms) >= 25, "some 35 pings were due before the last 50 ms of the stall"
    assert max(late_ms) >= 300


def test_a_stopped_redis_is_unreachable_after_the_time_out(
    endpoint: RedisEndpoint, stall: Callable[[float, float], subprocess.Popen[str]]
) -> None:
    assert stall(0.0, 30).stdout.readline() == "stopped\n"
    with pytest.raises(TargetUnreachable, match=r"no answer within 0\.2 s"):
        measure_pings(endpoint, count=1, timeout_s=0.2)


def test_the_p95_is_a_latency_that_was_seen() -> None:
    assert p95_ms([Ping(0, float(number)) for number in range(1, 21)]) == 20.0
    assert p95_ms([Ping(0, 3.0)]) == 3.0


def test_the_probe_of_a_hypothesis_finds_redis_by_the_state_file(
    redis: RunningValkey, write_state: Callable[..., Path]
) -> None:
    endpoint = {"host": "127.0.0.1", "port": redis.port, "password_file": str(redis.password_file)}
    assert 0 < ping_p95_ms(str(write_state(redis=endpoint)), count=5) < 1000


def test_a_wrong_password_is_a_mistake_of_the_profile_and_not_repeated(redis: RunningValkey, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("open-up")
    with pytest.raises(ProfileError, match="does not take this password") as refusal:
        measure_pings(RedisEndpoint("127.0.0.1", redis.port, str(tmp_path / "wrong")), count=1)
    assert "open-up" not in str(refusal.value)
    with pytest.raises(ProfileError, match="cannot be read"):
        measure_pings(RedisEndpoint("127.0.0.1", redis.port, str(tmp_path / "missing")), count=1)


def test_where_nothing_listens_redis_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(TargetUnreachable, match=r"127\.0\.0\.1:1"):
        measure_pings(RedisEndpoint("127.0.0.1", 1, str(tmp_path / "password")), count=1)
