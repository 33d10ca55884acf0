"""`gameday k8s run` on a real cluster: the verdict comes home, and the cluster is as it was before."""

from collections.abc import Iterator

import pytest

from tests.cluster.game_day import SHORT, GameDay, Scene, assert_unchanged, scene_of, snapshot
from tests.cluster.support import DeployedTarget, Images, Kubectl, deployed_target, wait_until

CROWD = "{users: 500, spawn_rate_per_s: 20, duration_s: 75}"
CALM = "warm_up_s: 35"
STORMY = SHORT.replace(
    "  think_time",
    """\
  mix: {auth: 1, agents: 1, live_page: 2}
  storms:
    - {id: S1, kind: reconnect, at_s: 8, recovery_s: 10, max_budget_share: 10}
    - {id: S2, kind: token-expiry, at_s: 20, recovery_s: 10, max_budget_share: 10}
  think_time""",
)


@pytest.fixture
def scene(kubectl: Kubectl, images: Images, target: DeployedTarget) -> Iterator[Scene]:
    with scene_of(kubectl, images, target) as scene:
        yield scene


def workers_of(game_day: GameDay, state: str) -> set[str]:
    return {e["worker"] for e in game_day.timeline() if e["kind"] == "worker" and e["state"] == state}


def test_fifty_users_keep_the_slo_while_an_api_pod_is_killed_and_redis_is_throttled(scene: Scene) -> None:
    before = snapshot(scene.kubectl)
    run = scene.run("cluster")
    assert run.ended(600) == 0, run.log
    verdict = run.verdict
    assert verdict.state == "pass"
    assert verdict.missing == ()
    assert {(fault.id, fault.effect, fault.revert) for fault in verdict.faults} == {
        (fault_id, "seen", "proven") for fault_id in ("F1", "F2", "F3")
    }
    assert workers_of(run, "joined") == workers_of(run, "left") == {"worker-0", "worker-1"}
    assert (run.out / "report.html").exists()
    assert (run.out / "readings.jsonl").stat().st_size > 0
    assert_unchanged(scene.kubectl, before)
    scene.target.wait_until_ready()


def test_a_planted_defect_fails_the_run_and_the_endpoint_is_named(kubectl: Kubectl, images: Images) -> None:
    defect = {"AIA_DEFECTS": "slow:POST:/api/v1/mcp/process:300:20"}
    with (
        deployed_target(kubectl, images, namespace="aia-with-a-defect", config=defect) as target,
        scene_of(kubectl, images, target) as scene,
    ):
        run = scene.run(SHORT)
        assert run.ended() == 1, run.log
        failed = {gate.subject for gate in run.verdict.gates if gate.state == "fail"}
        assert failed == {"POST /api/v1/mcp/process"}


def test_storms_reach_the_users_of_every_worker_pod_and_all_come_back(scene: Scene) -> None:
    run = scene.run(STORMY)
    assert run.ended() in {0, 1, 3}, run.log
    storms = {storm.id: storm for storm in run.verdict.faults}
    assert {(name, storm.effect, storm.revert) for name, storm in storms.items()} == {
        ("S1", "seen", "proven"),
        ("S2", "seen", "proven"),
    }
    told = {(event["storm_id"], event["worker"]) for event in run.timeline() if event["kind"] == "storm"}
    assert told == {(name, worker) for name in storms for worker in ("worker-0", "worker-1")}
    assert (run.verdict.accounts.lost, run.verdict.missing) == (0, ())


def test_a_run_goes_on_without_a_worker_whose_pod_is_deleted_and_names_what_is_lost_with_it(scene: Scene) -> None:
    before = snapshot(scene.kubectl)
    run = scene.run(SHORT)
    run.await_("load")
    scene.delete_pod("worker", "--grace-period=1")
    assert run.ended() in {0, 1, 3}, run.log
    assert run.phases()[-1] == "ended"
    # the second between SIGTERM and SIGKILL may be enough to hand everything over
    lost = workers_of(run, "lost")
    assert workers_of(run, "left") | lost == {"worker-0", "worker-1"}
    assert {worker for worker in lost if not any(worker in gap for gap in run.verdict.missing)} == set()
    assert bool(run.verdict.missing) == bool(lost)
    assert_unchanged(scene.kubectl, before)


def test_two_runs_in_one_namespace_do_not_disturb_each_other(scene: Scene) -> None:
    small = SHORT.replace("users: 12", "users: 4").replace("workers: 2", "workers: 1")
    first, second = scene.run(small), scene.run(small.replace("duration_s: 40", "duration_s: 70"))
    assert first.ended() in {0, 1, 3}, first.log
    assert second.process.poll() is None
    assert second.ended() in {0, 1, 3}, second.log
    for run in (first, second):
        assert workers_of(run, "joined") == workers_of(run, "left") == {"worker-0"}
        assert run.verdict.missing == ()
        assert run.verdict.accounts.lost == 0
    assert first.verdict.run_id != second.verdict.run_id


def test_an_image_that_is_nowhere_is_named_and_cleaned_up(scene: Scene) -> None:
    before = snapshot(scene.kubectl)
    run = scene.run(SHORT, "--image", "localhost/no-such-image:1")
    assert run.ended() == 2, run.log
    assert "localhost/no-such-image:1" in run.log
    assert "--image" in run.log
    assert "Traceback" not in run.log
    assert_unchanged(scene.kubectl, before)


def test_a_quota_that_refuses_the_pods_is_named_and_cleaned_up(scene: Scene) -> None:
    scene.kubectl("create", "namespace", scene.namespace)
    scene.kubectl("create", "quota", "small", "-n", scene.namespace, "--hard=requests.cpu=100m")
    before = snapshot(scene.kubectl)
    run = scene.run(SHORT)
    assert run.ended() == 2, run.log
    assert "exceeded quota: small" in run.log
    assert_unchanged(scene.kubectl, before)


def test_rendered_manifests_that_somebody_applies_are_seen_through_by_attach(scene: Scene) -> None:
    scene.kubectl("create", "namespace", scene.namespace)
    scene.kubectl("apply", "-f", "-", stdin=scene.render(SHORT))
    wait_until(lambda: scene.pods("conductor"))
    attached = scene.start("attach")
    assert attached.ended() in {0, 1, 3}, attached.log
    assert attached.verdict.missing == ()
    kinds = "pods,jobs,deployments,configmaps,persistentvolumeclaims,roles"
    assert scene.kubectl.items("get", kinds, "-n", scene.namespace, "-l", "aia-gameday/run") == []


def test_five_hundred_users_lose_no_report(scene: Scene) -> None:
    crowd = SHORT.replace("{users: 12, spawn_rate_per_s: 10, duration_s: 40}", CROWD).replace("warm_up_s: 8", CALM)
    run = scene.run(crowd.replace("{min_s: 0.1, max_s: 0.3}", "{min_s: 4, max_s: 8}"))
    assert run.ended() in {0, 1, 3}, run.log
    verdict = run.verdict
    assert verdict.missing == ()
    assert verdict.accounts.lost == 0
    assert workers_of(run, "left") == {"worker-0", "worker-1"}
    assert max(int(event["users"]) for event in run.timeline() if event["kind"] == "users") == 500
    assert {invariant.violated for invariant in verdict.invariants} == {0}
