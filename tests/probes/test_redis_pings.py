"""PING: timed from when it was due, so that a stall shows in full."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from journal.errors import ProfileError, TargetUnreachable
from probes.redis import Ping, PingSeries, measure_pings, measure_series, p95_ms, ping_p95_ms, why_unreachable
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


@pytest.fixture
def named(redis: RunningValkey, monkeypatch: pytest.MonkeyPatch) -> str:
    """Redis' address, with its password in the environment."""
    monkeypatch.setenv("WORD", "sesame")
    return f"127.0.0.1:{redis.port}"


def test_a_hypothesis_may_name_the_address_and_where_the_password_is(named: str) -> None:
    assert 0 < ping_p95_ms(redis=named, password_env="WORD", count=3) < 1000


def test_a_password_that_is_missing_or_wrong_is_told_by_the_name_of_its_variable(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("guessed", ""):
        monkeypatch.setenv("WORD", word)
        with pytest.raises(ProfileError, match="WORD: Redis does not take this password"):
            ping_p95_ms(redis=named, password_env="WORD", count=1)


@pytest.mark.parametrize(
    "address", ["aia-redis", "aia-redis:", ":6379", "aia-redis:x", "aia-redis:0", "aia-redis:70000"]
)
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ProfileError, match="write host:port"):
        ping_p95_ms(redis=address)


def test_a_redis_that_nobody_names_is_told() -> None:
    with pytest.raises(ProfileError, match="is not named"):
        ping_p95_ms()


def test_a_series_ends_early_when_its_time_is_up(endpoint: RedisEndpoint) -> None:
    until_ns = time.time_ns() + 200_000_000
    assert 1 <= len(measure_series(endpoint, PingSeries(count=1000, interval_ms=20, until_ns=until_ns))) <= 11
    assert len(measure_series(endpoint, PingSeries(until_ns=0))) == 1


def test_whoever_can_only_not_be_answered_in_time_can_be_reached(
    endpoint: RedisEndpoint, redis: RunningValkey, stall: Callable[[float, float], subprocess.Popen[str]]
) -> None:
    assert why_unreachable(endpoint) == ""
    stalling = stall(0, 3)
    assert stalling.stdout.readline() == "stopped\n"
    assert why_unreachable(endpoint, timeout_s=0.2) == ""


def test_why_redis_cannot_be_reached_is_told(endpoint: RedisEndpoint, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("guessed")
    assert "does not take this password" in why_unreachable(replace(endpoint, password_file=str(tmp_path / "password")))
    assert "refused" in why_unreachable(replace(endpoint, port=1))
    assert why_unreachable(replace(endpoint, host="nowhere.invalid"))
