"""Runs in a cluster that lose a part in the middle of a fault: it is reverted, and the verdict is true."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.api_server import stopped_api_server
from tests.cluster.game_day import THROTTLED, GameDay, Scene, assert_unchanged, scene_of, snapshot
from tests.cluster.support import DeployedTarget, Images, Kubectl

REDIS_POD = "aia-redis-0"


@pytest.fixture
def scene(kubectl: Kubectl, images: Images, target: DeployedTarget) -> Iterator[Scene]:
    with scene_of(kubectl, images, target) as scene:
        yield scene


def resources_of_redis(scene: Scene) -> Any:
    pod = scene.kubectl.json("get", "pod", REDIS_POD, "-n", scene.target.namespace)
    return [
        pod["spec"]["containers"][0]["resources"],
        [status["resources"] for status in pod["status"]["containerStatuses"]],
    ]


@pytest.fixture
def throttled(scene: Scene) -> Iterator[GameDay]:
    """A run in the middle of its throttle; in the end the cluster and Redis are as before."""
    before, resources = snapshot(scene.kubectl), resources_of_redis(scene)
    run = scene.run(THROTTLED)
    run.await_("F1 effective")
    assert resources_of_redis(scene) != resources
    yield run
    assert resources_of_redis(scene) == resources
    assert_unchanged(scene.kubectl, before)


def is_over(game_day: GameDay) -> bool:
    return "proven" in game_day.states_of("F1")


def test_a_killed_command_is_taken_up_by_attach(throttled: GameDay, scene: Scene) -> None:
    os.kill(throttled.process.pid, signal.SIGKILL)
    throttled.process.wait()
    attached = scene.start("attach", out=throttled.out)
    assert attached.ended() in {0, 1, 3}, attached.log
    assert attached.states_of("F1")[-1] == "proven"
    assert attached.phases()[-1] == "ended"
    assert attached.verdict.missing == ()
    assert "removed from the cluster" in attached.log


def test_a_conductor_whose_pod_is_deleted_in_a_moment_leaves_a_true_verdict(throttled: GameDay, scene: Scene) -> None:
    scene.delete_pod("conductor", "--grace-period=1")
    # the second between SIGTERM and SIGKILL may be enough to say that it was interrupted, or even to end in order
    assert throttled.ended() in {1, 3, 130}, throttled.log
    assert throttled.states_of("F1")[-1] == "proven"
    assert throttled.phases()[-1] == "ended" or any("end" in gap for gap in throttled.verdict.missing)


def test_a_conductor_whose_pod_is_evicted_in_order_reverts_and_judges(throttled: GameDay, scene: Scene) -> None:
    scene.delete_pod("conductor")
    assert throttled.ended() == 130, throttled.log
    assert throttled.states_of("F1")[-1] == "proven"
    assert throttled.phases()[-1] == "ended"


def test_ctrl_c_reverts_fetches_judges_and_cleans_up(throttled: GameDay) -> None:
    os.kill(throttled.process.pid, signal.SIGINT)
    assert throttled.ended() == 130, throttled.log
    assert throttled.states_of("F1")[-1] == "proven"
    assert throttled.phases()[-1] == "ended"
    assert (throttled.out / "report.html").exists()


def test_an_api_server_that_stands_still_for_half_a_minute_costs_nothing_but_time(throttled: GameDay) -> None:
    with stopped_api_server():
        time.sleep(30)  # this is the fault, not a wait for something
    returned_ns = time.time_ns()
    assert throttled.ended() in {0, 1, 3}, throttled.log
    reverted = next(e for e in throttled.timeline() if e.get("state") == "reverted")
    injected = next(e for e in throttled.timeline() if e.get("state") == "injected")
    due_ns = max(injected["at_ns"] + 20 * 10**9, returned_ns)
    assert reverted["at_ns"] < due_ns + 5 * 10**9
    assert throttled.phases()[-1] == "ended"
    assert throttled.verdict.missing == ()
