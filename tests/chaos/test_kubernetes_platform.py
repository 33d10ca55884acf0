"""What a cluster must look like for faults to happen in it, and to be over; the API server is the test's own."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from chaos.faults.delay_redis import DelayRedis
from chaos.platforms.base import Target
from chaos.platforms.kubernetes.platform import ENVIRONMENT_LABEL, Home, KubernetesPlatform
from journal.errors import ClusterRefused, FaultRefused, GamedayError, HarnessDefect, TargetUnreachable
from journal.profile import Cluster, RedisAddress, Toxiproxy
from tests.chaos.api_store import NAMESPACE, PODS, Store, api_at
from tests.chaos.scene import throttle_record
from tests.chaos.test_resize import REDIS
from tests.probes.api_server import ApiServer, Asked, HangUp, Reply, api_server

PROXY_URL = "http://aia-toxiproxy.aia-system.svc:8474"
PROXY = f"{NAMESPACE}/services/aia-toxiproxy:8474/proxy/proxies/redis"
CLUSTER = Cluster(
    toxiproxy=Toxiproxy(url=PROXY_URL, proxy="redis"),
    redis=RedisAddress(address="aia-redis:6379", through_proxy="aia-toxiproxy:6379"),
)
DELAY = {"latency_ms": 100.0, "jitter_ms": 0.0, "rate_kb_per_s": 100.0}
TOXICS = {
    "host": "127.0.0.1",
    "port": 1,
    "password_env": "",
    "toxics": ["gameday-r-F1-latency", "gameday-r-F1-bandwidth"],
}


def pod(name: str, app: str, *, ready: bool = True, **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "uid": "u", "resourceVersion": "1", "labels": {"app": app}, **metadata},
        "spec": {"containers": []},
        "status": {"phase": "Running", "conditions": conditions},
    }


def service(name: str, app: str, port: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": port}], "clusterIPs": ["10.0.0.7"]},
    }


@pytest.fixture
def store() -> Store:
    redis = deepcopy(REDIS)
    redis["metadata"]["labels"] = {"app": "aia-redis"}
    return Store(
        {
            NAMESPACE: {"metadata": {"uid": "here", "labels": {ENVIRONMENT_LABEL: "gameday"}}},
            "/api/v1": {"resources": [{"name": "pods/resize"}]},
            f"{PODS}/aia-api-0": pod("aia-api-0", "aia-api"),
            f"{PODS}/aia-api-1": pod("aia-api-1", "aia-api"),
            f"{PODS}/aia-toxiproxy-0": pod("aia-toxiproxy-0", "aia-toxiproxy"),
            f"{PODS}/aia-redis-0": redis,
            f"{NAMESPACE}/services/aia-api": service("aia-api", "aia-api", 8000),
            f"{NAMESPACE}/services/aia-toxiproxy": service("aia-toxiproxy", "aia-toxiproxy", 8474),
            PROXY: {"enabled": True, "toxics": []},
        }
    )


@pytest.fixture
def server(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with api_server(store) as server:
        yield server


@pytest.fixture
def platform(server: ApiServer) -> KubernetesPlatform:
    return KubernetesPlatform(CLUSTER, api_at(server.url), tag="gameday-r-F1")


def away(path: str, store: Store) -> Any:
    """A script that hangs up on whoever asks below this path."""

    def script(asked: Asked) -> Reply:
        if asked.path.startswith(path):
            raise HangUp
        return store(asked)

    return script


# Guards


def test_only_a_namespace_that_the_profile_lists_may_be_touched(
    server: ApiServer, platform: KubernetesPlatform
) -> None:
    assert platform.why_forbidden() == ""
    other = KubernetesPlatform(Cluster(namespace="kube-system"), api_at(server.url))
    assert "'kube-system' is not among the allowed" in other.why_forbidden()


def test_the_namespace_says_which_environment_it_is(store: Store, platform: KubernetesPlatform) -> None:
    assert platform.environment() == "gameday"
    del store.objects[NAMESPACE]["metadata"]["labels"]
    assert platform.environment() == ""


@pytest.mark.parametrize(
    ("url", "objection"),
    [
        ("http://aia-api.aia-system.svc.cluster.local:8000", ""),
        ("http://aia-api.aia-system:8000/api", ""),
        ("http://10.0.0.7:8000", ""),
        ("http://aia-api.aia-system.svc", "goes to port 80"),
        ("https://aia-api.aia-system.svc", "goes to port 443"),
        ("http://aia-api.other.svc:8000", "of the namespace 'other'"),
        ("http://aia-web.aia-system.svc:8000", "no Service 'aia-web'"),
        ("http://aia-toxiproxy.aia-system.svc:8474", "does not lead to aia-api-0, aia-api-1"),
        ("http://10.0.0.8:8000", "the address of no Service"),
        ("http://aia.example.com:8000", "no name of a Service"),
    ],
)
def test_a_fault_may_only_hit_what_the_load_goes_to(platform: KubernetesPlatform, url: str, objection: str) -> None:
    found = platform.why_not_under_load(url)
    assert (objection in found) if objection else found == ""


def test_a_service_that_misses_one_pod_of_the_api_is_not_under_load(store: Store, platform: KubernetesPlatform) -> None:
    store.objects[f"{NAMESPACE}/services/aia-api"]["spec"]["selector"]["track"] = "stable"
    store.objects[f"{PODS}/aia-api-0"]["metadata"]["labels"]["track"] = "stable"
    assert "does not lead to aia-api-1" in platform.why_not_under_load("http://aia-api.aia-system.svc:8000")


def test_a_service_without_a_selector_leads_to_nobody(store: Store, platform: KubernetesPlatform) -> None:
    del store.objects[f"{NAMESPACE}/services/aia-api"]["spec"]["selector"]
    assert "does not lead to" in platform.why_not_under_load("http://aia-api.aia-system.svc:8000")


def test_a_replica_that_is_about_to_end_or_not_ready_does_not_serve(store: Store, platform: KubernetesPlatform) -> None:
    store.objects[f"{PODS}/aia-api-1"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    store.objects[f"{PODS}/aia-api-2"] = pod("aia-api-2", "aia-api", ready=False)
    assert [replica.name for replica in platform.ready_replicas()] == ["aia-api-0"]


# Whether a target has ended


def test_a_record_of_another_cluster_or_namespace_is_not_looked_for_here(server: ApiServer) -> None:
    for home in (Home("https://elsewhere:6443", "there"), Home("https://elsewhere:6443", "here")):
        platform = KubernetesPlatform(CLUSTER, api_at(server.url), home=home)
        if home.namespace_uid == "here":
            assert platform.exists(), "the same namespace by another address of its server"
        else:
            with pytest.raises(HarnessDefect, match="is not the one at"):
                platform.exists()


def test_a_namespace_is_gone_when_it_is_not_found_or_about_to_end_and_not_when_it_may_not_be_seen(
    server: ApiServer, store: Store, platform: KubernetesPlatform
) -> None:
    assert platform.exists()
    store.objects[NAMESPACE]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not platform.exists()
    del store.objects[NAMESPACE]
    assert not platform.exists()
    server.script = lambda _: Reply(403)
    with pytest.raises(ClusterRefused):
        platform.exists()


def test_a_pod_that_was_replaced_or_has_run_to_its_end_is_not_alive(store: Store, platform: KubernetesPlatform) -> None:
    assert platform.is_alive(Target("aia-api-0", "aia-api-0@u", ""))
    assert not platform.is_alive(Target("aia-api-0", "aia-api-0@other", ""))
    store.objects[f"{PODS}/aia-api-0"]["status"]["phase"] = "Failed"
    assert not platform.is_alive(Target("aia-api-0", "aia-api-0@u", ""))


# Throttles


def test_a_cluster_that_offers_no_resize_is_told_before_anything_happens(
    store: Store, platform: KubernetesPlatform
) -> None:
    assert platform.throttling(platform.store(), off_ms=1, on_ms=1).originals["throttled"]["limits"] == {"cpu": "10m"}
    store.objects["/api/v1"]["resources"] = [{"name": "pods"}]
    with pytest.raises(FaultRefused, match="offers no pods/resize"):
        platform.throttling(platform.store(), off_ms=1, on_ms=1)


def test_a_redis_that_would_lose_its_data_is_not_throttled(store: Store, platform: KubernetesPlatform) -> None:
    store.objects[f"{PODS}/aia-redis-0"]["spec"]["volumes"][0] = {"name": "data", "emptyDir": {}}
    with pytest.raises(FaultRefused, match="a restart would lose its data"):
        platform.throttling(platform.store(), off_ms=1, on_ms=1)


def test_of_two_redis_pods_none_is_chosen(store: Store, platform: KubernetesPlatform) -> None:
    store.objects[f"{PODS}/aia-redis-1"] = pod("aia-redis-1", "aia-redis")
    with pytest.raises(FaultRefused, match="2 pods have app=aia-redis"):
        platform.store()


# Delays


def test_a_delay_slows_what_comes_back_from_redis_and_says_what_undoes_it(platform: KubernetesPlatform) -> None:
    delay = platform.delaying(**DELAY)
    assert delay.target.incarnation == "aia-toxiproxy-0@u"
    assert delay.originals["toxics"] == TOXICS["toxics"]
    latency, bandwidth = delay.means.toxics
    assert {toxic["stream"] for toxic in (latency, bandwidth)} == {"downstream"}
    assert (latency["attributes"], bandwidth["attributes"]) == ({"latency": 100, "jitter": 0}, {"rate": 100})


@pytest.mark.parametrize(("refused", "error"), [("latency", FaultRefused), ("bandwidth", HarnessDefect)])
def test_a_delay_of_which_a_part_is_in_force_is_not_called_refused(
    server: ApiServer, store: Store, platform: KubernetesPlatform, refused: str, error: type[Exception]
) -> None:
    delay = platform.delaying(**DELAY)

    def script(asked: Asked) -> Reply:
        return Reply(400) if asked.method == "POST" and asked.json["type"] == refused else store(asked)

    server.script = script
    with pytest.raises(GamedayError, match="did not take the toxic") as raised:
        delay.means.apply(1)
    assert raised.type is error


@pytest.mark.parametrize(
    ("proxy", "refusal"),
    [
        ({"enabled": True, "toxics": [{"name": "somebodys"}]}, "has toxics already: somebodys"),
        ({"enabled": False, "toxics": []}, "switched on"),
        (None, "switched on"),
    ],
)
def test_a_proxy_that_is_off_or_in_use_is_left_alone(
    store: Store, platform: KubernetesPlatform, proxy: dict[str, Any] | None, refusal: str
) -> None:
    del store.objects[PROXY]
    store.objects |= {PROXY: proxy} if proxy else {}
    with pytest.raises(FaultRefused, match=refusal):
        platform.delaying(**DELAY)


def test_of_two_toxiproxies_none_is_chosen(store: Store, platform: KubernetesPlatform) -> None:
    store.objects[f"{PODS}/aia-toxiproxy-1"] = pod("aia-toxiproxy-1", "aia-toxiproxy")
    with pytest.raises(FaultRefused, match="leads to 2 ready pods"):
        platform.delaying(**DELAY)


def test_all_toxics_of_a_delay_are_removed_and_those_that_are_gone_are_no_trouble(
    store: Store, platform: KubernetesPlatform
) -> None:
    paths = [f"{PROXY}/toxics/{name}" for name in TOXICS["toxics"]]
    store.objects |= {path: {"metadata": {"uid": "t"}} for path in paths}
    target = Target("aia-toxiproxy-0", "aia-toxiproxy-0@u", "")
    platform.end_delay(target, TOXICS)
    assert store.changes == [f"DELETE {path}" for path in paths]
    platform.end_delay(target, TOXICS)


def test_a_toxic_that_is_not_removed_is_told(server: ApiServer, store: Store, platform: KubernetesPlatform) -> None:
    server.script = lambda asked: Reply(400) if asked.method == "DELETE" else store(asked)
    with pytest.raises(HarnessDefect, match="did not remove the toxic"):
        platform.end_delay(Target("aia-toxiproxy-0", "aia-toxiproxy-0@u", ""), TOXICS)


def test_a_toxiproxy_that_is_away_still_has_its_toxics_unless_its_pod_is_gone(
    server: ApiServer, store: Store, platform: KubernetesPlatform
) -> None:
    server.script = away(f"{NAMESPACE}/services/aia-toxiproxy:", store)
    target = Target("aia-toxiproxy-0", "aia-toxiproxy-0@u", "")
    with pytest.raises(TargetUnreachable):
        platform.end_delay(target, TOXICS)
    del store.objects[f"{PODS}/aia-toxiproxy-0"]
    platform.end_delay(target, TOXICS)


def test_a_delay_is_not_over_while_one_of_its_toxics_is_there(
    store: Store, platform: KubernetesPlatform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = Target("aia-toxiproxy-0", "aia-toxiproxy-0@u", "")
    record = throttle_record(tmp_path_factory.getbasetemp(), target, originals={**TOXICS, "ping_p95_ms": 1.0})
    store.objects[PROXY]["toxics"] = [{"name": "gameday-r-F1-bandwidth"}]
    assert DelayRedis().prove(platform, record).evidence == {"note": "the delay is still there"}
    store.objects[PROXY]["toxics"] = [{"name": "somebodys"}]
    assert not platform.is_delayed(record.originals)
