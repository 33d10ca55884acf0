"""Finds runs in a cluster, and their directories on this machine, for whoever comes back to them."""

import tempfile
from pathlib import Path

from gameday.cluster.names import COMPONENT, HARNESS, PART_OF, RUN
from gameday.sources import load_plan
from journal.errors import CommandError, Problem, RunDirectoryError
from journal.manifest import read_manifest
from journal.plan import Plan
from journal.run_directory import RunDirectory, make_run_directory
from probes.kubernetes_api import Json, KubernetesApi


def find_run(api: KubernetesApi, namespace: str, run_id: str | None) -> Json:
    """The ConfigMap `plan` of the run, or of the only one there is.

    Raises:
        CommandError: there is none, or several to choose from.
    """
    selector = f"{PART_OF}={HARNESS},{COMPONENT}=plan"
    plans = {
        found["metadata"]["labels"].get(RUN, ""): found
        for found in api.items(f"/api/v1/namespaces/{namespace}/configmaps", labelSelector=selector)
    }
    listed = ", ".join(f"{name} (since {plan['metadata']['creationTimestamp']})" for name, plan in plans.items())
    if run_id is not None and run_id not in plans:
        remedy = f"there are: {listed}" if plans else "there is none at all"
        raise CommandError([Problem(f"namespace {namespace}", f"has no run {run_id}", remedy)])
    if run_id is None and len(plans) != 1:
        what = f"has several runs: {listed}" if plans else "has no run"
        raise CommandError([Problem(f"namespace {namespace}", what, "name one of them" if plans else "")])
    return plans[run_id] if run_id is not None else next(iter(plans.values()))


def plan_of(found: Json) -> Plan:
    """The plan with which a run was started. Raises PlanError when it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="gameday-") as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(found.get("data", {}).get("plan.yaml", ""), encoding="utf-8")
        return load_plan(str(path))


def local_directory(run_id: str, out: Path | None, default: Path) -> RunDirectory:
    """Where the copy of the run is, or is to be: in `out`, in a past run's place, or in a new directory.

    Raises:
        RunDirectoryError: `out` holds something else.
    """
    if out is None:
        known = (path for path in default.parent.glob("*") if path.is_dir() and run_id_of(path) == run_id)
        found = next(known, None)
        return RunDirectory(found) if found else make_run_directory(default)
    return RunDirectory(out) if out.is_dir() and run_id_of(out) == run_id else make_run_directory(out)


def run_id_of(path: Path) -> str | None:
    """Which run a directory holds; None when it does not say."""
    try:
        return read_manifest(path / "manifest.json").run_id
    except RunDirectoryError:
        return None
