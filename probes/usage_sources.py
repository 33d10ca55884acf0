"""Where the usage of containers is told: by kubelets, by a Prometheus that asks them, or by the metrics API."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from kubernetes.utils.quantity import parse_quantity

from journal.errors import ClusterRefused, ClusterUnreachable, TargetUnreachable
from probes.cluster_pods import Container, epoch_ns
from probes.container_usage import FIELDS, Sample, Usage, parse_metrics, usages
from probes.http_calls import call
from probes.kubernetes_api import Json, KubernetesApi

KUBELET_PORT = 10250
_NS = 1_000_000_000
_RANGE_S = 120
_DURATION = re.compile(r"([\d.]+)(h|ms|m|s|us|µs|ns)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Kubelets:
    """The kubelets' own pages, each node's from the node itself: takes the right to get `nodes/metrics`."""

    def __init__(self, api: KubernetesApi, namespace: str, *, port: int = KUBELET_PORT) -> None:
        self._api, self._namespace, self._port = api, namespace, port
        self._kubelets: dict[str, KubernetesApi] = {}

    def usage(self, containers: Sequence[Container]) -> list[Usage]:
        """See `UsageSource`; of several nodes, those that answer are enough."""
        nodes = {container.node: container.address for container in containers if container.node}
        found: list[Usage] = []
        failures: list[ClusterRefused | ClusterUnreachable] = []
        for node, address in sorted(nodes.items()):
            try:
                found += parse_metrics(self._page(node, address), self._namespace)
            except (ClusterRefused, ClusterUnreachable) as failure:
                failures.append(failure)
        if failures and len(failures) == len(nodes):
            raise failures[0]
        return found

    def _page(self, _node: str, address: str) -> str:
        if address not in self._kubelets:
            host = f"[{address}]" if ":" in address else address
            self._kubelets[address] = self._api.beside(f"https://{host}:{self._port}")
        return self._kubelets[address].text("/metrics/cadvisor")


class KubeletsThroughApi(Kubelets):
    """The same pages by way of the API server: takes the right to get `nodes/proxy`, which allows much more as well."""

    def _page(self, node: str, _address: str) -> str:
        return self._api.text(f"/api/v1/nodes/{node}/proxy/metrics/cadvisor")


class Prometheus:
    """A Prometheus that collects the kubelets' metrics under their own names."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url, self._namespace = url.rstrip("/"), namespace

    def usage(self, _containers: Sequence[Container]) -> list[Usage]:
        """See `UsageSource`. A range is asked for, as only that keeps the samples' own times."""
        names = "|".join(FIELDS)
        query = f'{{__name__=~"{names}",namespace="{self._namespace}",container!=""}}[{_RANGE_S}s]'
        answer = call("GET", f"{self._url}/api/v1/query?{urlencode({'query': query})}")
        try:
            said = answer.json()
            if said["status"] != "success":
                raise TargetUnreachable(f"{self._url}: {said.get('error', 'the query failed')}")
            return usages(_samples(said["data"]["result"]))
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # any shape of JSON may come
            raise TargetUnreachable(f"{self._url}: status {answer.status_code}, no answer of a Prometheus") from error


def _samples(result: list[dict[str, Any]]) -> Iterator[Sample]:
    for series in result:
        labels = series["metric"]
        for at_s, text in series["values"]:
            value = float(text)
            if math.isfinite(value):
                yield Sample(labels["__name__"], labels, round(at_s * 1000) * 1_000_000, value)


class MetricsApi:
    """The metrics API, as `kubectl top` reads it: working set and CPU only, the latter as a rate that is added up."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._cpu: dict[tuple[str, str, str], tuple[int, float]] = {}

    def usage(self, containers: Sequence[Container]) -> list[Usage]:
        """See `UsageSource`."""
        lives = {(container.pod, container.name): container for container in containers}
        pods = list(self._api.items(f"/apis/metrics.k8s.io/v1beta1/namespaces/{self._namespace}/pods"))
        try:
            return [
                self._usage(life, pod, used)
                for pod in pods
                for used in pod.get("containers") or []
                if (life := lives.get((pod["metadata"]["name"], used["name"])))
            ]
        except (ValueError, LookupError) as error:  # not every server of this API is metrics-server
            raise ClusterUnreachable(f"the metrics API: its answer cannot be read: {error!r}") from error

    def _usage(self, life: Container, pod: Json, used: Json) -> Usage:
        at_ns = epoch_ns(pod["timestamp"])
        memory, cores = (parse_quantity(used["usage"].get(name, "0")) for name in ("memory", "cpu"))
        key = (life.pod, life.name, life.id)
        before_ns, cpu_s = self._cpu.get(key, (at_ns - round(seconds(pod.get("window", "")) * _NS), 0.0))
        cpu_s += float(cores) * max(0, at_ns - before_ns) / _NS
        self._cpu[key] = (max(at_ns, before_ns), cpu_s)
        return Usage(
            at_ns=at_ns,
            pod=life.pod,
            container=life.name,
            id=life.id,
            working_set_bytes=int(memory),
            cpu_s=cpu_s,
        )


def seconds(duration: str) -> float:
    """A duration as Go writes it ("1m0.5s") in seconds."""
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION.findall(duration))
