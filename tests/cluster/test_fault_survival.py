"""Whatever is killed or cut off in a fault, it is undone by its expiry, or by the API server's return, and 5 s."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from chaos.ledger import open_ledger
from chaos.platforms.kubernetes.pods import Pod
from chaos.record import Record
from chaos.recover import recover_all, tell_epitaphs
from journal.run_directory import RunDirectory
from tests.cluster.api_server import stopped_api_server
from tests.cluster.fault_scene import Scene, evidence_of, fault_scene, fault_states, resources_of, told
from tests.cluster.support import DeployedTarget, wait_until

DURATION_S = 8
GRACE_S = 5.0
STOPPED_S = 10.0  # longer than any request is waited for, shorter than what nodes notice


@pytest.fixture
def scene(target: DeployedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    target.wait_until_ready()
    with fault_scene(target, tmp_path, monkeypatch) as scene:
        yield scene


@pytest.fixture
def reaper(scene: Scene) -> Popen[str]:
    return scene.start_reaper()


@pytest.fixture
def before(scene: Scene) -> Pod:
    return scene.redis()


@pytest.fixture
def run(scene: Scene) -> RunDirectory:
    return scene.run_directory("survival")


def throttled(scene: Scene, run: RunDirectory) -> tuple[Popen[str], Record]:
    """An experiment in the middle of its throttle, and the record of that."""
    process = scene.start_experiment("throttle-redis", run, f"duration_s={DURATION_S}")
    wait_until(lambda: fault_states(run), every_s=0.05)
    assert fault_states(run)[0] == "injected", told(run)
    (record,) = scene.ledger.read().records
    return process, record


def is_as_before(scene: Scene, before: Pod) -> bool:
    now = scene.redis()
    return now.incarnation == before.incarnation and resources_of(now) == resources_of(before)


def seconds_until(at_ns: int) -> float:
    return (at_ns - time.time_ns()) / 1e9


def test_the_experiment_is_killed(scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory) -> None:
    process, record = throttled(scene, run)
    assert resources_of(scene.redis())[0] != resources_of(before)[0]
    process.kill()
    process.wait()
    wait_until(lambda: is_as_before(scene, before), within_s=seconds_until(record.expires_at_ns) + GRACE_S)
    wait_until(lambda: not scene.ledger.read().records, within_s=seconds_until(record.expires_at_ns) + GRACE_S)
    assert "proven" in fault_states(run), "the reaper of this test lives where the run directory is"


def test_the_experiment_and_its_run_are_killed_and_the_run_is_told_later(
    scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory
) -> None:
    process, record = throttled(scene, run)
    process.kill()
    process.wait()
    hidden = run.path.rename(run.path.with_name("hidden"))
    wait_until(lambda: not scene.ledger.read().records, within_s=seconds_until(record.expires_at_ns) + GRACE_S)
    hidden.rename(run.path)
    assert "proven" not in fault_states(run)
    assert [epitaph.by for epitaph in tell_epitaphs(scene.ledger, "survival", run.path)] == ["reaper"]
    assert evidence_of(run, "proven")["by"] == "reaper"
    assert is_as_before(scene, before)


def test_experiment_and_reaper_are_killed_and_somebody_recovers(
    scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory
) -> None:
    process, _ = throttled(scene, run)
    for each in (process, reaper):
        each.kill()
        each.wait()
    recovery = recover_all(open_ledger(scene.ledger_name))
    assert ([record.fault_id for record in recovery.reverted], recovery.failed) == (["F1"], ())
    assert is_as_before(scene, before)
    assert recover_all(open_ledger(scene.ledger_name)).reverted == ()


def test_a_reaper_that_was_killed_is_replaced_by_one_that_knows_nothing_yet(
    scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory
) -> None:
    process, record = throttled(scene, run)
    for each in (process, reaper):
        each.kill()
        each.wait()
    scene.start_reaper()
    wait_until(lambda: is_as_before(scene, before), within_s=seconds_until(record.expires_at_ns) + GRACE_S)
    wait_until(lambda: not scene.ledger.read().records)


def test_a_signal_reverts_at_once(scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory) -> None:
    process, _ = throttled(scene, run)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=8) == 130
    assert is_as_before(scene, before)
    assert fault_states(run)[-2:] == ["reverted", "proven"]


def test_redis_is_replaced_in_the_middle(scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory) -> None:
    process, _ = throttled(scene, run)
    scene.target.kubectl("delete", "pod", before.name, "-n", scene.target.namespace, "--wait=false")
    process.wait(timeout=60)
    assert fault_states(run)[-2:] == ["reverted", "proven"]
    now = scene.redis()
    assert now.incarnation != before.incarnation
    assert resources_of(now) == resources_of(before)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "alive"])
def test_the_api_server_stands_still(
    scene: Scene, reaper: Popen[str], before: Pod, run: RunDirectory, *, killed: bool
) -> None:
    process, record = throttled(scene, run)
    with stopped_api_server():
        if killed:
            process.kill()
        time.sleep(max(STOPPED_S, seconds_until(record.expires_at_ns) + 1))
    returned_s = time.monotonic()
    wait_until(lambda: is_as_before(scene, before), within_s=GRACE_S, every_s=0.1)
    wait_until(lambda: not scene.ledger.read().records, within_s=GRACE_S + 5)
    print(f"reverted {time.monotonic() - returned_s:.1f} s after the API server's return")
    process.wait(timeout=60)
    wait_until(lambda: "proven" in fault_states(run))
