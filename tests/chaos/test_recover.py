"""Recovery: everything open is reverted, whoever left it, and other processes are left alone."""

import signal
from dataclasses import replace
from pathlib import Path

import psutil

from chaos.directory_ledger import DirectoryLedger as Ledger
from chaos.platforms.base import Target
from chaos.recover import recover_all
from probes.target_state import incarnation
from tests.chaos.scene import RunningTarget, incarnation_of, poll, throttle_record


def test_nothing_to_do_is_fine_any_number_of_times(ledger: Ledger) -> None:
    for _ in range(2):
        recovery = recover_all(ledger)
        assert (recovery.reverted, recovery.failed, recovery.complete) == ((), (), True)


def test_a_process_that_was_left_standing_runs_again(
    ledger: Ledger, whole_target: RunningTarget, sleeper: psutil.Process
) -> None:
    endpoint = whole_target.state().redis
    originals = {
        "host": endpoint.host,
        "port": endpoint.port,
        "password_file": endpoint.password_file,
        "ping_p95_ms": 20.0,
        "staller": "1@1.00",
    }
    target = Target("redis", incarnation_of(sleeper), "a stand-in for Redis")
    ledger.open_record(throttle_record(whole_target.state_file, target, originals=originals))
    sleeper.suspend()
    assert poll(lambda: sleeper.status() == psutil.STATUS_STOPPED)
    assert len(recover_all(ledger).reverted) == 1
    assert sleeper.status() != psutil.STATUS_STOPPED
    assert recover_all(ledger).reverted == ()


def test_a_process_that_merely_got_the_pid_of_a_target_is_not_touched(
    ledger: Ledger, tmp_path: Path, sleeper: psutil.Process
) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    assert poll(lambda: sleeper.status() == psutil.STATUS_STOPPED)
    former = Target("redis", incarnation(sleeper.pid, sleeper.create_time() - 60), "redis, long ago")
    ledger.open_record(throttle_record(tmp_path / "state.json", former))
    recovery = recover_all(ledger)
    assert recovery.complete, "a target that is gone leaves nothing to revert"
    assert sleeper.status() == psutil.STATUS_STOPPED


def test_what_cannot_be_reverted_is_named_and_stays_and_the_others_are_reverted(ledger: Ledger, tmp_path: Path) -> None:
    gone = Target("redis", "1@1.00", "redis (pid 1)")
    sound = throttle_record(tmp_path / "state.json", gone, fault_id="F2")
    unknown = replace(sound, fault_id="F1", platform={"kind": "moon"})
    for record in (unknown, sound):
        ledger.open_record(record)
    (ledger.directory / "torn.json").write_text("{")
    recovery = recover_all(ledger, patience_s=0.1)
    assert [record.fault_id for record in recovery.reverted] == ["F2"]
    assert ["torn.json" in problem.where or "moon" in problem.what for problem in recovery.failed] == [True, True]
    assert not recovery.complete
    assert ledger.read().records == (unknown,)


def test_only_the_faults_of_one_run_are_reverted_when_asked(ledger: Ledger, tmp_path: Path) -> None:
    gone = Target("redis", "1@1.00", "redis (pid 1)")
    for run_id in ("one", "two"):
        ledger.open_record(throttle_record(tmp_path / "state.json", gone, run_id=run_id))
    assert [record.run_id for record in recover_all(ledger, run_id="one").reverted] == ["one"]
    assert [record.run_id for record in ledger.read().records] == ["two"]
