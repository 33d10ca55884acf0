"""Slows a pod down by an in-place resize of its CPU, and restores what it had; the pod goes on running all the while.

A request may be lost on its way, or reach the API server long after nobody waits for it any more, even after the
revert. So the resize is sent with the pod's resourceVersion of before: it is done once on that version or never. And a
revert that finds that version still there changes it, so that a resize that is still under way comes too late.
"""

from dataclasses import dataclass
from typing import Any

from chaos.finding import Finding
from chaos.platforms.base import Originals, Target
from chaos.platforms.kubernetes.pods import GONE, Pod, Pods
from journal.errors import ClusterRefused, FaultRefused
from probes.container_cpu import CpuUse, millicores
from probes.kubernetes_api import Json, KubernetesApi, Patch

QUOTA_PERIOD_MS = 100
LEAST_LIMIT_M = 10  # the kernel's least quota: 1 ms in 100 ms
# Pings in step with the quota's period would all meet the same part of it, be that slow or quick. 73 and 100 have no
# common factor, so that these fall on 40 places spread over the period.
PINGS, PING_INTERVAL_MS = 40, 73
_SHARE_LEFT = 0.5
_APPLY_S = 4.0
_NO_PERSISTENCE = frozenset(
    {"emptyDir", "configMap", "secret", "projected", "downwardAPI", "ephemeral", "csi", "image", "name"}
)
_UNSETTLED = frozenset({"PodResizePending", "PodResizeInProgress"})


def offers_resize(api: KubernetesApi) -> bool:
    """Whether this cluster can resize pods in place, by its own account."""
    return any(each["name"] == "pods/resize" for each in api.get("/api/v1")["resources"])


def objections(pod: Pod, container: str) -> list[str]:
    """Why this container must not be held back: it could be restarted, lose data, or never get back what it had."""
    spec = pod.container(container)
    if spec is None:
        return [f"{pod.name} has no container {container!r}"]
    found = []
    if "exec" in (spec.get("livenessProbe") or {}):
        found.append("its exec liveness probe would share the limit, time out, and have it restarted")
    if not _keeps_data(pod, spec):
        found.append("it keeps nothing on a persistent volume, so a restart would lose its data")
    if any(
        each == {"resourceName": "cpu", "restartPolicy": "RestartContainer"} for each in spec.get("resizePolicy", [])
    ):
        found.append("its resizePolicy restarts it when its CPU changes")
    resources = spec.get("resources") or {}
    if any("cpu" not in (resources.get(kind) or {}) for kind in ("requests", "limits")):
        found.append("it has no CPU limit, and one that is set in place cannot be removed again")
    if any(each["type"] in _UNSETTLED for each in pod.data.get("status", {}).get("conditions") or []):
        found.append("another resize of it is under way")
    return [f"{pod.name}: {each}" for each in found]


def held_back(pod: Pod, container: str, use: CpuUse | None) -> Json:
    """The requests and limits of CPU that leave half of the present use, and the pod in its class of service.

    Raises:
        FaultRefused: that is no less than what it may use now.
    """
    spec = pod.container(container) or {}
    before = {kind: str(spec["resources"][kind]["cpu"]) for kind in ("requests", "limits")}
    limit_m = max(LEAST_LIMIT_M, int((use.millicores if use else 0.0) * _SHARE_LEFT))
    if limit_m >= millicores(before["limits"]):
        raise FaultRefused(f"{pod.name}: a limit of {limit_m}m would not be below the present one, {before['limits']}")
    request = f"{limit_m}m"
    if pod.data.get("status", {}).get("qosClass") != "Guaranteed":  # a request below the limit keeps it Burstable
        request = before["requests"] if millicores(before["requests"]) < limit_m else f"{limit_m - 1}m"
    return {"requests": {"cpu": request}, "limits": {"cpu": f"{limit_m}m"}}


def originals_of(pod: Pod, container: str, throttled: Json) -> dict[str, Any]:
    """What the ledger has to keep: the container's resources by spec and by status, and what they become."""
    spec = pod.container(container) or {}
    return {
        "container": container,
        "resources": spec["resources"],
        "status_resources": pod.container_status(container).get("resources") or {},
        "throttled": throttled,
        "resource_version": pod.resource_version,
    }


