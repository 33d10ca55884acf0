"""One run in a cluster, as the commands hold it: its names, its plan, its copy on this machine, and the ways to it."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import COMPONENT, RunNames
from journal.errors import ClusterRefused
from journal.plan import Plan
from journal.run_directory import RunDirectory
from probes.kubernetes_api import Json, KubernetesApi

CONDUCTOR, WORKER, REAPER, READER = "conductor", "worker", "reaper", "reader"
_OUT, _RUNS = "--out=", "/runs/$(RUN_ID)"


@dataclass(frozen=True)
class ClusterRun:
    """A run whose objects lie in a cluster; `local` is where its run directory is brought."""

    names: RunNames
    plan: Plan
    local: RunDirectory
    api: KubernetesApi
    kubectl: Kubectl

    def find(self, path: str) -> Json | None:
        """One object, None when there is none."""
        try:
            return self.api.get(path)
        except ClusterRefused as error:
            if error.status == 404:
                return None
            raise

    def pods(self) -> list[Json]:
        """All pods of the run, in the harness's namespace."""
        return list(self.api.items(self.names.path("pods"), labelSelector=self.names.selector))

    def conductor_job(self) -> Json | None:
        """The Job of the conductor, with the image and the volume that a reader needs too."""
        return self.find(self.names.path("jobs", CONDUCTOR, "apis/batch/v1"))


def component(found: Json) -> str:
    """Which part of the harness an object belongs to."""
    return str((found["metadata"].get("labels") or {}).get(COMPONENT, ""))


def run_directory_in(job: Json) -> str:
    """Where in its pod the conductor writes the run directory."""
    (container, *_) = job["spec"]["template"]["spec"]["containers"]
    written = [a.removeprefix(_OUT) for a in container.get("args") or () if a.startswith(_OUT)]
    path = written[0] if written else _RUNS
    expanded = path.replace("$(RUN_ID)", job["metadata"]["labels"]["aia-gameday/run"])
    return str(PurePosixPath(expanded))
