"""Who looks at the target beside the load: at processes of this machine, at pods of a cluster, or at nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gameday.cluster_watcher import ClusterWatcher
from gameday.readings_thread import LocalProcesses, ReadingsThread
from journal.errors import CommandError
from journal.manifest import ReadingsOrigin
from journal.profile import Cluster, Profile
from journal.run_directory import RunDirectory
from journal.timeline import Timeline
from probes.cluster_readings import find_readings
from probes.kubernetes_api import KubernetesApi

PROCESSES_EVERY_S = 1.0
CONTAINERS_EVERY_S = 5.0
"""cAdvisor looks at a container every 10 to 20 s; asked twice as often, hardly any of its looks is missed."""

QUICK_S = 3.0
"""How long one look may take: the end of a run waits for it."""

Start = Callable[[RunDirectory, Timeline, ExitStack], None]


@dataclass(frozen=True)
class Observers:
    """What will be looked at; `origin` belongs into the manifest."""

    origin: ReadingsOrigin
    _start: Start

    @contextmanager
    def at_work(self, run: RunDirectory, timeline: Timeline) -> Iterator[None]:
        """Everything that looks, for the length of a with block."""
        with ExitStack() as stack:
            self._start(run, timeline, stack)
            yield


def observers(profile: Profile, state_file: Path | None) -> Observers:
    """The observers of a target: by its state file where it has one, else by its profile's platform.

    A cluster that cannot be looked at is no error: the origin says why there are no readings.
    """
    if state_file is not None:
        return _of_processes(state_file)
    if profile.platform.kind == "kubernetes":
        return _of_cluster(profile.platform.cluster)
    return _of_nothing("the profile does not say how to reach the target's processes")


def _of_processes(state_file: Path) -> Observers:
    def start(run: RunDirectory, timeline: Timeline, stack: ExitStack) -> None:
        processes = LocalProcesses(state_file, timeline)
        stack.enter_context(ReadingsThread(run, timeline, processes.sample, interval_s=PROCESSES_EVERY_S))

    return Observers(ReadingsOrigin(source="psutil"), start)


def _of_cluster(cluster: Cluster) -> Observers:
    try:
        api = KubernetesApi.connect(patience_s=QUICK_S)
    except CommandError as error:
        return _of_nothing(str(error))
    found = find_readings(api, cluster)

    def start(run: RunDirectory, timeline: Timeline, stack: ExitStack) -> None:
        stack.enter_context(ClusterWatcher(api, cluster.namespace, timeline))
        if found.sampler is not None:
            sample, interval_s = found.sampler.sample, CONTAINERS_EVERY_S
            stack.enter_context(ReadingsThread(run, timeline, sample, interval_s=interval_s, first=found.first))

    return Observers(found.origin, start)


def _of_nothing(why: str) -> Observers:
    return Observers(ReadingsOrigin(source="none", note=why), lambda *_: None)
