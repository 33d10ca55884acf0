"""Removes what a run put into the cluster, and nothing else: the reaper late, and only after an empty ledger."""

import json
import time
from collections.abc import Callable, Iterable, Iterator

from gameday.cluster.fetching import remove_reader
from gameday.cluster.ledgers import await_reaper
from gameday.cluster.names import COMPONENT, HARNESS, PART_OF, RUN, is_of_run
from gameday.cluster.rendering import CREDENTIALS, LOAD_SECRET, OBJECTS_KEY
from gameday.cluster.run import ClusterRun
from journal.errors import ClusterRefused, ClusterUnreachable
from probes.kubernetes_api import Json, KubernetesApi

GONE_WITHIN_S = 180.0
_PAUSE_S = 0.5
Reference = dict[str, str]

# In this order, each step only when all before is gone. The list of all objects is in the plan, so that goes last:
# whoever is interrupted finds the run again and goes on.
_FIRST = {"Job", "Pod", "Service", "Secret", "PodDisruptionBudget"}
_REAPER = {"Deployment"}


def clean_up(run: ClusterRun) -> None:
    """Removes all objects of the run, and its namespace if it came with it.

    Raises:
        NotReverted: the ledger still holds records; the reaper, the ledger and their rights are left in place.
        ClusterUnreachable: something was not gone in time.
    """
    secrets = [_reference(run, "v1", "Secret", name) for name in (CREDENTIALS, LOAD_SECRET)]
    references = [*objects_of(run), *secrets]
    plurals = Plurals(run.api)
    first = [found for found in references if found["kind"] in _FIRST]
    reaper = [found for found in references if found["kind"] in _REAPER]
    last = [found for found in references if found["name"] == run.names.of("plan")]
    rest = [found for found in references if found not in (*first, *reaper, *last)]
    remove_reader(run)
    remove(run, plurals, first)
    _await_no_pods(run, but_of={"reaper"})
    await_reaper(run)
    remove(run, plurals, reaper)
    _await_no_pods(run)
    remove(run, plurals, rest)
    _await_gone(run, plurals, rest)
    remove(run, plurals, last)
    _remove_namespace(run)


def objects_of(run: ClusterRun) -> list[Reference]:
    """What was applied for the run, as its plan lists it; without a plan there is nothing left."""
    plan = run.find(run.names.path("configmaps", "plan"))
    if plan is None:
        return []
    listed: list[Reference] = json.loads((plan.get("data") or {}).get(OBJECTS_KEY, "[]"))
    return listed


def _reference(run: ClusterRun, api_version: str, kind: str, base: str) -> Reference:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "namespace": run.names.namespace,
        "name": run.names.of(base),
    }


class Plurals:
    """Knows by which path the API serves a kind of object."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._known: dict[str, list[Json]] = {}

    def path(self, reference: Reference) -> str | None:
        """The path of an object; None when the cluster does not know such a kind."""
        version = reference["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in self._known:
            self._known[version] = self._resources(root)
        found = next((r for r in self._known[version] if r["kind"] == reference["kind"] and "/" not in r["name"]), None)
        if found is None:
            return None
        namespace = f"/namespaces/{reference['namespace']}" if found["namespaced"] else ""
        return f"{root}{namespace}/{found['name']}/{reference['name']}"

    def _resources(self, root: str) -> list[Json]:
        try:
            resources: list[Json] = self._api.get(root)["resources"]
        except ClusterRefused as error:
            if error.status != 404:
                raise
            return []
        return resources


def remove(run: ClusterRun, plurals: Plurals, references: Iterable[Reference]) -> None:
    """Removes these objects, each only if it carries the run's label and is the very one that was looked at."""
    for reference in references:
        path = plurals.path(reference)
        found = run.find(path) if path else None
        if path and found is not None and is_of_run(found, run.names.run_id):
            delete_this(run.api, path, found)


def delete_this(api: KubernetesApi, path: str, found: Json) -> None:
    """Removes an object as it was found; one that is gone, or of which the name is another's by now, is left alone."""
    try:
        api.delete(path, uid=found["metadata"]["uid"])
    except ClusterRefused as error:
        if error.status not in {404, 409}:
            raise


def _await_no_pods(run: ClusterRun, but_of: Iterable[str] = ()) -> None:
    spared = set(but_of)

    def left() -> list[str]:
        pods = run.pods()
        return [p["metadata"]["name"] for p in pods if p["metadata"]["labels"].get(COMPONENT) not in spared]

    _await_none(left)


def _await_gone(run: ClusterRun, plurals: Plurals, references: list[Reference]) -> None:
    """Volumes and the like stay for a moment, until nobody uses them."""

    def left() -> list[str]:
        return [r["name"] for r in references if (path := plurals.path(r)) and _is_still_there(run, path)]

    _await_none(left)


def _is_still_there(run: ClusterRun, path: str) -> bool:
    found = run.find(path)
    return found is not None and is_of_run(found, run.names.run_id)


def _await_none(left: Callable[[], list[str]]) -> None:
    ends_s = time.monotonic() + GONE_WITHIN_S
    while names := left():
        if time.monotonic() > ends_s:
            raise ClusterUnreachable(f"still there after {GONE_WITHIN_S:g} s: {', '.join(names)}")
        time.sleep(_PAUSE_S)


def _remove_namespace(run: ClusterRun) -> None:
    """Removes the namespace if this run made it and nobody else has put anything of the harness into it."""
    path = f"/api/v1/namespaces/{run.names.namespace}"
    found = run.find(path)
    if found is None or not is_of_run(found, run.names.run_id) or any(_of_others(run)):
        return
    delete_this(run.api, path, found)
    _await_none(lambda: [run.names.namespace] if _is_still_there(run, path) else [])


def _of_others(run: ClusterRun) -> Iterator[str]:
    """What other runs, or people, have in the namespace."""
    for plural in ("pods", "persistentvolumeclaims", "secrets", "services"):
        for found in run.api.items(run.names.path(plural)):
            yield found["metadata"]["name"]
    others = f"{PART_OF}={HARNESS},{RUN}!={run.names.run_id}"
    for found in run.api.items(run.names.path("configmaps"), labelSelector=others):
        yield found["metadata"]["name"]
