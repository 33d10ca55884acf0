"""The target's pods and containers, each under a name that outlives it: a new pod takes the place of one that went."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from journal.profile import Cluster
from probes.kubernetes_api import Json, KubernetesApi

_SHORT_ID = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One life of one container of the target.

    `subject` is the name of its place, such as "api-1", which the pod that replaces this one takes over; `id` is the
    short container id and "" before it runs, `started_ns` is in epoch nanoseconds.
    """

    subject: str
    role: str
    pod: str
    name: str
    id: str
    started_ns: int
    node: str
    address: str

    @property
    def incarnation(self) -> str:
        """Tells this life from all others."""
        return f"{self.pod}/{self.id}"


class Places:
    """Gives each pod of a role a place, numbered from 0: the lowest that no living pod holds.

    A pod that is being deleted keeps its place for its last readings, but its replacement may have it already. So the
    memory of a service can be followed through all of its pods, as that of a process through its restarts.
    """

    def __init__(self) -> None:
        self._places: dict[str, dict[str, int]] = {}

    def of(self, role: str, pods: Iterable[Json]) -> dict[str, int]:
        """Place by UID of the pods that are there now, but for those that were never seen alive."""
        by_uid = {str(pod["metadata"]["uid"]): pod for pod in pods}
        places = {uid: place for uid, place in self._places.get(role, {}).items() if uid in by_uid}
        living = sorted((pod["metadata"]["name"], uid) for uid, pod in by_uid.items() if _lives(pod))
        taken = {places[uid] for _, uid in living if uid in places}
        for _, uid in living:
            if uid not in places:
                places[uid] = next(place for place in count() if place not in taken)
                taken.add(places[uid])
        self._places[role] = places
        return places


class TargetPods:
    """The pods that the profile's selectors choose."""

    def __init__(self, api: KubernetesApi, cluster: Cluster) -> None:
        self._api, self._cluster = api, cluster
        self._places = Places()

    def containers(self) -> list[Container]:
        """All that run now. Raises ClusterRefused, ClusterUnreachable."""
        cluster = self._cluster
        selectors = {"api": cluster.api_selector, "worker": cluster.worker_selector, "redis": cluster.redis_selector}
        return [
            container
            for role, selector in selectors.items()
            if selector
            for container in self._with_role(role, selector)
        ]

    def _with_role(self, role: str, selector: str) -> Iterator[Container]:
        pods = list(self._api.items(f"/api/v1/namespaces/{self._cluster.namespace}/pods", labelSelector=selector))
        places = self._places.of(role, pods)
        for pod in pods:
            if (place := places.get(pod["metadata"]["uid"])) is not None:
                yield from containers_of(pod, role, f"{role}-{place}")


def containers_of(pod: Json, role: str, place: str) -> Iterator[Container]:
    """The containers of one pod that run; where it has several, their names are part of the subject."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    for status in statuses:
        if running := (status.get("state") or {}).get("running"):
            yield Container(
                subject=place if len(statuses) == 1 else f"{place}/{status['name']}",
                role=role,
                pod=pod["metadata"]["name"],
                name=status["name"],
                id=short_id(status["containerID"]),
                started_ns=epoch_ns(running.get("startedAt")),
                node=pod.get("spec", {}).get("nodeName") or "",
                address=pod.get("status", {}).get("hostIP") or "",
            )


def short_id(container_id: str) -> str:
    """The first 12 digits of a container id, with or without its runtime ("containerd://0123…")."""
    return container_id.rpartition("/")[2][:_SHORT_ID]


def epoch_ns(text: str | None) -> int:
    """An API time (RFC 3339, up to nanoseconds) in epoch nanoseconds; 0 for none."""
    if not text:
        return 0
    whole, _, fraction = re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text).partition(".")
    zone = text[len(whole) + (len(fraction) + 1 if fraction else 0) :] or "Z"
    seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def _lives(pod: Mapping[str, Any]) -> bool:
    ended = pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}
    return not ended and not pod["metadata"].get("deletionTimestamp")
