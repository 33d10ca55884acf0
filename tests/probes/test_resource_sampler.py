"""Readings of processes: each belongs to one incarnation; what is gone, or another's by now, is left out."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from probes.resources import ResourceSampler, Subject

GREEDY = """
import sys, threading
print("up", flush=True)
sys.stdin.readline()
kept = bytearray(b"x") * (32 << 20)
files = [open("/dev/null") for _ in range(10)]
done = threading.Event()
threading.Thread(target=done.wait, daemon=True).start()
sum(range(20_000_000))
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def greedy() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", GREEDY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_what_a_process_takes_shows_in_the_next_reading(greedy: subprocess.Popen[str]) -> None:
    sampler, subject = ResourceSampler(uss_every=1), Subject("greedy", "generator", greedy.pid)
    (before,) = sampler.sample([subject])
    go_on(greedy)
    (after,) = sampler.sample([subject])
    assert after.rss_bytes - before.rss_bytes >= 30 << 20
    assert after.uss_bytes - before.uss_bytes >= 30 << 20
    assert after.threads == before.threads + 1
    assert after.descriptors == before.descriptors + 10
    assert after.cpu_s > before.cpu_s
    assert after.at_ns > before.at_ns
    assert after.incarnation == before.incarnation
    assert (after.subject, after.role) == ("greedy", "generator")


def test_unshared_memory_is_read_only_now_and_then_and_repeated_between(greedy: subprocess.Popen[str]) -> None:
    sampler, subject = ResourceSampler(uss_every=2), Subject("greedy", "generator", greedy.pid)
    (first,) = sampler.sample([subject])
    go_on(greedy)
    (second,), (third,) = sampler.sample([subject]), sampler.sample([subject])
    assert first.uss_bytes == second.uss_bytes > 0
    assert third.uss_bytes - second.uss_bytes >= 30 << 20


def test_a_process_that_vanished_is_left_out(greedy: subprocess.Popen[str]) -> None:
    sampler, subjects = (
        ResourceSampler(),
        [Subject("greedy", "api", greedy.pid), Subject("me", "conductor", os.getpid())],
    )
    assert [reading.subject for reading in sampler.sample(subjects)] == ["greedy", "me"]
    greedy.kill()
    os.waitid(os.P_PID, greedy.pid, os.WEXITED | os.WNOWAIT)
    assert [reading.subject for reading in sampler.sample(subjects)] == ["me"], "a zombie uses nothing"
    greedy.wait()
    assert [reading.subject for reading in sampler.sample(subjects)] == ["me"]


@pytest.mark.parametrize("subject", [Subject("down", "api", None), Subject("none", "api", 2**22 + 1)])
def test_a_process_that_does_not_run_has_no_reading(subject: Subject) -> None:
    assert ResourceSampler().sample([subject]) == []


@pytest.mark.parametrize(("shift_s", "found"), [(0.0, 1), (-60.0, 0), (60.0, 0)])
def test_a_pid_that_is_anothers_by_now_has_no_reading(shift_s: float, found: int) -> None:
    started_at = psutil.Process().create_time() + shift_s
    assert len(ResourceSampler().sample([Subject("me", "api", os.getpid(), started_at)])) == found


def test_two_incarnations_of_one_name_are_told_apart(greedy: subprocess.Popen[str]) -> None:
    sampler = ResourceSampler()
    (first,) = sampler.sample([Subject("api-0", "api", greedy.pid)])
    (second,) = sampler.sample([Subject("api-0", "api", os.getpid())])
    assert first.incarnation != second.incarnation
