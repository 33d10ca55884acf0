"""A container's CPU: taken from whoever says, and from nobody who says something else."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import Configuration

from journal.errors import ClusterRefused
from probes.container_cpu import ContainerPlace, CpuUse, ThrottledPeriods, cpu_use, millicores, throttled_periods
from probes.kubernetes_api import KubernetesApi
from tests.probes.conftest import Answers

PLACE = ContainerPlace("aia-system", "aia-redis-0", "aia-redis", "n1")
METRICS = "GET /apis/metrics.k8s.io/v1beta1/namespaces/aia-system/pods/aia-redis-0"
SUMMARY, CADVISOR = "GET /api/v1/nodes/n1/proxy/stats/summary", "GET /api/v1/nodes/n1/proxy/metrics/cadvisor"
LABELS = 'container="{}",id="/x",image="i",name="n",namespace="aia-system",pod="aia-redis-0"'


@pytest.fixture
def api(server: Answers) -> KubernetesApi:
    configuration = Configuration()
    configuration.host = server.url
    return KubernetesApi(configuration, patience_s=0)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def by_metrics_api(cpu: str, age_s: float = 5) -> tuple[int, object]:
    containers = [{"name": "exporter", "usage": {"cpu": "9"}}, {"name": "aia-redis", "usage": {"cpu": cpu}}]
    return 200, {"timestamp": ago(age_s), "window": "10s", "containers": containers}


def by_kubelet(nanocores: int) -> tuple[int, object]:
    cpu = {"time": ago(5), "usageNanoCores": nanocores}
    pod = {
        "podRef": {"namespace": "aia-system", "name": "aia-redis-0"},
        "containers": [{"name": "aia-redis", "cpu": cpu}],
    }
    other = {"podRef": {"namespace": "default", "name": "aia-redis-0"}, "containers": [{"name": "aia-redis"}]}
    return 200, {"pods": [other, pod]}


@pytest.mark.parametrize(
    ("quantity", "thousandths"),
    [("250m", 250), ("2", 2000), ("0.5", 500), ("1234567n", 1.234567), ("5u", 0.005), ("0", 0)],
)
def test_quantities_are_read(quantity: str, thousandths: float) -> None:
    assert millicores(quantity) == pytest.approx(thousandths)


@pytest.mark.parametrize("quantity", ["", "m", "1x", "12nm"])
def test_what_is_no_quantity_is_told(quantity: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        millicores(quantity)


def test_the_metrics_api_is_asked_first_and_the_kubelet_when_that_says_nothing(
    server: Answers, api: KubernetesApi
) -> None:
    server.script |= {METRICS: by_metrics_api("42500000n"), SUMMARY: by_kubelet(40_000_000)}
    assert cpu_use(api, PLACE) == CpuUse(42.5, "metrics API")
    for said in [(404, ""), (503, ""), by_metrics_api("1", age_s=600), (200, {"containers": []}), (200, "no JSON")]:
        server.script[METRICS] = said
        assert cpu_use(api, PLACE) == CpuUse(40.0, "kubelet")


@pytest.mark.parametrize("summary", [(403, ""), (200, {"pods": []}), (200, {"pods": [{}]}), (200, {"pods": None})])
def test_with_neither_it_is_not_known(server: Answers, api: KubernetesApi, summary: tuple[int, object]) -> None:
    server.script[SUMMARY] = summary
    assert cpu_use(api, PLACE) is None


def test_throttled_periods_are_those_of_the_latest_life_of_the_container(server: Answers, api: KubernetesApi) -> None:
    name = "container_cpu_cfs_throttled_periods_total"
    lines = [
        f"# TYPE {name} counter",
        f"{name}{{{LABELS.format('aia-redis')}}} 900 1000",
        f"{name}{{{LABELS.format('aia-redis')}}} 17 2000",
        f"{name}{{{LABELS.format('exporter')}}} 5 3000",
        f"container_cpu_cfs_periods_total{{{LABELS.format('aia-redis')}}} 99 4000",
    ]
    server.script[CADVISOR] = (200, "\n".join(lines))
    assert throttled_periods(api, PLACE) == ThrottledPeriods(17, 2_000_000_000)
    server.script[CADVISOR] = (200, "\n".join(lines[3:]))
    assert throttled_periods(api, PLACE) is None
    server.script[CADVISOR] = (403, {"message": "no"})
    with pytest.raises(ClusterRefused):
        throttled_periods(api, PLACE)
