"""How much processor time a container uses, and how often its limit held it back; from whichever source will say."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from journal.errors import ClusterRefused, ClusterUnreachable, GamedayError
from probes.kubernetes_api import Json, KubernetesApi
from probes.usage_sources import KUBELET_PORT

_MAX_AGE = timedelta(seconds=90)
_FACTORS = {"n": 1e-6, "u": 1e-3, "m": 1.0, "": 1000.0, "k": 1e6}  # to thousandths of a core
_THROTTLED = "container_cpu_cfs_throttled_periods_total{"
_SAMPLE = re.compile(r"\{(?P<labels>.*)\} (?P<value>\S+)(?: (?P<at_ms>\d+))?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ContainerPlace:
    """Where a container runs; `address` is its node's."""

    namespace: str
    pod: str
    container: str
    node: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class CpuUse:
    """So many thousandths of a core, and who says so."""

    millicores: float
    source: str


@dataclass(frozen=True, slots=True)
class ThrottledPeriods:
    """In how many periods of its quota the container was held back since its start, as of `at_ns`."""

    count: int
    at_ns: int


def millicores(quantity: str) -> float:
    """Thousandths of a core in a quantity such as `250m`, `2` or `1234567n`. Raises ValueError for another form."""
    number = quantity.rstrip("numk")
    return float(number) * _FACTORS[quantity[len(number) :]]


def cpu_use(api: KubernetesApi, place: ContainerPlace) -> CpuUse | None:
    """The container's use over the last seconds, by the metrics API, else by its kubelet; None when neither says."""
    for source in (_by_metrics_api, _by_kubelet):
        try:
            found = source(api, place)
        except (GamedayError, KeyError, TypeError, ValueError):  # not there, not allowed, or of another form
            continue
        if found is not None:
            return found
    return None


def throttled_periods(api: KubernetesApi, place: ContainerPlace) -> ThrottledPeriods | None:
    """By the kubelet's cAdvisor metrics, which may be 15 s old; None when they do not list the container.

    Raises:
        ClusterRefused: they may be read neither by way of the API server nor from the kubelet itself.
        ClusterUnreachable: no answer.
    """
    wanted = {"namespace": place.namespace, "pod": place.pod, "container": place.container}
    found = []
    for line in _cadvisor(api, place).splitlines():
        sample = _SAMPLE.search(line) if line.startswith(_THROTTLED) else None
        if sample is None:
            continue
        labels = dict(_LABEL.findall(sample["labels"]))
        if wanted.items() <= labels.items():
            found.append(ThrottledPeriods(int(float(sample["value"])), int(sample["at_ms"] or 0) * 1_000_000))
    return max(found, key=lambda periods: periods.at_ns, default=None)  # a former life of it may be listed too


def _cadvisor(api: KubernetesApi, place: ContainerPlace) -> str:
    """The right to `nodes/proxy` opens the first way, the right to `nodes/metrics` the second."""
    try:
        return api.text(f"/api/v1/nodes/{place.node}/proxy/metrics/cadvisor")
    except (ClusterRefused, ClusterUnreachable):
        if not place.address:
            raise
    host = f"[{place.address}]" if ":" in place.address else place.address
    return api.beside(f"https://{host}:{KUBELET_PORT}").text("/metrics/cadvisor")


def _by_metrics_api(api: KubernetesApi, place: ContainerPlace) -> CpuUse | None:
    found = api.get(f"/apis/metrics.k8s.io/v1beta1/namespaces/{place.namespace}/pods/{place.pod}")
    if _age(found["timestamp"]) > _MAX_AGE:
        return None
    used = [each["usage"]["cpu"] for each in found["containers"] if each["name"] == place.container]
    return CpuUse(millicores(used[0]), "metrics API") if used else None


def _by_kubelet(api: KubernetesApi, place: ContainerPlace) -> CpuUse | None:
    found = api.get(f"/api/v1/nodes/{place.node}/proxy/stats/summary")
    for cpu in _containers_cpu(found, place):
        if _age(cpu["time"]) <= _MAX_AGE:
            return CpuUse(cpu["usageNanoCores"] / 1e6, "kubelet")
    return None


def _containers_cpu(summary: Json, place: ContainerPlace) -> list[Json]:
    return [
        container["cpu"]
        for pod in summary["pods"]
        if (pod["podRef"]["namespace"], pod["podRef"]["name"]) == (place.namespace, place.pod)
        for container in pod["containers"]
        if container["name"] == place.container
    ]


def _age(stamp: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(stamp)
