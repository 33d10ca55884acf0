"""Watches the target's pods and their nodes, and writes what happens to them into the timeline."""

import threading
import time

from journal.errors import ClusterRefused, ClusterUnreachable
from journal.timeline import EventKind, Timeline
from probes.cluster_changes import Change, NodeChanges, PodChanges
from probes.kubernetes_api import KubernetesApi

INTERVAL_S = 2.0
NODES_EVERY = 5
"""Nodes are looked at less often: there may be many, and what befalls them takes longer to be noticed anyway."""


class ClusterWatcher:
    """A thread that looks until it is stopped, whatever the API server does; use as a context manager."""

    def __init__(
        self, api: KubernetesApi, namespace: str, timeline: Timeline, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._api, self._timeline, self._interval_s = api, timeline, interval_s
        self._pods_path = f"/api/v1/namespaces/{namespace}/pods"
        self._pods, self._nodes = PodChanges(), NodeChanges()
        self._looks = 0
        self._nodes_allowed = True
        self._away = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_until_stopped, name="cluster-watcher")

    def __enter__(self) -> "ClusterWatcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look_until_stopped(self) -> None:
        while True:
            try:
                self._look()
                self._away = False
            except (ClusterUnreachable, ClusterRefused) as error:
                self._warn_once(error)
            if self._stopping.wait(self._interval_s):
                return

    def _look(self) -> None:
        self._write(self._pods.look(list(self._api.items(self._pods_path)), time.time_ns()))
        if self._nodes_allowed and self._looks % NODES_EVERY == 0:
            self._look_at_nodes()
        self._looks += 1

    def _look_at_nodes(self) -> None:
        try:
            nodes = list(self._api.items("/api/v1/nodes"))
        except ClusterRefused as error:
            if error.status != 403:
                raise
            self._nodes_allowed = False
            message = "nodes may not be listed, so that their conditions are not in this timeline"
            self._timeline.write(EventKind.WARNING, message=message)
        else:
            self._write(self._nodes.look(nodes, time.time_ns()))

    def _write(self, changes: list[Change]) -> None:
        for change in changes:
            self._timeline.write(
                EventKind.TARGET, at_ns=change.at_ns, process=change.process, state=change.state, **change.more
            )

    def _warn_once(self, error: Exception) -> None:
        if not self._away:
            self._timeline.write(EventKind.WARNING, message=f"the target's pods are not watched for now: {error}")
        self._away = True
