"""What containers use, as the kubelet's cAdvisor counts it: the numbers, and how to read them off a page of metrics."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

from journal.errors import ClusterUnreachable
from probes.cluster_pods import Container, short_id

FIELDS = {
    "container_memory_working_set_bytes": "working_set_bytes",
    "container_memory_rss": "anonymous_bytes",
    "container_cpu_usage_seconds_total": "cpu_s",
    "container_cpu_cfs_throttled_periods_total": "throttled_periods",
    "container_threads": "threads",
    "container_file_descriptors": "descriptors",
}
"""Which metric tells what. The `rss` of a container is its anonymous memory, unlike that of a process."""

_NAMES = tuple(f"{name}{{" for name in FIELDS)
_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one container used at one moment, by the clock of its node; 0 where its source does not tell.

    `id` is the short container id, "" when the source knows only names. `cpu_s` counts from the container's start,
    or from the first look where the source tells a rate only.
    """

    at_ns: int
    pod: str
    container: str
    id: str
    working_set_bytes: int
    anonymous_bytes: int = 0
    cpu_s: float = 0.0
    throttled_periods: int = 0
    threads: int = 0
    descriptors: int = 0


class UsageSource(Protocol):
    """One way to learn what containers use."""

    def usage(self, containers: Sequence[Container]) -> list[Usage]:
        """The newest of these containers, maybe the same as the last time, and maybe of others as well.

        Raises:
            TargetUnreachable, ClusterRefused: it does not answer, or not to us.
        """


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one metric."""

    name: str
    labels: Mapping[str, str]
    at_ns: int
    value: float


def parse_metrics(page: str, namespace: str) -> list[Usage]:
    """The containers of one namespace on a page of the kubelet's cAdvisor (Prometheus text with time stamps).

    Raises:
        ClusterUnreachable: the page is no such text.
    """
    ours = f'namespace="{namespace}"'
    # most of a page is about others, and to parse a line takes a hundred times as long as to pass it over
    lines = (line for line in page.split("\n") if line.startswith(_NAMES) and ours in line)
    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except ValueError as error:
        raise ClusterUnreachable(f"a page of metrics cannot be read: {error}") from error
    samples = (
        Sample(sample.name, sample.labels, round(float(sample.timestamp) * 1000) * 1_000_000, sample.value)
        for family in families
        for sample in family.samples
        if sample.timestamp is not None
    )
    return usages(sample for sample in samples if sample.labels.get("namespace") == namespace)


def usages(samples: Iterable[Sample]) -> list[Usage]:
    """Puts together what was told of each container at each moment; what lacks its memory is left out."""
    found: dict[tuple[str, str, str, int], dict[str, float]] = {}
    for sample in samples:
        pod, container = sample.labels.get("pod", ""), sample.labels.get("container", "")
        if pod and container and sample.name in FIELDS and sample.labels.get("cpu", "total") == "total":
            key = (pod, container, _container_id(sample.labels), sample.at_ns)
            found.setdefault(key, {})[FIELDS[sample.name]] = sample.value
    return [_usage(*key, values) for key, values in sorted(found.items()) if values.get("working_set_bytes", 0) > 0]


def _usage(pod: str, container: str, container_id: str, at_ns: int, values: Mapping[str, float]) -> Usage:
    whole = {name: int(value) for name, value in values.items() if name != "cpu_s"}
    return Usage(at_ns=at_ns, pod=pod, container=container, id=container_id, cpu_s=values.get("cpu_s", 0.0), **whole)


def _container_id(labels: Mapping[str, str]) -> str:
    """The id stands in the path of the control group; runtimes dress it up differently."""
    found = _ID.search(labels.get("id", "")) or _ID.search(labels.get("name", ""))
    return short_id(found.group()) if found else ""
