"""Faults on a real cluster: whole experiments, started here, and what the platform refuses to do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from chaos.faults.delay_redis import DelayRedis
from chaos.faults.throttle_redis import ThrottleRedis
from chaos.platforms.base import Target
from chaos.platforms.kubernetes.platform import KubernetesPlatform
from chaos.platforms.kubernetes.pods import Pods
from chaos.platforms.kubernetes.resize import Resizing, originals_of, restore
from chaos.recover import recover_all
from journal.errors import FaultRefused
from journal.run_directory import RunDirectory
from tests.cluster.fault_scene import (
    WHOLE,
    Scene,
    busy_redis,
    evidence_of,
    fault_events,
    fault_scene,
    fault_states,
    record_about,
    resources_of,
    told,
)
from tests.cluster.script_pod import ScriptPod, script_pod
from tests.cluster.support import DeployedTarget, Images, wait_until

SCRIPTS = Path(__file__).parent / "scripts"
SOME_PINGS = 40


@pytest.fixture
def scene(target: DeployedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    target.wait_until_ready()
    with fault_scene(target, tmp_path, monkeypatch) as scene:
        yield scene


@pytest.fixture
def watched(scene: Scene) -> Scene:
    """The scene with a reaper that watches its ledger."""
    scene.start_reaper()
    return scene


def api_pods(scene: Scene) -> set[str]:
    return {pod.incarnation for pod in scene.pods.ready("app=aia-api")}


def test_a_killed_pod_is_gone_and_as_many_serve_again(watched: Scene) -> None:
    before, run = api_pods(watched), watched.run_directory("kill")
    ended = watched.experiment("kill-api-pod", run, "recovery_s=60")
    assert ended.returncode == 0, ended.stderr
    assert fault_states(run) == WHOLE
    victim = evidence_of(run, "effective")["incarnation"]
    assert {victim} == before - api_pods(watched)
    assert evidence_of(run, "proven")["ready_replicas"] == 3
    assert not watched.ledger.read().records


def test_two_thirds_of_the_pods_may_be_ended_gracefully(watched: Scene) -> None:
    before, run = api_pods(watched), watched.run_directory("graceful")
    ended = watched.experiment("kill-api-pod", run, "percent=67", "graceful=true", "recovery_s=60")
    assert ended.returncode == 0, ended.stderr
    assert len(before - api_pods(watched)) == 2
    assert fault_states(run) == WHOLE


def test_the_last_ready_replica_is_not_killed(watched: Scene) -> None:
    before, run = api_pods(watched), watched.run_directory("last")
    ended = watched.experiment("kill-api-pod", run, "percent=100")
    assert ended.returncode == 70
    assert "none would be left" in ended.stderr
    assert api_pods(watched) == before


def test_a_namespace_with_another_label_is_refused(watched: Scene) -> None:
    before, run = api_pods(watched), watched.run_directory("label", environment="production")
    ended = watched.experiment("kill-api-pod", run)
    assert ended.returncode == 70
    assert "'gameday'" in ended.stderr
    assert "'production'" in ended.stderr
    assert api_pods(watched) == before


def test_without_a_reaper_there_is_no_fault(scene: Scene) -> None:
    before, run = api_pods(scene), scene.run_directory("alone")
    scene.ledger.acknowledge(())  # the word of a reaper that has ended since
    ended = scene.experiment("kill-api-pod", run, "recovery_s=4")
    assert ended.returncode == 70
    assert "no reaper has seen the fault's record" in ended.stderr
    assert api_pods(scene) == before
    assert not scene.ledger.read().records


def test_a_throttled_redis_answers_late_and_then_has_the_resources_of_before(watched: Scene, images: Images) -> None:
    before, run = watched.redis(), watched.run_directory("throttle")
    with busy_redis(watched), redis_probe(watched, images) as probe:
        ended = watched.experiment("throttle-redis", run, "duration_s=40")  # cAdvisor counts only every 15 s
        assert ended.returncode == 0, told(run)
        wait_until(lambda: seen_after(probe, at_of(run, "proven")))
        pings = probe.lines()
    assert fault_states(run) == WHOLE
    evidence = evidence_of(run, "effective")
    before_ms = p95_between(pings, 0, at_of(run, "injected") - 1_000_000_000)
    during_ms = p95_between(pings, at_of(run, "injected"), at_of(run, "reverted"))
    after_ms = p95_between(pings, at_of(run, "proven"), 2**63)
    print(f"PING's p95 in a pod: {before_ms:.2f} ms before, {during_ms:.2f} ms during, {after_ms:.2f} ms after")
    assert during_ms > 3 * max(before_ms, after_ms)
    assert evidence["ping_p95_ms"] >= evidence["bound_ms"]
    assert evidence["cpu_source"] == "metrics API"
    assert int(evidence["cpu_limit"].removesuffix("m")) == pytest.approx(evidence["cpu_used_m"] / 2, abs=1)
    assert evidence["throttled_periods"] > 0
    after = watched.redis()
    assert after.incarnation == before.incarnation
    assert resources_of(after) == resources_of(before)
    assert after.container_status("aia-redis")["restartCount"] == 0


@contextmanager
def redis_probe(scene: Scene, images: Images) -> Iterator[ScriptPod]:
    """A pod beside Redis that measures its PING all the time."""
    with script_pod(
        scene.target.kubectl,
        SCRIPTS / "ping_redis.py",
        *(scene.target.host("aia-redis"), "6379"),
        name="redis-probe",
        namespace=scene.target.namespace,
        image=images.gameday,
        secrets={"REDIS_PASSWORD": ("aia-secrets", "redis-password")},
    ) as probe:
        wait_until(lambda: len(probe.lines()) >= SOME_PINGS)
        yield probe


def seen_after(probe: ScriptPod, at_ns: int) -> bool:
    return sum(ping["at_ns"] > at_ns for ping in probe.lines()) >= SOME_PINGS


def at_of(run: RunDirectory, state: str) -> int:
    """When the fault of a run came to a state."""
    return next(event.at_ns for event in fault_events(run) if event.data["state"] == state)


def p95_between(pings: list[Any], begin_ns: int, end_ns: int) -> float:
    found = [ping["ms"] for ping in pings if begin_ns <= ping["at_ns"] < end_ns]
    return float(np.percentile(found, 95))


def test_a_delayed_redis_answers_late_through_the_proxy_and_then_as_before(watched: Scene) -> None:
    run = watched.run_directory("delay")
    process = watched.start_experiment(
        "delay-redis", run, "latency_ms=150", "jitter_ms=20", "rate_kb_per_s=100", "duration_s=6"
    )
    wait_until(lambda: "injected" in fault_states(run))
    assert watched.redis_p95_ms(through_proxy=True) >= 130
    assert watched.redis_p95_ms() < 130
    assert process.wait(timeout=60) == 0, told(run)
    assert fault_states(run) == WHOLE
    assert watched.platform._toxiproxy().toxics() == []
    assert watched.redis_p95_ms(through_proxy=True) < 100


def test_a_proxy_with_somebody_elses_toxics_is_left_alone(scene: Scene) -> None:
    proxy = scene.platform._toxiproxy()
    toxic = {"name": "mine", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 1}}
    proxy.add(toxic)
    try:
        with pytest.raises(FaultRefused, match="has toxics already: mine"):
            DelayRedis().prepare(scene.platform, Random(1))
    finally:
        proxy.remove("mine")


def test_only_a_service_of_the_target_that_leads_to_the_api_counts_as_under_load(scene: Scene) -> None:
    url = f"http://{scene.target.host('aia-api')}:8000"
    why = scene.platform.why_not_under_load
    assert (
        why(url) == why(url.replace(".svc.cluster.local", "")) == why(f"http://{scene.addresses['aia-api']}:8000") == ""
    )
    assert "does not lead to" in why(url.replace("aia-api", "aia-redis"))
    assert "there is no Service" in why(url.replace("aia-api", "aia-web"))
    assert "is a Service of the namespace 'default'" in why("http://kubernetes.default.svc.cluster.local:443")
    assert "is no name of a Service" in why("http://aia.example.org")
    assert "has [8000]" in why(url.replace("8000", "9000"))
    assert "is the address of no Service" in why("http://198.51.100.1:8000")


def test_a_namespace_that_is_not_allowed_is_forbidden(scene: Scene) -> None:
    assert scene.platform.why_forbidden() == ""
    elsewhere = replace(scene.cluster, allowed_namespaces=("aia-staging",))
    assert "not among the allowed" in KubernetesPlatform(elsewhere, scene.api).why_forbidden()


def test_a_pod_that_was_replaced_under_its_name_is_not_ended(scene: Scene) -> None:
    namespace = scene.ledger_name.partition(":")[2].partition("/")[0]
    pods, kubectl = Pods(scene.api, namespace), scene.target.kubectl
    former = _stand_in(scene, namespace)
    platform = KubernetesPlatform(replace(scene.cluster, namespace=namespace), scene.api)
    means = platform.termination([former], graceful=False)
    kubectl("delete", "pod", "stand-in", "-n", namespace, "--grace-period=0", "--force")
    current = _stand_in(scene, namespace)
    with pytest.raises(FaultRefused, match="has ended or was replaced"):
        means.apply(1)
    assert pods.find(current.incarnation) is not None
    with pytest.raises(FaultRefused, match="has ended since it was chosen"):
        platform.termination([former], graceful=False)


def test_a_redis_without_persistence_is_not_throttled(scene: Scene) -> None:
    namespace = scene.ledger_name.partition(":")[2].partition("/")[0]
    store = _stand_in(scene, namespace, exec_probe=True)
    cluster = replace(scene.cluster, namespace=namespace, redis_container="stand-in")
    with pytest.raises(FaultRefused, match=r"exec liveness probe.*; .*persistent volume"):
        KubernetesPlatform(cluster, scene.api).throttling(store, off_ms=400, on_ms=100)


def test_reverting_leaves_a_redis_alone_that_has_replaced_the_throttled_one(scene: Scene) -> None:
    injection = ThrottleRedis().prepare(scene.platform, Random(1))
    former = injection.targets[0]
    injection.means.apply(8)
    scene.target.kubectl("delete", "pod", former.name, "-n", scene.target.namespace, "--wait=true")
    now = scene.redis()
    scene.platform.end_throttling(former, injection.originals)
    assert not scene.platform.is_alive(former)
    assert scene.redis().resource_version == now.resource_version
    assert now.container("aia-redis")["resources"]["limits"]["cpu"] == "1"


def test_a_resize_that_reaches_the_server_after_its_revert_does_nothing(scene: Scene) -> None:
    before = scene.redis()
    originals = originals_of(before, "aia-redis", {"requests": {"cpu": "9m"}, "limits": {"cpu": "10m"}})
    late = Resizing(scene.api, scene.pods, before.as_target(), originals)
    restore(scene.api, scene.pods, before.as_target(), originals)
    with pytest.raises(FaultRefused, match="was not resized"):
        late.apply(1)
    wait_until(lambda: resources_of(scene.redis()) == resources_of(before))


def test_reverting_twice_changes_nothing_the_second_time(scene: Scene) -> None:
    before = scene.redis()
    injection = ThrottleRedis().prepare(scene.platform, Random(1))
    injection.means.apply(8)
    for _ in range(2):
        scene.platform.end_throttling(injection.targets[0], injection.originals)
    wait_until(lambda: not scene.platform.is_throttled(injection.targets[0], injection.originals))
    assert resources_of(scene.redis()) == resources_of(before)


def test_a_record_of_another_cluster_is_not_taken_for_one_whose_target_has_ended(scene: Scene) -> None:
    injection = ThrottleRedis().prepare(scene.platform, Random(1))
    elsewhere = {"server": "https://192.0.2.1:6443", "namespace_uid": "0"}
    reference = scene.platform.reference() | {"home": elsewhere}
    record = record_about(injection.targets[0], reference, fault="throttle-redis", originals=dict(injection.originals))
    scene.ledger.open_record(record)
    recovery = recover_all(scene.ledger, patience_s=0.1)
    assert "which is not the one at" in recovery.failed[0].what
    assert scene.ledger.read().records == (record,)


def _stand_in(scene: Scene, namespace: str, *, exec_probe: bool = False) -> Target:
    """A pod that does nothing, ready."""
    probe = {"livenessProbe": {"exec": {"command": ["true"]}}} if exec_probe else {}
    container = {
        "name": "stand-in",
        "image": scene.target.ready_pods("aia-api")[0]["spec"]["containers"][0]["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "100m"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        **probe,
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [container],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stand-in", "labels": {"app": "stand-in"}},
        "spec": spec,
    }
    scene.target.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    return wait_until(lambda: Pods(scene.api, namespace).ready("app=stand-in"))[0].as_target()
