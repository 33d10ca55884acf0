"""Processes are killed in the middle of a throttle: by its expiry and two seconds Redis answers and nothing is left."""

import time
from collections.abc import Callable
from subprocess import Popen

import psutil
import pytest

from chaos.directory_ledger import DirectoryLedger as Ledger
from chaos.record import Record
from chaos.recover import recover_all
from journal.run_directory import RunDirectory
from tests.chaos.scene import RunningTarget, fault_states, poll, processes_about, stallers_of

DURATION_S = 3


@pytest.fixture
def experiment(start_chaos: Callable[..., Popen[str]], run_directory: RunDirectory) -> Popen[str]:
    """An experiment whose throttle holds."""
    process = start_chaos("throttle-redis", "--set", f"duration_s={DURATION_S}")
    assert poll(lambda: "injected" in fault_states(run_directory))
    return process


@pytest.fixture
def record(experiment: Popen[str], ledger: Ledger) -> Record:
    return ledger.read().records[0]


def kill_while_redis_stands_still(record: Record, *others: psutil.Process | Popen[str]) -> None:
    redis = psutil.Process(int(record.targets[0].incarnation.partition("@")[0]))
    assert poll(lambda: redis.status() == psutil.STATUS_STOPPED)
    for process in [*stallers_of(record.targets[0].incarnation), *others]:
        process.kill()


def all_is_well(target: RunningTarget, record: Record, ledger: Ledger) -> bool:
    left = stallers_of(record.targets[0].incarnation) or processes_about(ledger) or ledger.read().records
    return not left and target.redis_is_normal()


def seconds_until_expiry(record: Record) -> float:
    return (record.expires_at_ns - time.time_ns()) / 1e9


def test_the_experiment_is_killed(
    experiment: Popen[str],
    record: Record,
    whole_target: RunningTarget,
    ledger: Ledger,
    run_directory: RunDirectory,
) -> None:
    experiment.kill()
    experiment.wait()
    assert poll(lambda: all_is_well(whole_target, record, ledger), seconds_until_expiry(record) + 2)
    assert fault_states(run_directory)[-2:] == ["reverted", "proven"], "told by the reaper"
    recovery = recover_all(ledger)
    assert (recovery.reverted, recovery.failed) == ((), ())


def test_the_duty_cycle_is_killed_while_redis_stands_still(
    experiment: Popen[str], record: Record, whole_target: RunningTarget, run_directory: RunDirectory
) -> None:
    kill_while_redis_stands_still(record)
    assert poll(lambda: "proven" in fault_states(run_directory), seconds_until_expiry(record) + 5)
    assert experiment.wait(timeout=10) in {0, 1, 3}, "whether the effect was seen before depends on the moment"
    assert whole_target.redis_is_normal()


def test_experiment_and_duty_cycle_are_killed_while_redis_stands_still(
    experiment: Popen[str], record: Record, whole_target: RunningTarget, ledger: Ledger
) -> None:
    kill_while_redis_stands_still(record, experiment)
    experiment.wait()
    assert poll(lambda: all_is_well(whole_target, record, ledger), seconds_until_expiry(record) + 2)


def test_experiment_and_reaper_are_killed(
    experiment: Popen[str], record: Record, whole_target: RunningTarget, ledger: Ledger
) -> None:
    for process in [*processes_about(ledger), experiment]:
        process.kill()
    experiment.wait()
    assert stallers_of(record.targets[0].incarnation), "nobody is left but the duty cycle itself"
    assert poll(lambda: not stallers_of(record.targets[0].incarnation), seconds_until_expiry(record) + 2)
    assert whole_target.redis_is_normal()
    assert [each.fault_id for each in recover_all(ledger).reverted] == ["F1"]


def test_all_are_killed_while_redis_stands_still_and_recover_ends_it(
    experiment: Popen[str], record: Record, whole_target: RunningTarget, ledger: Ledger
) -> None:
    kill_while_redis_stands_still(record, *processes_about(ledger), experiment)
    experiment.wait()
    redis = psutil.Process(whole_target.pid("redis"))
    assert redis.status() == psutil.STATUS_STOPPED
    assert recover_all(ledger).complete
    assert whole_target.redis_is_normal()
    assert not ledger.read().records
