"""The reaper: there is one, it reverts what nobody else does, and it ends when nothing is left."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chaos import reaper, reaping
from chaos.directory_ledger import DirectoryLedger as Ledger
from chaos.local_reaper import is_watched
from chaos.platforms.base import Target
from chaos.platforms.process_handle import own_incarnation
from chaos.reaper import is_due
from chaos.record import Record
from journal.errors import FaultRefused
from journal.run_directory import RunDirectory
from journal.timeline import FaultState
from tests.chaos.scene import fault_states, incarnation_of, poll, processes_about, throttle_record

GONE = Target("redis", "1@1.00", "redis (pid 1)")


@pytest.fixture
def owned(tmp_path: Path) -> Record:
    """A record whose owner lives: the reaper leaves it alone until it is overdue."""
    return throttle_record(tmp_path / "state.json", GONE, owner=own_incarnation())


@contextmanager
def reapers(ledger: Ledger, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-P", "-m", "chaos.reaper", "--ledger", str(ledger.directory)]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_of_several_that_start_at_once_one_stays(ledger: Ledger, owned: Record) -> None:
    ledger.open_record(owned)
    with reapers(ledger, 4) as started:
        assert poll(lambda: sum(process.poll() is None for process in started) == 1, 20)
        assert [process.returncode for process in started if process.returncode is not None] == [0, 0, 0]
        ledger.close_record(owned)
        assert poll(lambda: all(process.poll() == 0 for process in started)), "it ends when nothing is left"


def test_one_that_lives_is_not_joined_by_another(ledger: Ledger, owned: Record) -> None:
    ledger.open_record(owned)
    ledger.ensure_reaper()
    first = processes_about(ledger)
    ledger.ensure_reaper()
    assert processes_about(ledger) == first
    assert len(first) == 1
    ledger.close_record(owned)


def test_one_that_was_killed_is_replaced(ledger: Ledger, owned: Record) -> None:
    ledger.open_record(owned)
    ledger.ensure_reaper()
    first = processes_about(ledger)[0]
    first.kill()
    assert poll(lambda: not processes_about(ledger))
    ledger.ensure_reaper()
    assert processes_about(ledger) != [first]
    ledger.close_record(owned)


def test_without_a_place_for_it_the_fault_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaultRefused, match="no reaper"):
        Ledger(tmp_path / "file" / "ledger").ensure_reaper()


def test_a_record_is_due_when_its_owner_is_gone_or_it_is_long_overdue(owned: Record, sleeper: psutil.Process) -> None:
    an_hour_ago_ns = time.time_ns() - 3600 * 10**9
    assert not is_due(owned)
    assert is_due(replace(owned, expires_at_ns=an_hour_ago_ns))
    of_sleeper = replace(owned, owner=incarnation_of(sleeper))
    assert not is_due(of_sleeper)
    assert is_due(replace(owned, owner=f"{os.getpid()}@5.00")), "the pid lives on, but as another process"


def test_what_fails_is_tried_again_and_holds_up_no_other(ledger: Ledger, owned: Record, tmp_path: Path) -> None:
    broken = replace(owned, fault_id="F1", fault="no-such-fault", owner="1@1.00")
    sound = replace(owned, fault_id="F2", owner="1@1.00")
    ledger.open_record(broken)
    ledger.open_record(sound)
    with reapers(ledger, 1) as started:
        assert poll(lambda: [each.fault_id for each in ledger.read().records] == ["F1"], 20)
        assert started[0].poll() is None, "it stays for the one that failed"
        ledger.close_record(broken)
        assert poll(lambda: started[0].poll() == 0)


@pytest.mark.parametrize(("kind", "watched"), [(fcntl.LOCK_SH, False), (fcntl.LOCK_EX, True)])
def test_one_who_only_asks_for_a_reaper_is_not_taken_for_one(tmp_path: Path, kind: int, watched: bool) -> None:
    descriptor = os.open(tmp_path / "reaper.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, kind)
    try:
        assert is_watched(tmp_path) is watched
    finally:
        os.close(descriptor)


def test_a_record_of_an_owner_that_cannot_be_understood_is_left_until_it_is_overdue(owned: Record) -> None:
    strange = replace(owned, owner="pod:somewhere/else@1")
    assert not is_due(strange)
    assert is_due(replace(strange, expires_at_ns=time.time_ns() - 3600 * 10**9))


def test_a_record_that_is_written_while_a_reaper_lets_go_of_its_lock_is_seen(
    ledger: Ledger, owned: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.directory.mkdir()
    found: list[int] = []

    def look(ledger: Ledger) -> None:
        found.append(len(ledger.read().records))
        if len(found) == 1:
            ledger.open_record(owned)  # just after the last look
        else:
            ledger.close_record(owned)

    monkeypatch.setattr(reaper, "_watch_until_empty", look)
    reaper.watch(ledger)
    assert found == [0, 1]


def test_a_record_that_could_not_be_reverted_is_left_alone_for_a_while_and_no_other_is(
    ledger: Ledger, owned: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fail(record: Record, **_: object) -> None:
        tried.append(record.fault_id)
        raise ZeroDivisionError

    monkeypatch.setattr(reaping, "revert", fail)
    attempts = reaping.Reaping(ledger)
    assert not any(attempts.attempt(replace(owned, fault_id=name)) for name in ("F1", "F1", "F2", "F1"))
    assert tried == ["F1", "F2"]


@pytest.mark.parametrize(("overdue_s", "due"), [(-60, False), (5, False), (15, True)])
def test_an_owner_that_lives_has_seconds_to_revert_after_the_expiry(owned: Record, overdue_s: int, due: bool) -> None:
    assert is_due(replace(owned, expires_at_ns=time.time_ns() - overdue_s * 1_000_000_000)) is due


def test_the_run_is_told_of_a_fault_that_is_given_up(
    ledger: Ledger, owned: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(*_: object) -> bool:
        monkeypatch.setattr(reaper, "_GIVE_UP_AFTER_S", 0.0)  # the last one
        return False

    monkeypatch.setattr(reaper, "_GIVE_UP_AFTER_S", 1e12)
    monkeypatch.setattr(reaper, "_IDLE_S", 0.01)
    monkeypatch.setattr(reaping.Reaping, "attempt", attempt)
    ledger.open_record(replace(owned, owner="1@1.00", expires_at_ns=1, run_directory=str(tmp_path)))
    reaper._watch_until_empty(ledger)
    assert fault_states(RunDirectory(tmp_path)) == [FaultState.NOT_REVERTED]
