"""Pods as faults see them: chosen by labels, pinned to one life by their UID, ended with that as a condition."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaos.platforms.base import Target
from journal.errors import ClusterRefused, ClusterUnreachable, FaultRefused, GamedayError
from probes.kubernetes_api import Json, KubernetesApi

_ENDED = frozenset({"Succeeded", "Failed"})
_TRIES, _PAUSE_S = 4, 0.3
GONE = frozenset({404, 409})
"""What a request for a pod of a certain UID is answered when there is none, or another one of its name."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One life of a pod, as the API server told it."""

    data: Json

    @property
    def name(self) -> str:
        """Its name, which a later pod may have too."""
        return str(self.data["metadata"]["name"])

    @property
    def incarnation(self) -> str:
        """NAME@UID, which no other pod ever has."""
        return f"{self.name}@{self.data['metadata']['uid']}"

    @property
    def resource_version(self) -> str:
        """Changes with every change of the object."""
        return str(self.data["metadata"]["resourceVersion"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.data["metadata"].get("labels") or {}

    @property
    def node(self) -> str:
        """The node that it runs on."""
        return str(self.data["spec"].get("nodeName", ""))

    @property
    def node_address(self) -> str:
        """The address of that node."""
        return str(self.data.get("status", {}).get("hostIP", ""))

    @property
    def grace_period_s(self) -> float:
        """How long it may take to end when nobody forces it."""
        return float(self.data["spec"].get("terminationGracePeriodSeconds") or 0)

    @property
    def has_ended(self) -> bool:
        """Whether it has run to its end; its object may stay."""
        return self.data.get("status", {}).get("phase") in _ENDED

    @property
    def is_terminating(self) -> bool:
        """Whether somebody has asked for its end."""
        return "deletionTimestamp" in self.data["metadata"]

    @property
    def is_ready(self) -> bool:
        """Whether it serves: running, by the kubelet's account ready, and not about to end."""
        status = self.data.get("status", {})
        conditions = status.get("conditions") or []
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return ready and status.get("phase") == "Running" and not self.is_terminating

    def container(self, name: str) -> Json | None:
        """What the spec says of one container."""
        return next((each for each in self.data["spec"]["containers"] if each["name"] == name), None)

    def container_status(self, name: str) -> Json:
        """What the kubelet says of one container; empty when it says nothing."""
        listed = self.data.get("status", {}).get("containerStatuses") or []
        return next((each for each in listed if each["name"] == name), {})

    def as_target(self) -> Target:
        """As the ledger keeps it."""
        return Target(self.name, self.incarnation, f"pod {self.name}")


class Pods:
    """The pods of one namespace."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._path = api, f"/api/v1/namespaces/{namespace}/pods"

    def ready(self, selector: str) -> list[Pod]:
        """Those with these labels that serve, in order of their names."""
        found = (Pod(each) for each in self._api.items(self._path, labelSelector=selector))
        return sorted((pod for pod in found if pod.is_ready), key=lambda pod: pod.name)

    def find(self, incarnation: str) -> Pod | None:
        """The very pod, or None when it is gone or another one has its name."""
        name, _, _ = incarnation.rpartition("@")
        try:
            pod = Pod(self._api.get(f"{self._path}/{name}"))
        except ClusterRefused as error:
            if error.status == 404:
                return None
            raise
        return pod if pod.incarnation == incarnation else None

    def path_of(self, incarnation: str) -> str:
        """Where the API server has the pod of this name, whichever life it is in."""
        return f"{self._path}/{incarnation.rpartition('@')[0]}"


class Deletion:
    """Pods pinned and ready to be ended; with `grace_period_s` 0 by force, with None as they say themselves."""

    def __init__(self, api: KubernetesApi, pods: Pods, targets: Sequence[Target], grace_period_s: int | None) -> None:
        self._api = api.hurried(patience_s=0)  # one try at a time: what is answered to a second one needs thought
        self._pods, self._targets, self._grace_period_s = pods, targets, grace_period_s
        for target in targets:
            found = pods.find(target.incarnation)
            if found is None or found.has_ended or found.is_terminating:
                raise FaultRefused(f"{target.label} has ended since it was chosen")

    def apply(self, duration_s: float) -> None:  # noqa: ARG002  # an ended pod stays ended
        """Ends each; refused when somebody else has done so with all of them."""
        ended = []
        for target in self._targets:
            try:
                ended.append(self._end(target))
            except ClusterRefused as error:
                if not any(ended):
                    raise FaultRefused(f"{target.label} was not ended: {error}") from error
                raise
        if ended and not any(ended):
            raise FaultRefused(f"{self._targets[0].label} has ended or was replaced since it was chosen")

    def close(self) -> None:
        """Nothing is held."""

    def _end(self, target: Target) -> bool:
        """Whether it was us; a "not found" after an answer that was lost means that the first try has worked."""
        _, _, uid = target.incarnation.rpartition("@")
        path, unsure = self._pods.path_of(target.incarnation), False
        failure: GamedayError
        for _ in range(_TRIES):
            try:
                self._api.delete(path, uid=uid, grace_period_s=self._grace_period_s)
            except ClusterUnreachable as error:
                unsure, failure = True, error
            except ClusterRefused as refusal:
                if refusal.status in GONE:
                    return unsure
                if not refusal.passing:
                    raise
                unsure, failure = True, refusal
            else:
                return True
            time.sleep(_PAUSE_S)
        raise failure


def selects(selector: dict[str, Any], pod: Pod) -> bool:
    """Whether a Service with this selector leads to the pod; without one it leads to none."""
    return bool(selector) and all(pod.labels.get(key) == value for key, value in selector.items())