@dataclass(frozen=True, slots=True)
class Resizing:
    """The means of a throttle."""

    api: KubernetesApi
    pods: Pods
    target: Target
    originals: Originals

    def apply(self, duration_s: float) -> None:  # noqa: ARG002  # a resize knows no time limit
        """Asks for the resize. Raises FaultRefused when it is certain that nothing was changed."""
        path, uid = self.pods.path_of(self.target.incarnation), self.target.incarnation.rpartition("@")[2]
        metadata = {"uid": uid, "resourceVersion": self.originals["resource_version"]}
        api = self.api.hurried(patience_s=_APPLY_S)
        try:
            _resize(api, path, self.originals["container"], self.originals["throttled"], metadata)
        except ClusterRefused as refusal:
            if refusal.status in GONE and self._is_done():
                return  # the first answer was lost, and the second try met the work of the first
            if refusal.passing:
                raise
            raise FaultRefused(f"{self.target.label} was not resized: {refusal}") from refusal

    def close(self) -> None:
        """Nothing is held."""

    def _is_done(self) -> bool:
        pod = self.pods.find(self.target.incarnation)
        return pod is not None and _matches(_spec(pod, self.originals), self.originals["throttled"])


def restore(api: KubernetesApi, pods: Pods, target: Target, originals: Originals) -> None:
    """Gives the container what it had before; a pod that is gone or replaced needs nothing."""
    pod = pods.find(target.incarnation)
    if pod is None or pod.has_ended:
        return
    before = _cpu_of(originals["resources"])
    if not _matches(_spec(pod, originals), before):
        _resize_unless_gone(api, pods, target, originals, before)
    elif pod.resource_version == originals["resource_version"]:
        _resize_unless_gone(api, pods, target, originals, _slightly_more(before))
        _resize_unless_gone(api, pods, target, originals, before)


def taken(pod: Pod | None, originals: Originals) -> Finding | None:
    """Whether the kubelet has taken the throttle over; None while that is open."""
    if pod is None:
        return Finding(False, {"note": "the pod was replaced"})
    if _matches(_status(pod, originals), originals["throttled"]) and not _pending(pod):
        return Finding(True, {"cpu_limit": str(originals["throttled"]["limits"]["cpu"])})
    refusals = [each for each in _pending(pod) if each.get("reason") == "Infeasible"]
    if refusals:
        return Finding(False, {"resize": f"Infeasible: {refusals[0].get('message', '')}"})
    return None


def is_held_back(pod: Pod, originals: Originals) -> bool:
    """Whether the container's resources differ from what they were, by spec or by status."""
    if _pending(pod) or not _matches(_spec(pod, originals), _cpu_of(originals["resources"])):
        return True
    before = originals["status_resources"]
    return bool(before) and not _matches(_status(pod, originals), _cpu_of(before))


def _keeps_data(pod: Pod, spec: Json) -> bool:
    """Whether a volume that outlives a restart of the pod is mounted, and may be written to."""
    lasting = {each["name"] for each in pod.data["spec"].get("volumes") or [] if set(each) - _NO_PERSISTENCE}
    mounts = spec.get("volumeMounts") or []
    return any(mount["name"] in lasting and not mount.get("readOnly") for mount in mounts)


def _resize(api: KubernetesApi, path: str, container: Any, resources: Json, metadata: Json) -> None:
    """Raises ClusterRefused with 404 or 409 when there is no longer a pod with this metadata."""
    body = {"metadata": metadata, "spec": {"containers": [{"name": container, "resources": resources}]}}
    api.patch(f"{path}/resize", body, Patch.STRATEGIC)


def _resize_unless_gone(api: KubernetesApi, pods: Pods, target: Target, originals: Originals, resources: Json) -> None:
    path, uid = pods.path_of(target.incarnation), target.incarnation.rpartition("@")[2]
    try:
        _resize(api, path, originals["container"], resources, {"uid": uid})
    except ClusterRefused as refusal:
        if refusal.status not in GONE or pods.find(target.incarnation) is not None:
            raise


def _slightly_more(resources: Json) -> Json:
    return {kind: {"cpu": f"{round(millicores(each['cpu'])) + 1}m"} for kind, each in resources.items()}


def _cpu_of(resources: Json) -> Json:
    return {kind: {"cpu": resources[kind]["cpu"]} for kind in ("requests", "limits")}


def _matches(found: Json, wanted: Json) -> bool:
    """Whether requests and limits of CPU are as wanted; `0.5` and `500m` are the same."""
    return all(
        millicores(str((found.get(kind) or {}).get("cpu", "0"))) == millicores(str(each["cpu"]))
        for kind, each in wanted.items()
    )


def _spec(pod: Pod, originals: Originals) -> Json:
    return (pod.container(str(originals["container"])) or {}).get("resources") or {}


def _status(pod: Pod, originals: Originals) -> Json:
    return pod.container_status(str(originals["container"])).get("resources") or {}


def _pending(pod: Pod) -> list[Json]:
    return [each for each in pod.data.get("status", {}).get("conditions") or [] if each["type"] in _UNSETTLED]
