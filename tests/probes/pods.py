"""Pods and nodes as an API server tells of them; what a test does not care for is made up."""

from typing import Any

Json = dict[str, Any]
T0 = "2026-01-02T03:04:00Z"
T0_NS = 1_767_323_040_000_000_000


def container_id(digit: str) -> str:
    """A whole container id of one digit; its short form is twelve of them."""
    return digit * 64


def status(name: str = "aia-api", digit: str = "a", *, restarts: int = 0, **states: Json) -> Json:
    """The status of a container; it runs since T0 unless `state` says something else."""
    return {
        "name": name,
        "containerID": f"containerd://{container_id(digit)}",
        "restartCount": restarts,
        "state": states.get("state", {"running": {"startedAt": T0}}),
        "lastState": states.get("lastState", {}),
    }


def ended(digit: str, reason: str, *, at: str = "2026-01-02T03:05:00Z", code: int = 137) -> Json:
    """The end of a container."""
    identity = {"containerID": f"containerd://{container_id(digit)}"}
    return {"terminated": {"reason": reason, "exitCode": code, "startedAt": T0, "finishedAt": at, **identity}}


def condition(kind: str, holds: str = "True", *, since: str = T0, reason: str = "") -> Json:
    """One condition of a pod or a node."""
    return {"type": kind, "status": holds, "lastTransitionTime": since, "reason": reason}


def pod(name: str, *containers: Json, uid: str = "", conditions: tuple[Json, ...] | None = None, **more: Any) -> Json:
    """A pod on the node n1 that is ready, with one container unless there are others."""
    return {
        "metadata": {
            "name": name,
            "uid": uid or f"uid-of-{name}",
            "creationTimestamp": T0,
            "deletionTimestamp": more.get("deleted"),
            "deletionGracePeriodSeconds": more.get("grace_s"),
        },
        "spec": {"nodeName": more.get("node", "n1")},
        "status": {
            "phase": more.get("phase", "Running"),
            "reason": more.get("reason"),
            "message": more.get("message"),
            "hostIP": more.get("address", "127.0.0.1"),
            "conditions": list(conditions if conditions is not None else (condition("Ready"),)),
            "containerStatuses": list(containers or (status(),)),
        },
    }


def node(name: str, *conditions: Json) -> Json:
    """A node."""
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions)}}
