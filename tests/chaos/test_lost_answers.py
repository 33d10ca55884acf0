"""Answers of the API server that are lost: what was done counts as done, and what may have been done as not refused."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes.client import Configuration

from chaos.config_map_ledger import ConfigMapLedger
from chaos.epitaph import epitaph_of
from chaos.finding import Finding
from chaos.platforms.base import Target
from chaos.platforms.kubernetes.pods import Deletion, Pods
from chaos.platforms.kubernetes.resize import Resizing, originals_of, restore
from chaos.platforms.kubernetes.toxiproxy import Toxiproxy, delay_toxics, reach_toxiproxy
from chaos.record import Record
from journal.errors import ClusterUnreachable, FaultRefused, TargetUnreachable
from probes.kubernetes_api import KubernetesApi
from tests.chaos.scene import throttle_record
from tests.chaos.test_resize import REDIS
from tests.probes.api_server import ApiServer, Asked, HangUp, Reply, api_server

PODS, LEDGER = "/api/v1/namespaces/aia-system/pods", "/api/v1/namespaces/aia-gameday/configmaps/ledger"
TOXICS = "/api/v1/namespaces/aia-system/services/aia-toxiproxy:8474/proxy/proxies/redis/toxics"
THROTTLED = {"requests": {"cpu": "9m"}, "limits": {"cpu": "10m"}}


@dataclass
class Store:
    """What an API server keeps; it does what it is asked, but hangs up instead of answering so many changes."""

    objects: dict[str, dict[str, Any]]
    lost_answers: int = 0
    deaf_to: int = 0
    changes: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if asked.method == "GET":
            return Reply(body=self.objects[path]) if path in self.objects else Reply(404)
        if self.deaf_to:
            self.deaf_to -= 1
            raise HangUp
        reply = self._changed(asked, path)
        if self.lost_answers:
            self.lost_answers -= 1
            raise HangUp
        return reply

    def _changed(self, asked: Asked, path: str) -> Reply:
        self.changes.append(f"{asked.method} {path}")
        if asked.method == "POST":
            return Reply(409) if self.objects.setdefault(path, asked.json) != asked.json else self._posted(path, asked)
        found = self.objects.get(path.removesuffix("/resize"))
        if found is None:
            return Reply(404)
        if asked.method == "DELETE":
            if asked.json.get("preconditions", {}).get("uid") not in {None, found["metadata"]["uid"]}:
                return Reply(409)
            del self.objects[path]
            return Reply()
        return self._patched(found, asked.json)

    def _posted(self, path: str, asked: Asked) -> Reply:
        again = self.changes.count(f"POST {path}") > 1
        return Reply(409) if again else Reply(body=asked.json)

    @staticmethod
    def _patched(found: dict[str, Any], patch: dict[str, Any]) -> Reply:
        version = patch["metadata"].get("resourceVersion")
        if version not in {None, found["metadata"]["resourceVersion"]}:
            return Reply(409)
        before = deepcopy(found)
        for change in patch.get("spec", {}).get("containers", []):
            container = next(each for each in found["spec"]["containers"] if each["name"] == change["name"])
            for kind, quantities in change["resources"].items():
                container["resources"][kind] |= quantities
        data = (found.get("data") or {}) | patch.get("data", {})
        found["data"] = {key: text for key, text in data.items() if text is not None}
        found["metadata"].setdefault("annotations", {}).update(patch["metadata"].get("annotations", {}))
        if found != before:
            found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        return Reply(body=found)


@pytest.fixture
def store() -> Store:
    config_map = {"metadata": {"name": "ledger", "resourceVersion": "1"}}
    return Store({f"{PODS}/aia-redis-0": deepcopy(REDIS), LEDGER: config_map})


@pytest.fixture
def server(store: Store) -> Iterator[ApiServer]:
    with api_server(store) as server:
        yield server


@pytest.fixture
def api(server: ApiServer) -> KubernetesApi:
    configuration = Configuration()
    configuration.host = server.url
    return KubernetesApi(configuration, patience_s=1.0)


@pytest.fixture
def pods(api: KubernetesApi) -> Pods:
    return Pods(api, "aia-system")


@pytest.fixture
def redis(pods: Pods) -> Target:
    return pods.find("aia-redis-0@u").as_target()


@pytest.fixture
def deletion(api: KubernetesApi, pods: Pods, redis: Target) -> Deletion:
    return Deletion(api, pods, [redis], 0)


@pytest.fixture
def resizing(api: KubernetesApi, pods: Pods, redis: Target) -> Resizing:
    return Resizing(api, pods, redis, originals_of(pods.find(redis.incarnation), "aia-redis", THROTTLED))


@pytest.fixture
def ledger(api: KubernetesApi) -> ConfigMapLedger:
    return ConfigMapLedger(api, "aia-gameday", "ledger")


@pytest.fixture
def record(tmp_path: Path, redis: Target) -> Record:
    return throttle_record(tmp_path / "state.json", redis)


@pytest.fixture
def toxiproxy(api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> Toxiproxy:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return reach_toxiproxy(api, "http://aia-toxiproxy.aia-system.svc:8474", "redis")


def test_a_pod_whose_deletion_was_not_answered_is_ours_when_it_is_gone(store: Store, deletion: Deletion) -> None:
    store.lost_answers = 1
    deletion.apply(1)
    assert store.changes == [f"DELETE {PODS}/aia-redis-0"] * 2


def test_a_pod_that_somebody_else_has_ended_is_not_ours(store: Store, deletion: Deletion) -> None:
    del store.objects[f"{PODS}/aia-redis-0"]
    with pytest.raises(FaultRefused, match="has ended or was replaced"):
        deletion.apply(1)


def test_a_deletion_that_is_never_answered_is_no_refusal(store: Store, deletion: Deletion) -> None:
    store.deaf_to = 100
    with pytest.raises(ClusterUnreachable):
        deletion.apply(1)


def test_a_resize_whose_answer_was_lost_is_ours_when_it_is_done(store: Store, resizing: Resizing) -> None:
    store.lost_answers = 1
    resizing.apply(1)
    assert store.objects[f"{PODS}/aia-redis-0"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "10m"


def test_a_resize_of_a_pod_that_has_changed_since_is_refused(store: Store, resizing: Resizing) -> None:
    store.objects[f"{PODS}/aia-redis-0"]["metadata"]["resourceVersion"] = "8"
    with pytest.raises(FaultRefused, match="was not resized"):
        resizing.apply(1)


def test_a_resize_that_is_never_answered_is_no_refusal_and_cannot_come_true_after_its_revert(
    store: Store, api: KubernetesApi, pods: Pods, redis: Target, resizing: Resizing
) -> None:
    store.deaf_to = 1000
    with pytest.raises(ClusterUnreachable):
        resizing.apply(1)
    store.deaf_to = 0
    restore(api, pods, redis, resizing.originals)
    with pytest.raises(FaultRefused):
        resizing.apply(1)
    assert store.objects[f"{PODS}/aia-redis-0"]["spec"] == REDIS["spec"]


def test_a_record_whose_opening_was_not_answered_is_there(
    store: Store, ledger: ConfigMapLedger, record: Record
) -> None:
    store.lost_answers = 1
    ledger.open_record(record)
    assert ledger.read().records == (record,)


def test_a_record_whose_closing_was_not_answered_was_closed_by_us(
    store: Store, ledger: ConfigMapLedger, record: Record
) -> None:
    ledger.open_record(record)
    store.lost_answers = 1
    assert ledger.close_record(record, epitaph_of(record, Finding(True), "reaper"))
    assert ledger.read().records == ()
    assert [epitaph.is_of(record) for epitaph in ledger.epitaphs()] == [True]


def test_a_ledger_that_never_answers_refuses_the_fault(store: Store, ledger: ConfigMapLedger, record: Record) -> None:
    store.deaf_to = 1000
    with pytest.raises(FaultRefused, match="no record, no fault"):
        ledger.open_record(record)


def test_a_toxic_whose_answer_was_lost_is_there_once(store: Store, toxiproxy: Toxiproxy) -> None:
    (toxic,) = delay_toxics("gameday-r-F1", latency_ms=100, jitter_ms=0, rate_kb_per_s=0)
    store.lost_answers = 1
    toxiproxy.add(toxic)
    assert store.objects[TOXICS]["name"] == "gameday-r-F1-latency"


def test_a_toxiproxy_that_is_away_is_no_defect(store: Store, toxiproxy: Toxiproxy) -> None:
    store.deaf_to = 1000
    with pytest.raises(TargetUnreachable):
        toxiproxy.remove("gameday-r-F1-latency")
