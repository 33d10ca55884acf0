"""The safety rules: each refuses what it should, and one that fails refuses too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import psutil
import pytest

from chaos.context import Context
from chaos.fault import Injection, Redundancy
from chaos.faults.delay_redis import DelayRedis
from chaos.faults.kill_replica import KillReplica
from chaos.guards import check_guards
from chaos.platforms.base import Target
from chaos.platforms.local import LocalPlatform
from journal.errors import FaultRefused
from probes.target_state import incarnation
from tests.chaos.scene import RunningTarget, incarnation_of


@pytest.fixture
def platform(whole_target: RunningTarget) -> LocalPlatform:
    return LocalPlatform(whole_target.state_file)


@pytest.fixture
def context(whole_target: RunningTarget, tmp_path: Path) -> Context:
    environment = {"GAMEDAY_STATE_FILE": str(whole_target.state_file), "GAMEDAY_LEDGER": str(tmp_path)}
    return Context.from_environment(environment)


@pytest.fixture
def injection(platform: LocalPlatform) -> Injection:
    return Injection(targets=(), originals={}, means=platform.termination((), graceful=False))


def test_a_fault_on_the_target_under_load_may_happen(
    context: Context, platform: LocalPlatform, injection: Injection
) -> None:
    check_guards(context, platform, replace(injection, redundancy=Redundancy(2, 3)))
    check_guards(replace(context, base_url=context.base_url.replace("127.0.0.1", "localhost")), platform, injection)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        (lambda context: replace(context, base_url="http://aia.example.org"), "not among those that may be hit"),
        (lambda context: replace(context, base_url="http://127.0.0.1:1"), "but the fault would hit"),
        (lambda context: replace(context, environment="staging"), "the profile says 'staging'"),
        (lambda context: replace(context, base_url="http://[broken"), "could not be checked"),
    ],
)
def test_each_rule_refuses(
    context: Context,
    platform: LocalPlatform,
    injection: Injection,
    change: Callable[[Context], Context],
    objection: str,
) -> None:
    with pytest.raises(FaultRefused, match=objection):
        check_guards(change(context), platform, injection)


def test_the_last_replica_goes_only_when_that_is_asked_for(
    context: Context, platform: LocalPlatform, injection: Injection
) -> None:
    all_of_them = replace(injection, redundancy=Redundancy(3, 3))
    with pytest.raises(FaultRefused, match="none would be left"):
        check_guards(context, platform, all_of_them)
    check_guards(context, platform, replace(all_of_them, may_take_all=True))


def test_a_target_that_cannot_be_asked_is_not_broken(context: Context, injection: Injection, tmp_path: Path) -> None:
    with pytest.raises(FaultRefused, match="could not be checked"):
        check_guards(context, LocalPlatform(tmp_path / "missing.json"), injection)


def test_the_choice_of_replicas_follows_from_the_seed(platform: LocalPlatform) -> None:
    def chosen(seed: str) -> tuple[Target, ...]:
        injection = KillReplica(count=2).prepare(platform, Random(seed))
        injection.means.close()
        return injection.targets

    assert chosen("1/F1") == chosen("1/F1")
    assert len({chosen(f"{seed}/F1") for seed in range(20)}) > 1


def test_a_target_that_was_replaced_since_it_was_chosen_is_not_ended(
    platform: LocalPlatform, sleeper: psutil.Process
) -> None:
    former = Target("api-0", incarnation(sleeper.pid, sleeper.create_time() - 60), "api-0, long ago")
    current = Target("api-1", incarnation_of(sleeper), "api-1")
    with pytest.raises(FaultRefused, match="has ended since it was chosen"):
        platform.termination([current, former], graceful=False)
    assert sleeper.is_running()


@pytest.mark.parametrize(("percent", "count"), [(1, 1), (34, 1), (66, 1), (67, 2), (100, 3)])
def test_a_share_of_the_replicas_is_rounded_down_but_never_to_none(
    platform: LocalPlatform, percent: float, count: int
) -> None:
    injection = KillReplica(percent=percent).prepare(platform, Random(1))
    injection.means.close()
    assert len(injection.targets) == injection.redundancy.taken == count


def test_a_target_of_processes_has_no_way_to_redis_that_could_be_delayed(platform: LocalPlatform) -> None:
    with pytest.raises(FaultRefused, match="no Toxiproxy"):
        DelayRedis().prepare(platform, Random(1))
