"""Answers of the API server that are lost: what was done counts as done, and what may have been done as not refused."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from chaos.config_map_ledger import ConfigMapLedger
from chaos.epitaph import epitaph_of
from chaos.finding import Finding
from chaos.platforms.base import Target
from chaos.platforms.kubernetes.pods import Deletion, Pods
from chaos.platforms.kubernetes.resize import Resizing, originals_of, restore
from chaos.platforms.kubernetes.toxiproxy import Toxiproxy, delay_toxics, reach_toxiproxy
from chaos.record import Record
from journal.errors import ClusterRefused, ClusterUnreachable, FaultRefused, TargetUnreachable
from probes.kubernetes_api import KubernetesApi
from tests.chaos.api_store import LEDGER, PODS, Store, api_at
from tests.chaos.scene import throttle_record
from tests.chaos.test_resize import REDIS
from tests.probes.api_server import ApiServer, Asked, Reply, api_server

TOXICS = "/api/v1/namespaces/aia-system/services/aia-toxiproxy:8474/proxy/proxies/redis/toxics"
THROTTLED = {"requests": {"cpu": "9m"}, "limits": {"cpu": "10m"}}


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
    return api_at(server.url)


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


def test_a_pod_that_took_the_name_of_the_chosen_one_is_not_ended(store: Store, deletion: Deletion) -> None:
    store.objects[f"{PODS}/aia-redis-0"]["metadata"]["uid"] = "another"
    with pytest.raises(FaultRefused, match="has ended or was replaced"):
        deletion.apply(1)
    assert f"{PODS}/aia-redis-0" in store.objects


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


@pytest.mark.parametrize(("status", "error"), [(503, ClusterRefused), (422, FaultRefused)])
def test_a_resize_is_called_refused_only_when_it_is_certain_that_nothing_was_changed(
    server: ApiServer, store: Store, resizing: Resizing, status: int, error: type[Exception]
) -> None:
    server.script = lambda asked: Reply(status) if asked.method == "PATCH" else store(asked)
    with pytest.raises(error):
        resizing.apply(1)


def test_of_two_pods_of_which_one_was_ended_a_refusal_for_the_other_is_not_one_for_both(
    server: ApiServer, store: Store, api: KubernetesApi, pods: Pods, redis: Target
) -> None:
    deletion = Deletion(api, pods, [redis, redis], 0)
    answers = iter([Reply(), Reply(403)])
    server.script = lambda asked: next(answers) if asked.method == "DELETE" else store(asked)
    with pytest.raises(ClusterRefused):
        deletion.apply(1)


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


@pytest.fixture
def revert(api: KubernetesApi, pods: Pods, redis: Target, resizing: Resizing) -> Callable[[], None]:
    """The revert of a resize that is in force."""
    resizing.apply(1)
    return lambda: restore(api, pods, redis, resizing.originals)


def test_a_revert_gives_back_what_there_was_and_does_nothing_the_second_time(
    store: Store, revert: Callable[[], None]
) -> None:
    for _ in range(2):
        revert()
    assert store.objects[f"{PODS}/aia-redis-0"]["spec"] == REDIS["spec"]
    assert store.changes == [f"PATCH {PODS}/aia-redis-0/resize"] * 2


@pytest.mark.parametrize("status", [404, 409])
def test_a_revert_that_is_refused_is_told_unless_the_pod_is_gone(
    server: ApiServer, store: Store, revert: Callable[[], None], status: int
) -> None:
    server.script = lambda asked: Reply(status) if asked.method == "PATCH" else store(asked)
    with pytest.raises(ClusterRefused):
        revert()

    def gone_meanwhile(asked: Asked) -> Reply:
        if asked.method == "PATCH":
            del store.objects[f"{PODS}/aia-redis-0"]
            return Reply(status)
        return store(asked)

    server.script = gone_meanwhile
    revert()


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
