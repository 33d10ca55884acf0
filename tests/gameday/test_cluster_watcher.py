"""The watcher writes what happens to pods and nodes into the timeline, and outlives an API server that is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster_watcher import NODES_EVERY, ClusterWatcher
from journal.timeline import Event, EventKind, Timeline, read_timeline
from probes.kubernetes_api import KubernetesApi
from tests.probes.api_server import Asked, HangUp, Reply, Silence, api_server, write_kubeconfig
from tests.probes.pods import Json, condition, node, pod, status


class World:
    """What the API server tells; `failure` is raised instead."""

    def __init__(self) -> None:
        self.pods: list[Json] = [pod("aia-api-1")]
        self.nodes = Reply(200, {"items": [node("n1", condition("Ready"))]})
        self.failure: type[Exception] | None = None
        self.looks = self.failures = 0

    def __call__(self, asked: Asked) -> Reply:
        if self.failure is not None:
            self.failures += 1
            raise self.failure
        if asked.path.startswith("/api/v1/nodes"):
            return self.nodes
        assert asked.path.startswith("/api/v1/namespaces/aia-system/pods")
        self.looks += 1
        return Reply(200, {"items": self.pods})

    def after_looks(self, number: int = 2) -> None:
        """Waits until so many further looks were answered."""
        wanted = self.looks + number
        await_(lambda: self.looks >= wanted)


def await_(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class Watched:
    """A watcher at work on a world of its own."""

    def __init__(self, world: World, path: Path) -> None:
        self.world, self._path = world, path

    def events(self, kind: EventKind = EventKind.TARGET) -> list[Event]:
        return [event for event in read_timeline(self._path)[0] if event.kind is kind]

    def states(self) -> list[Any]:
        return [(event.data["process"], event.data["state"]) for event in self.events()]


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with watcher(World(), tmp_path, monkeypatch) as watched:
        watched.world.after_looks()
        yield watched


@contextmanager
def watcher(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    timeline = Timeline(folder / "timeline.jsonl")
    with api_server(world) as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(folder / "kubeconfig", server.url)))
        api = KubernetesApi.connect(patience_s=1.0)
        with ClusterWatcher(api, "aia-system", timeline, interval_s=0.01):
            yield Watched(world, folder / "timeline.jsonl")
    timeline.close()


def test_a_restart_stands_in_the_timeline_once(watching: Watched) -> None:
    watching.world.pods = [pod("aia-api-1", status(digit="b", restarts=1))]
    watching.world.after_looks(3)
    (event,) = watching.events()
    assert event.data["state"] == "restarted"
    assert event.data["incarnation"] == "aia-api-1/" + "b" * 12


def test_a_replaced_pod_stands_in_the_timeline(watching: Watched) -> None:
    watching.world.pods = [pod("aia-api-2")]
    await_(lambda: len(watching.states()) == 3)
    assert watching.states() == [("aia-api-2", "came"), ("aia-api-2", "ready"), ("aia-api-1", "went")]


def test_the_condition_of_a_node_stands_in_the_timeline(watching: Watched) -> None:
    watching.world.nodes = Reply(200, {"items": [node("n1", condition("Ready", "Unknown"))]})
    await_(watching.states)
    assert watching.states() == [("n1", "not-ready")]


@pytest.mark.parametrize("failure", [HangUp, Silence])
def test_an_api_server_that_is_away_is_one_warning_and_the_watch_goes_on(
    watching: Watched, failure: type[Exception]
) -> None:
    for number in (1, 2):
        watching.world.failure = failure
        await_(lambda number=number: len(watching.events(EventKind.WARNING)) == number)  # type: ignore[misc]
        already = watching.world.failures
        await_(lambda already=already: watching.world.failures >= already + 3)  # type: ignore[misc]
        assert len(watching.events(EventKind.WARNING)) == number
        watching.world.failure = None
        watching.world.after_looks()
    watching.world.pods = []
    await_(watching.states)
    assert watching.states() == [("aia-api-1", "went")]


def test_without_the_right_to_list_nodes_the_pods_are_watched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.nodes = Reply(403, {"message": "nodes is forbidden"})
    with watcher(world, tmp_path, monkeypatch) as watched:
        world.after_looks(2 * NODES_EVERY + 1)
        (warning,) = watched.events(EventKind.WARNING)
        assert "nodes may not be listed" in warning.data["message"]
        world.pods = []
        await_(watched.states)


def test_the_watch_ends_soon_though_the_api_server_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.failure = Silence
    with watcher(world, tmp_path, monkeypatch) as watched:
        await_(lambda: watched.events(EventKind.WARNING))
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 15
