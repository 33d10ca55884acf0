"""What changed in a cluster from one look to the next: pods that came, went, broke or were killed, and their nodes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from probes.cluster_pods import epoch_ns, short_id
from probes.kubernetes_api import Json

_DISRUPTION = "DisruptionTarget"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: when (epoch nanoseconds, by the cluster's own word where it gives one), what, and how it is now."""

    at_ns: int
    process: str
    state: str
    more: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Pod:
    """What was known of a pod at the last look."""

    name: str
    ready: str
    ready_since: str
    evicted: bool
    deleted: bool
    restarts: dict[str, int]
    killed: frozenset[str]


class PodChanges:
    """Compares each look at the pods of a namespace with the one before; the first look is what it starts from."""

    def __init__(self) -> None:
        self._known: dict[str, _Pod] | None = None

    def look(self, pods: Iterable[Json], now_ns: int) -> list[Change]:
        """What changed since the last look; `now_ns` stamps what the cluster has no time for."""
        first, before = self._known is None, self._known or {}
        by_uid = {str(pod["metadata"]["uid"]): pod for pod in pods}
        after = {uid: _pod(pod) for uid, pod in by_uid.items()}
        self._known = after
        changes: list[Change] = []
        for uid, now in after.items():
            then = before.get(uid)
            if then is None and not first:
                then = _Pod(now.name, "False", "", evicted=False, deleted=False, restarts={}, killed=frozenset())
                changes.append(_came(by_uid[uid], now_ns))
            if then is not None:
                changes += _differences(by_uid[uid], then, now, now_ns)
            elif now.ready == "False" and not _completed(by_uid[uid]):
                changes.append(_readiness(by_uid[uid], now, now_ns))
        gone = (pod for uid, pod in before.items() if uid not in after)
        changes += (Change(now_ns, pod.name, "went", {"what": "pod"}) for pod in gone)
        return sorted(changes, key=lambda change: change.at_ns)


