"""Readings of the target's pods: finds where they can be had, and takes each of them once."""

from collections.abc import Iterator
from dataclasses import dataclass

from journal.errors import ClusterRefused, ClusterUnreachable, TargetUnreachable
from journal.manifest import ReadingsOrigin
from journal.profile import Cluster
from journal.readings import Reading
from probes.cluster_pods import Container, TargetPods
from probes.container_usage import Usage, UsageSource
from probes.kubernetes_api import KubernetesApi
from probes.usage_sources import Kubelets, KubeletsThroughApi, MetricsApi, Prometheus

_LONGEST_REASON = 300


class ClusterSampler:
    """Samples the containers of the target again and again; what was told before is not told again."""

    def __init__(self, pods: TargetPods, source: UsageSource) -> None:
        self._pods, self._source = pods, source
        self._current: list[Container] = []
        self._lives: dict[tuple[str, str, str], Container] = {}
        self._newest_ns: dict[str, int] = {}

    def sample(self) -> list[Reading]:
        """The new readings; none where a source has nothing newer.

        Raises:
            TargetUnreachable, ClusterRefused: the source cannot be read.
        """
        self._look_at_pods()
        found = sorted(self._source.usage(self._current), key=lambda usage: usage.at_ns)
        return [reading for usage in found if (reading := self._reading(usage))]

    def _look_at_pods(self) -> None:
        try:
            self._current = self._pods.containers()
        except ClusterUnreachable:
            if not self._current:  # kubelets answer on while the API server is away
                raise
        for life in self._current:
            self._lives[life.pod, life.name, life.id] = life
            self._lives[life.pod, life.name, ""] = life

    def _reading(self, usage: Usage) -> Reading | None:
        life = self._lives.get((usage.pod, usage.container, usage.id))
        # where only names are told, what is older than the container was about the one before it
        if life is None or usage.at_ns <= max(life.started_ns, self._newest_ns.get(life.incarnation, 0)):
            return None
        self._newest_ns[life.incarnation] = usage.at_ns
        return Reading(
            at_ns=usage.at_ns,
            subject=life.subject,
            role=life.role,
            incarnation=life.incarnation,
            rss_bytes=usage.working_set_bytes,
            uss_bytes=usage.anonymous_bytes,
            cpu_s=usage.cpu_s,
            threads=usage.threads,
            descriptors=usage.descriptors,
        )


@dataclass(frozen=True)
class ClusterReadings:
    """Where readings come from, what was read while looking for that, and how to go on; None: there are none."""

    origin: ReadingsOrigin
    first: tuple[Reading, ...] = ()
    sampler: ClusterSampler | None = None


def find_readings(api: KubernetesApi, cluster: Cluster) -> ClusterReadings:
    """Tries the sources in the order of their worth; the first that tells of every container is taken, else the best.

    Raises nothing for a cluster that does not answer or does not allow: then there are no readings, and a reason.
    """
    try:
        running = TargetPods(api, cluster).containers()
    except (ClusterUnreachable, ClusterRefused) as error:
        return _none(f"the target's pods cannot be listed: {error}")
    if not running:
        return _none(f"none of the profile's selectors finds a running container in the namespace {cluster.namespace}")
    return _best(api, cluster, len(running))


def _none(why: str) -> ClusterReadings:
    return ClusterReadings(ReadingsOrigin(source="none", note=why))


def _best(api: KubernetesApi, cluster: Cluster, running: int) -> ClusterReadings:
    best, most, reasons = _none(""), 0, list[str]()
    for name, note, source in _sources(api, cluster):
        sampler = ClusterSampler(TargetPods(api, cluster), source)
        try:
            first = sampler.sample()
        except (TargetUnreachable, ClusterRefused) as error:
            reasons.append(f"{name}: {str(error)[:_LONGEST_REASON]}")
            continue
        told = len({reading.incarnation for reading in first})
        if told > most:
            notes = "; ".join(filter(None, (note, *reasons)))
            best, most = ClusterReadings(ReadingsOrigin(source=name, note=notes), tuple(first), sampler), told
        if told >= running:
            return best
        reasons.append(f"{name}: tells of {told} of {running} containers")
    return best if best.sampler else _none("; ".join(reasons))


def _sources(api: KubernetesApi, cluster: Cluster) -> Iterator[tuple[str, str, UsageSource]]:
    """Name, what to know about it, and the source itself."""
    yield "kubelet cAdvisor", "", Kubelets(api, cluster.namespace)
    yield "kubelet cAdvisor through the API server", "", KubeletsThroughApi(api, cluster.namespace)
    if cluster.prometheus_url:
        yield "Prometheus", "", Prometheus(cluster.prometheus_url, cluster.namespace)
    yield "metrics API", "working set: page cache included", MetricsApi(api, cluster.namespace)
