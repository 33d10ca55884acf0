"""Readings of a cluster: from the best source that there is, each sample once, each life under its own name."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal.profile import Cluster
from probes.cluster_pods import TargetPods
from probes.cluster_readings import ClusterReadings, ClusterSampler, find_readings
from probes.container_usage import Usage
from probes.kubernetes_api import KubernetesApi
from probes.usage_sources import KubeletsThroughApi
from tests.probes.api_server import TOKEN, ApiServer, Asked, HangUp, Reply, api_server, in_turn, write_kubeconfig
from tests.probes.pods import T0_NS, Json, pod, status
from tests.probes.test_container_usage import page
from tests.probes.test_usage_sources import metrics, prometheus

NS = 10**9
PAGE = "/api/v1/nodes/n1/proxy/metrics/cadvisor"
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/aia-system/pods"
LATER = "2026-01-02T03:04:20Z"


class FakeCluster:
    """Pods with the label app=aia-api, and what else the paths of the server answer; all other paths are 404."""

    def __init__(self, *pods: Json) -> None:
        self.pods = list(pods)
        self.paths: dict[str, Reply] = {}
        self.away = False

    def __call__(self, asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        if path == "/api/v1/namespaces/aia-system/pods":
            if self.away:
                raise HangUp
            return Reply(200, {"items": self.pods if "aia-api" in query else []})
        return self.paths.get(path, Reply(404, {"message": "not found"}))


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server(in_turn(Reply(404))) as running:
        yield running


@pytest.fixture
def api(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesApi:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
    return KubernetesApi.connect(patience_s=1.0)


@pytest.fixture
def found(server: ApiServer, api: KubernetesApi) -> Callable[..., ClusterReadings]:
    def find(cluster: FakeCluster, **profile: str) -> ClusterReadings:
        server.script = cluster
        return find_readings(api, Cluster(**profile))  # type: ignore[arg-type]  # only texts are given here

    return find


def test_anonymous_memory_is_preferred_to_the_working_set(found: Callable[..., ClusterReadings]) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.paths = {PAGE: Reply(200, page()), METRICS: Reply(200, {"items": [metrics(LATER, "1")]})}
    readings = found(cluster)
    assert readings.origin.source == "kubelet cAdvisor through the API server"
    (reading,) = readings.first
    assert (reading.uss_bytes, reading.rss_bytes, reading.cpu_s) == (50_000_000, 60_000_000, 1.5)
    assert (reading.subject, reading.role, reading.incarnation) == ("api-0", "api", "aia-api-1/aaaaaaaaaaaa")


def test_the_manifest_learns_why_nothing_better_could_be_read(found: Callable[..., ClusterReadings]) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.paths = {
        PAGE: Reply(403, {"message": "nodes is forbidden"}),
        METRICS: Reply(200, {"items": [metrics(LATER, "1")]}),
    }
    readings = found(cluster)
    assert readings.origin.source == "metrics API"
    assert "page cache included" in readings.origin.note
    assert "403 nodes is forbidden" in readings.origin.note
    assert TOKEN not in readings.origin.note
    assert [reading.uss_bytes for reading in readings.first] == [0]


def test_a_prometheus_is_asked_where_the_profile_names_one(
    found: Callable[..., ClusterReadings], server: ApiServer
) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    later_s = T0_NS // NS + 20
    cluster.paths = {"/api/v1/query": Reply(200, prometheus((later_s, "7e6"), (later_s + 15, "8e6")))}
    readings = found(cluster, prometheus_url=server.url)
    assert readings.origin.source == "Prometheus"
    assert [reading.uss_bytes for reading in readings.first] == [7_000_000, 8_000_000]


def test_a_source_that_tells_of_all_containers_is_preferred(found: Callable[..., ClusterReadings]) -> None:
    cluster = FakeCluster(pod("aia-api-1"), pod("aia-api-2"))
    both = [metrics(LATER, "1", pod=name) for name in ("aia-api-1", "aia-api-2")]
    cluster.paths = {PAGE: Reply(200, page()), METRICS: Reply(200, {"items": both})}
    readings = found(cluster)
    assert readings.origin.source == "metrics API"
    assert "tells of 1 of 2 containers" in readings.origin.note


def test_a_source_that_tells_of_some_is_better_than_none(found: Callable[..., ClusterReadings]) -> None:
    cluster = FakeCluster(pod("aia-api-1"), pod("aia-api-2"))
    cluster.paths = {PAGE: Reply(200, page())}
    assert found(cluster).origin.source == "kubelet cAdvisor through the API server"


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (FakeCluster(), "none of the profile's selectors"),
        (FakeCluster(pod("aia-api-1")), "metrics API: GET .* 404"),
    ],
    ids=["no pods", "no source"],
)
def test_without_any_source_the_reason_is_told(
    found: Callable[..., ClusterReadings], cluster: FakeCluster, why: str
) -> None:
    readings = found(cluster)
    assert (readings.origin.source, readings.sampler, readings.first) == ("none", None, ())
    assert re.search(why, readings.origin.note)


def test_an_api_server_that_is_away_leaves_a_reason(found: Callable[..., ClusterReadings]) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.away = True
    assert "pods cannot be listed" in found(cluster).origin.note


@pytest.fixture
def sampler(server: ApiServer, api: KubernetesApi) -> ClusterSampler:
    return ClusterSampler(TargetPods(api, Cluster()), KubeletsThroughApi(api, "aia-system"))


def test_a_sample_that_was_read_before_is_not_read_again(server: ApiServer, sampler: ClusterSampler) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    server.script = cluster
    read = []
    for text in (page(), page(), page().replace("040123", "050123"), page().replace("040123", "050123")):
        cluster.paths = {PAGE: Reply(200, text)}
        read.append(len(sampler.sample()))
    assert read == [1, 0, 1, 0]


def test_a_restarted_container_is_another_incarnation_of_the_same_subject(
    server: ApiServer, sampler: ClusterSampler
) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.paths = {PAGE: Reply(200, page())}
    server.script = cluster
    (first,) = sampler.sample()
    cluster.pods = [pod("aia-api-1", status(digit="b", restarts=1))]
    cluster.paths = {PAGE: Reply(200, page() + page(id="/pods/" + "b" * 64))}
    (second,) = sampler.sample()
    assert (first.subject, second.subject) == ("api-0", "api-0")
    assert (first.incarnation, second.incarnation) == ("aia-api-1/" + "a" * 12, "aia-api-1/" + "b" * 12)


def test_the_pod_that_replaces_a_killed_one_goes_on_under_its_name(server: ApiServer, sampler: ClusterSampler) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.paths = {PAGE: Reply(200, page())}
    server.script = cluster
    (first,) = sampler.sample()
    cluster.pods = [pod("aia-api-1", deleted=LATER), pod("aia-api-2", status(digit="c"))]
    cluster.paths = {PAGE: Reply(200, page(pod="aia-api-2", id="/pods/" + "c" * 64))}
    (second,) = sampler.sample()
    assert first.subject == second.subject
    assert first.incarnation != second.incarnation


def test_readings_go_on_while_the_pods_cannot_be_listed(server: ApiServer, sampler: ClusterSampler) -> None:
    cluster = FakeCluster(pod("aia-api-1"))
    cluster.paths = {PAGE: Reply(200, page())}
    server.script = cluster
    sampler.sample()
    cluster.away = True
    cluster.paths = {PAGE: Reply(200, page().replace("040123", "050123"))}
    assert len(sampler.sample()) == 1


def test_what_is_older_than_a_container_is_about_the_one_before_it(server: ApiServer, api: KubernetesApi) -> None:
    class ByName:
        def usage(self, _: object) -> list[Usage]:
            at = (T0_NS - NS, T0_NS + NS)
            return [Usage(at_ns=ns, pod="aia-api-1", container="aia-api", id="", working_set_bytes=1) for ns in at]

    server.script = FakeCluster(pod("aia-api-1"))
    (reading,) = ClusterSampler(TargetPods(api, Cluster()), ByName()).sample()
    assert reading.at_ns == T0_NS + NS
