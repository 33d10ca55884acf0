"""What a run leaves: nothing of its own, all of everybody else's, and the reaper for as long as a fault is open."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gameday.cluster import clean_up as cleaning
from gameday.cluster import ledgers
from gameday.cluster.clean_up import clean_up
from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import RUN, RunNames
from gameday.cluster.rendering import OBJECTS_KEY, reference
from gameday.cluster.run import ClusterRun
from journal.errors import NotReverted
from journal.plan import Load, Plan, Stage
from journal.run_directory import RunDirectory
from probes.kubernetes_api import KubernetesApi
from tests.probes.api_server import Asked, Reply, api_server, write_kubeconfig

NAMES = RunNames("12345678", "gd")
KINDS = {
    "v1": {
        "ConfigMap": "configmaps",
        "Secret": "secrets",
        "Service": "services",
        "Pod": "pods",
        "Namespace": "namespaces",
    },
    "batch/v1": {"Job": "jobs"},
    "apps/v1": {"Deployment": "deployments"},
}
PLAN = Plan(name="p", load=Load(stages=(Stage(users=1, duration_s=1),)))


def thing(kind: str, name: str, *, run: str | None = NAMES.run_id, version: str = "v1", **more: Any) -> dict[str, Any]:
    labels = {RUN: run} if run else {}
    namespace = {} if kind == "Namespace" else {"namespace": NAMES.namespace}
    metadata = {"name": name, "uid": f"uid of {name}", "labels": labels, **namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


@dataclass
class Cluster:
    """As much of an API server as cleaning up needs; `deleted` lists names in order."""

    objects: dict[str, Any] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def add(self, found: dict[str, Any]) -> None:
        self.objects[self.path(found)] = found

    @staticmethod
    def path(found: dict[str, Any]) -> str:
        version, metadata = found["apiVersion"], found["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        return f"{root}{namespace}/{KINDS[version][found['kind']]}/{metadata['name']}"

    def names(self) -> set[str]:
        return {found["metadata"]["name"] for found in self.objects.values()}

    def answer(self, asked: Asked) -> Reply:
        url = urlsplit(asked.path)
        for version, kinds in KINDS.items():
            if url.path in {f"/api/{version}", f"/apis/{version}"}:
                listed = [{"kind": k, "name": n, "namespaced": k != "Namespace"} for k, n in kinds.items()]
                return Reply(body={"resources": listed})
        if url.path.rpartition("/")[2] in {plural for kinds in KINDS.values() for plural in kinds.values()}:
            return Reply(body={"items": self._listed(url.path, url.query)})
        if url.path.endswith("/persistentvolumeclaims"):
            return Reply(body={"items": []})
        found = self.objects.get(url.path)
        if found is None:
            return Reply(404, {"message": "not found"})
        if asked.method == "DELETE":
            wanted = asked.json.get("preconditions", {}).get("uid", found["metadata"]["uid"])
            assert wanted == found["metadata"]["uid"]
            del self.objects[url.path]
            self.deleted.append(found["metadata"]["name"])
        return Reply(body=found)

    def _listed(self, path: str, query: str) -> list[Any]:
        selector = parse_qs(query).get("labelSelector", [""])[0]
        found = [o for at, o in self.objects.items() if at.rpartition("/")[0] == path]
        if selector == NAMES.selector:
            found = [o for o in found if o["metadata"]["labels"].get(RUN) == NAMES.run_id]
        elif "!=" in selector:
            found = [o for o in found if o["metadata"]["labels"].get(RUN) not in {None, NAMES.run_id}]
        return found


@pytest.fixture
def cluster() -> Cluster:
    """A run in a namespace that it shares."""
    cluster = Cluster()
    run = [
        thing("Job", NAMES.of("conductor"), version="batch/v1"),
        thing("Service", NAMES.of("master")),
        thing("Deployment", NAMES.of("reaper"), version="apps/v1"),
        thing("ConfigMap", NAMES.of("ledger")),
        thing("ConfigMap", NAMES.of("plan")),
    ]
    run[-1]["data"] = {OBJECTS_KEY: json.dumps([reference(found) for found in run])}
    secrets = [thing("Secret", NAMES.of(base)) for base in ("credentials", "load-secret")]
    for found in [*run, *secrets, thing("Namespace", "gd", run=None)]:
        cluster.add(found)
    return cluster


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterRun]:
    monkeypatch.setattr(ledgers, "PATIENCE_S", 0.2)
    monkeypatch.setattr(cleaning, "GONE_WITHIN_S", 2.0)
    with api_server(cluster.answer) as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
        yield ClusterRun(NAMES, PLAN, RunDirectory(tmp_path / "run"), KubernetesApi.connect(), Kubectl("kubectl"))


def test_everything_of_the_run_goes_the_reaper_late_and_the_plan_last(cluster: Cluster, run: ClusterRun) -> None:
    clean_up(run)
    assert cluster.names() == {"gd"}
    order = [name.removesuffix(f"-{NAMES.run_id}") for name in cluster.deleted]
    assert set(order[:4]) == {"conductor", "master", "credentials", "load-secret"}
    assert order[4:] == ["reaper", "ledger", "plan"]


def test_what_others_have_stays_even_under_a_name_of_the_run(cluster: Cluster, run: ClusterRun) -> None:
    cluster.add(thing("Secret", "credentials", run=None))
    cluster.add(thing("Service", NAMES.of("master"), run="87654321"))
    cluster.add(thing("ConfigMap", "plan-87654321", run="87654321"))
    clean_up(run)
    assert cluster.names() == {"gd", "credentials", NAMES.of("master"), "plan-87654321"}


def test_a_clean_up_that_was_interrupted_is_done_again(cluster: Cluster, run: ClusterRun) -> None:
    del cluster.objects[cluster.path(thing("Job", NAMES.of("conductor"), version="batch/v1"))]
    clean_up(run)
    assert cluster.names() == {"gd"}
    clean_up(run)


def test_an_open_record_keeps_reaper_and_ledger_in_place(cluster: Cluster, run: ClusterRun) -> None:
    cluster.objects[cluster.path(thing("ConfigMap", NAMES.of("ledger")))]["data"] = {"a.F1": "not to be read"}
    with pytest.raises(NotReverted) as caught:
        clean_up(run)
    assert f"gameday k8s attach {NAMES.run_id}" in str(caught.value)
    assert cluster.names() == {"gd", NAMES.of("reaper"), NAMES.of("ledger"), NAMES.of("plan")}


def test_a_namespace_that_came_with_the_run_goes_with_it(cluster: Cluster, run: ClusterRun) -> None:
    cluster.add(thing("Namespace", "gd"))
    clean_up(run)
    assert cluster.names() == set()


@pytest.mark.parametrize(
    "theirs", [thing("ConfigMap", "plan-87654321", run="87654321"), thing("Pod", "mine", run=None)], ids=["run", "pod"]
)
def test_a_namespace_that_others_use_by_now_stays(cluster: Cluster, run: ClusterRun, theirs: dict[str, Any]) -> None:
    cluster.add(thing("Namespace", "gd"))
    cluster.add(theirs)
    clean_up(run)
    assert cluster.names() == {"gd", theirs["metadata"]["name"]}
