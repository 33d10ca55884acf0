"""The state file, and the counters that it points to."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from journal.errors import ProfileError, TargetUnreachable
from probes.counters import Counters, read_counters
from probes.target_state import incarnation, is_supervised, read_target_state, same_incarnation

API = {"name": "api-0", "role": "api", "pid": 5, "started_at": 1.5, "restarts": 2, "state": "running"}
DOWN = {"name": "api-1", "role": "api", "pid": None, "started_at": None, "restarts": 0, "state": "down"}

WriteState = Callable[..., Path]


def test_a_state_is_read_as_it_is(write_state: WriteState) -> None:
    state = read_target_state(write_state(processes=[API, DOWN], something_new=1))
    assert (state.url, state.environment, state.redis.host) == ("http://127.0.0.1:1", "embedded", "127.0.0.1")
    running, down = state.with_role("api")
    assert (running.name, running.pid, running.started_at, running.restarts) == ("api-0", 5, 1.5, 2)
    assert (down.pid, down.started_at, down.state) == (None, None, "down")
    assert state.with_role("worker") == []


def test_without_a_state_file_no_target_runs(tmp_path: Path) -> None:
    with pytest.raises(TargetUnreachable, match="gameday target up"):
        read_target_state(tmp_path / "missing.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"schema": "aia-target/state/9"}'])
def test_what_is_no_state_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(ProfileError, match=r"state\.json"):
        read_target_state(tmp_path / "state.json")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        read_target_state(tmp_path)


def test_all_that_is_wrong_with_a_state_is_told_at_once(write_state: WriteState) -> None:
    with pytest.raises(ProfileError) as refusal:
        read_target_state(write_state(url=7, pid="x", processes=[API | {"role": "spy"}]))
    assert len(refusal.value.problems) == 3


def test_a_supervisor_counts_only_as_the_process_that_it_was(write_state: WriteState) -> None:
    me = psutil.Process()
    supervisor = {"name": "supervisor", "role": "supervisor", "state": "running", "pid": me.pid}
    now, before = me.create_time(), me.create_time() - 60
    assert is_supervised(read_target_state(write_state(processes=[supervisor | {"started_at": now}])))
    assert not is_supervised(read_target_state(write_state(processes=[supervisor | {"started_at": before}])))
    assert not is_supervised(read_target_state(write_state(processes=[])))


def test_an_incarnation_ends_with_its_process() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    started_at = psutil.Process(pid).create_time()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not same_incarnation(pid, started_at), "a zombie has ended"
    os.waitpid(pid, 0)
    assert not same_incarnation(pid, started_at)
    assert incarnation(pid, 12.3456) == f"{pid}@12.35"


def test_counters_are_summed_over_replicas_that_run_and_that_are_down(write_state: WriteState, tmp_path: Path) -> None:
    for number, name in enumerate(("a.bin", "b.bin")):
        values = [number + 1, 10 * (number + 1), 2**63, 0, 5, 6, 7, 8]
        (tmp_path / name).write_bytes(struct.pack("<8Q", *values))
    processes = [API | {"counters": str(tmp_path / "a.bin")}, DOWN | {"counters": str(tmp_path / "b.bin")}]
    total = read_counters(read_target_state(write_state(processes=processes)))
    assert total == Counters(3, 30, 2**64, 0, 10, 12)


@pytest.mark.parametrize("content", [None, b"", b"x" * 63])
def test_counters_that_cannot_be_read_are_told(write_state: WriteState, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    processes = [API | {"counters": str(tmp_path / "a.bin")}]
    with pytest.raises(TargetUnreachable, match="counters"):
        read_counters(read_target_state(write_state(processes=json.loads(json.dumps(processes)))))
