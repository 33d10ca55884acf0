"""Which pods may be held back by a resize, and to what; the resize itself is tested on a cluster."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from chaos.platforms.kubernetes.pods import Pod
from chaos.platforms.kubernetes.resize import (
    PING_INTERVAL_MS,
    PINGS,
    QUOTA_PERIOD_MS,
    held_back,
    is_held_back,
    objections,
    originals_of,
    taken,
)
from journal.errors import FaultRefused
from probes.container_cpu import CpuUse

REDIS: dict[str, Any] = {
    "metadata": {"name": "aia-redis-0", "uid": "u", "resourceVersion": "7"},
    "spec": {
        "containers": [
            {
                "name": "aia-redis",
                "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
                "livenessProbe": {"tcpSocket": {"port": 6379}},
                "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
            },
            {"name": "exporter"},
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    },
    "status": {
        "phase": "Running",
        "qosClass": "Burstable",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "aia-redis",
                "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
            }
        ],
    },
}


def redis(change: Callable[[dict[str, Any], dict[str, Any]], None] = lambda pod, container: None) -> Pod:
    data = deepcopy(REDIS)
    change(data, data["spec"]["containers"][0])
    return Pod(data)


def volume(kind: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(pod: dict[str, Any], container: dict[str, Any]) -> None:
        pod["spec"]["volumes"][0] = {"name": "data", kind: {}}

    return change


def test_pings_meet_all_parts_of_a_quotas_period() -> None:
    places_ms = sorted(number * PING_INTERVAL_MS % QUOTA_PERIOD_MS for number in range(PINGS))
    gaps_ms = [after - before for before, after in zip(places_ms, [*places_ms[1:], QUOTA_PERIOD_MS], strict=True)]
    assert max(gaps_ms) <= 5  # so a stall of a quarter of the period, or of three, shows in the p95


def test_a_redis_that_can_be_slowed_down_without_harm_may_be() -> None:
    assert objections(redis(), "aia-redis") == []
    assert objections(redis(volume("hostPath")), "aia-redis") == []


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        (lambda pod, c: c.update(livenessProbe={"exec": {"command": ["valkey-cli", "ping"]}}), "exec liveness probe"),
        (lambda pod, c: c["volumeMounts"].pop(0), "persistent volume"),
        (lambda pod, c: c["volumeMounts"][0].update(readOnly=True), "persistent volume"),
        (lambda pod, c: pod["spec"].pop("volumes"), "persistent volume"),
        *(
            (volume(kind), "persistent volume")
            for kind in ("emptyDir", "configMap", "secret", "projected", "ephemeral")
        ),
        (lambda pod, c: c["resizePolicy"][0].update(restartPolicy="RestartContainer"), "resizePolicy"),
        (lambda pod, c: c["resources"]["limits"].pop("cpu"), "no CPU limit"),
        (lambda pod, c: c.pop("resources"), "no CPU limit"),
        (lambda pod, c: pod["status"]["conditions"].append({"type": "PodResizePending"}), "another resize"),
        (lambda pod, c: c.update(name="valkey"), "has no container 'aia-redis'"),
    ],
)
def test_each_rule_refuses(change: Callable[[Any, Any], None], objection: str) -> None:
    found = objections(redis(change), "aia-redis")
    assert len(found) == 1
    assert objection in found[0]


@pytest.mark.parametrize(
    ("quality", "used_m", "requests", "limits"),
    [
        ("Burstable", 300.7, "100m", "150m"),
        ("Burstable", 200.0, "99m", "100m"),
        ("Burstable", 50.0, "24m", "25m"),
        ("Burstable", 3.0, "9m", "10m"),
        ("Guaranteed", 300.0, "150m", "150m"),
        ("Guaranteed", 3.0, "10m", "10m"),
    ],
)
def test_half_of_the_use_is_left_and_the_class_of_service_stays(
    quality: str, used_m: float, requests: str, limits: str
) -> None:
    pod = redis(lambda pod, container: pod["status"].update(qosClass=quality))
    assert held_back(pod, "aia-redis", CpuUse(used_m, "test")) == {
        "requests": {"cpu": requests},
        "limits": {"cpu": limits},
    }


def test_with_nobody_to_say_what_is_used_the_least_limit_is_taken() -> None:
    assert held_back(redis(), "aia-redis", None)["limits"] == {"cpu": "10m"}


def test_a_limit_that_would_hold_nothing_back_is_refused() -> None:
    with pytest.raises(FaultRefused, match="would not be below the present one, 1"):
        held_back(redis(), "aia-redis", CpuUse(2_000.0, "test"))


def test_a_throttle_is_in_force_when_the_kubelet_says_so_and_over_when_spec_and_status_are_as_before() -> None:
    throttled = {"requests": {"cpu": "9m"}, "limits": {"cpu": "10m"}}
    originals = originals_of(redis(), "aia-redis", throttled)

    def asked(pod: dict[str, Any], container: dict[str, Any]) -> None:
        for kind in throttled:
            container["resources"][kind]["cpu"] = throttled[kind]["cpu"]

    def done(pod: dict[str, Any], container: dict[str, Any]) -> None:
        pod["status"]["containerStatuses"][0]["resources"] |= deepcopy(throttled)

    def infeasible(pod: dict[str, Any], container: dict[str, Any]) -> None:
        asked(pod, container)
        pod["status"]["conditions"].append({"type": "PodResizePending", "reason": "Infeasible", "message": "no"})

    assert taken(redis(asked), originals) is None
    assert taken(redis(done), originals).holds
    assert not taken(redis(infeasible), originals).holds
    assert not taken(None, originals).holds
    assert [is_held_back(redis(change), originals) for change in (asked, done, infeasible)] == [True, True, True]
    assert not is_held_back(redis(), originals)


@pytest.mark.parametrize("condition", ["PodResizePending", "PodResizeInProgress"])
def test_while_a_resize_is_under_way_a_throttle_is_neither_in_force_nor_over(condition: str) -> None:
    before = redis()
    originals = originals_of(before, "aia-redis", {"requests": {"cpu": "9m"}, "limits": {"cpu": "10m"}})
    under_way = {"type": condition, "status": "True", "reason": "Deferred"}
    assert not is_held_back(before, originals)
    assert is_held_back(redis(lambda pod, container: pod["status"]["conditions"].append(under_way)), originals)

    def throttled(pod: dict[str, Any], container: dict[str, Any]) -> None:
        pod["status"]["containerStatuses"][0]["resources"] = originals["throttled"]
        pod["status"]["conditions"].append(under_way)

    assert taken(redis(throttled), originals) is None