class NodeChanges:
    """Compares each look at the nodes with the one before; what is wrong at the first look is told as well."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[str, str]] | None = None

    def look(self, nodes: Iterable[Json], now_ns: int) -> list[Change]:
        """The conditions that changed; a node that is new brings the ones that are not as they should be."""
        found = {(node["metadata"]["name"], each["type"]): each for node in nodes for each in _conditions(node)}
        before = self._known
        self._known = {key: (each["status"], each.get("lastTransitionTime", "")) for key, each in found.items()}
        changes = []
        for key, each in found.items():
            known = (before or {}).get(key)
            if known != self._known[key] and (known is not None or _is_bad(each)):
                at_ns = now_ns if before is None else epoch_ns(each.get("lastTransitionTime")) or now_ns
                changes.append(_condition(key[0], each, at_ns))
        return sorted(changes, key=lambda change: change.at_ns)


def _conditions(thing: Json) -> Iterator[Json]:
    yield from thing.get("status", {}).get("conditions") or []


def _is_bad(condition: Json) -> bool:
    return bool((condition["status"] != "True") if condition["type"] == "Ready" else (condition["status"] == "True"))


def _condition(node: str, condition: Json, at_ns: int) -> Change:
    name, holds = condition["type"], condition["status"] == "True"
    state = ("ready" if holds else "not-ready") if name == "Ready" else name if holds else f"no {name}"
    return Change(at_ns, node, state, {"what": "node", "reason": condition.get("reason", "")})


def _pod(pod: Json) -> _Pod:
    ready = next((each for each in _conditions(pod) if each["type"] == "Ready"), {"status": "False"})
    statuses = _statuses(pod)
    return _Pod(
        name=pod["metadata"]["name"],
        ready="True" if ready["status"] == "True" else "False",
        ready_since=ready.get("lastTransitionTime") or "",
        evicted=_eviction(pod) is not None,
        deleted=bool(pod["metadata"].get("deletionTimestamp")),
        restarts={each["name"]: int(each.get("restartCount", 0)) for each in statuses},
        killed=frozenset(end["containerID"] for each in statuses for end in _ends(each) if _by_oom(end)),
    )


def _statuses(pod: Json) -> list[Json]:
    found: list[Json] = pod.get("status", {}).get("containerStatuses") or []
    return found


def _ends(status: Json) -> Iterator[Json]:
    """How this container ended, now and the time before, as far as the kubelet remembers."""
    for name in ("state", "lastState"):
        if ended := (status.get(name) or {}).get("terminated"):
            yield ended


def _by_oom(ended: Json) -> bool:
    return ended.get("reason") == "OOMKilled" and bool(ended.get("containerID"))


def _eviction(pod: Json) -> tuple[str, str] | None:
    """Why and since when somebody wants the pod gone from its node; None when nobody does."""
    status = pod.get("status", {})
    for each in _conditions(pod):
        if each["type"] == _DISRUPTION and each["status"] == "True":
            return each.get("reason", ""), each.get("lastTransitionTime") or ""
    return (status.get("message") or "Evicted", "") if status.get("reason") == "Evicted" else None


def _completed(pod: Json) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def _where(pod: Json) -> dict[str, Any]:
    return {"what": "pod", "node": pod.get("spec", {}).get("nodeName") or ""}


def _came(pod: Json, now_ns: int) -> Change:
    created_ns = epoch_ns(pod["metadata"].get("creationTimestamp"))
    return Change(created_ns or now_ns, pod["metadata"]["name"], "came", _where(pod))


def _deleted_ns(pod: Json) -> int:
    """When somebody asked for its end; its time stamp is that of the end of its grace."""
    metadata = pod["metadata"]
    return (
        epoch_ns(metadata["deletionTimestamp"]) - int(metadata.get("deletionGracePeriodSeconds") or 0) * 1_000_000_000
    )


def _readiness(pod: Json, now: _Pod, at_ns: int) -> Change:
    condition = next((each for each in _conditions(pod) if each["type"] == "Ready"), {})
    reason = condition.get("message") or condition.get("reason") or ""
    return Change(at_ns, now.name, "ready" if now.ready == "True" else "not-ready", {**_where(pod), "reason": reason})


def _differences(pod: Json, then: _Pod, now: _Pod, now_ns: int) -> Iterator[Change]:
    if (now.ready != then.ready or (then.ready_since and now.ready_since != then.ready_since)) and not _completed(pod):
        yield _readiness(pod, now, epoch_ns(now.ready_since) or now_ns)
    if now.evicted and not then.evicted:
        reason, since = _eviction(pod) or ("", "")
        yield Change(epoch_ns(since) or now_ns, now.name, "evicted", {**_where(pod), "reason": reason})
    if now.deleted and not then.deleted:
        yield Change(_deleted_ns(pod), now.name, "deleted", _where(pod))
    for status in _statuses(pod):
        yield from _deaths(pod, status, then, now_ns)


def _deaths(pod: Json, status: Json, then: _Pod, now_ns: int) -> Iterator[Change]:
    where = {**_where(pod), "container": status["name"]}
    for end in _ends(status):
        if _by_oom(end) and end["containerID"] not in then.killed:
            more = {**where, "incarnation": f"{then.name}/{short_id(end['containerID'])}"}
            yield Change(epoch_ns(end.get("finishedAt")) or now_ns, then.name, "oom-killed", more)
    restarts = int(status.get("restartCount", 0))
    if restarts > then.restarts.get(status["name"], 0):
        running = (status.get("state") or {}).get("running") or {}
        last = (status.get("lastState") or {}).get("terminated") or {}
        more = {
            **where,
            "incarnation": f"{then.name}/{short_id(status.get('containerID') or '')}",
            "restarts": restarts,
            "reason": last.get("reason", ""),
            "exit_code": last.get("exitCode", 0),
        }
        yield Change(epoch_ns(running.get("startedAt")) or now_ns, then.name, "restarted", more)
