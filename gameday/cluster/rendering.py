"""Makes the manifests of one run: kustomize puts the parts together, what it cannot know is set here."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import COMPONENT, HARNESS, NAMESPACE, PART_OF, RUN, TARGET_NAMESPACE, RunNames, is_of_run
from journal.errors import CommandError, Problem
from probes.kubernetes_api import Json

OBJECTS_KEY = "objects.json"
CREDENTIALS = "credentials"
LOAD_SECRET = "load-secret"  # noqa: S105  # the name of an object
_IMAGE = "aia-gameday"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the manifests of a run depend on.

    `image` replaces the harness's own everywhere; None leaves that of the manifests. `overlay` is a folder with a
    kustomization over `k8s/base`; None stands for the base itself. `own_secret`: the run brings its own credentials,
    otherwise its pods use the Secret `credentials` of the namespace, if there is one. `data`: the content of the
    profile's files of test data, by their names.
    """

    names: RunNames
    target_namespace: str
    plan: str
    profile: str
    workers: int
    image: str | None = None
    overlay: Path | None = None
    node_readings: bool = False
    own_secret: bool = False
    data: Mapping[str, str] = field(default_factory=dict)


def manifests_folder() -> Path:
    """Where the packaged manifests lie."""
    return Path(str(resources.files("k8s")))


def render(kubectl: Kubectl, wanted: Wanted) -> list[Json]:
    """The objects of the run, in the order in which they are to be made.

    Raises:
        CommandError: kustomize refuses the overlay, or it does not make a run.
    """
    folder = Path(tempfile.mkdtemp(prefix="gameday-")).resolve()
    try:
        (folder / "plan.yaml").write_text(wanted.plan, encoding="utf-8")
        (folder / "profile.yaml").write_text(wanted.profile, encoding="utf-8")
        for name, text in wanted.data.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "kustomization.yaml").write_text(json.dumps(_kustomization(wanted, folder)), encoding="utf-8")
        rendered = kubectl.call("kustomize", str(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return adjusted([found for found in yaml.safe_load_all(rendered) if found], wanted)


def _kustomization(wanted: Wanted, folder: Path) -> dict[str, Any]:
    packaged = manifests_folder()
    base = (wanted.overlay or packaged / "base").resolve()
    if not base.is_dir():
        raise CommandError([Problem("--overlay", f"there is no folder {base}", "name one with a kustomization.yaml")])
    run_id = wanted.names.run_id
    generated = {
        "name": "plan",
        "namespace": NAMESPACE,
        "files": ["plan.yaml", "profile.yaml", *wanted.data],
        "options": {"disableNameSuffixHash": True, "labels": {PART_OF: HARNESS, COMPONENT: "plan"}},
    }
    components = [packaged / "components" / "node-readings"] if wanted.node_readings else []
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, folder)],
        "components": [os.path.relpath(component.resolve(), folder) for component in components],
        "nameSuffix": f"-{run_id}",
        "labels": [{"pairs": {RUN: run_id}, "includeSelectors": True}],
        "configMapGenerator": [generated],
    }


def adjusted(objects: list[Json], wanted: Wanted) -> list[Json]:
    """The rendered objects with the namespaces, workers, image and credentials of the run, and a list of them all.

    Raises:
        CommandError: something that every run has is missing.
    """
    for found in objects:
        _move(found, wanted)
        for pod in _pod_specs(found):
            _set_image(pod, wanted.image)
            _rename_load_secret(pod, wanted.names)
            if wanted.own_secret:
                _rename_secret(pod, wanted.names)
        if found["kind"] == "Job" and found["metadata"]["name"] == wanted.names.of("worker"):
            found["spec"]["completions"] = found["spec"]["parallelism"] = wanted.workers
    _check(objects, wanted)
    plan = next(found for found in objects if is_plan(found))
    plan["data"][OBJECTS_KEY] = json.dumps([reference(found) for found in objects])
    return objects


def is_plan(found: Json) -> bool:
    """Whether this is the ConfigMap with plan, profile and the list of the run's objects."""
    return bool(found["kind"] == "ConfigMap" and (found["metadata"].get("labels") or {}).get(COMPONENT) == "plan")


def reference(found: Json) -> dict[str, str]:
    """What names an object: apiVersion, kind, namespace ("" for none) and name."""
    metadata = found["metadata"]
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }


def _is(found: Json, kind: str, name: str) -> bool:
    return bool(found["kind"] == kind and found["metadata"]["name"] == name)


def _move(found: Json, wanted: Wanted) -> None:
    """From the namespaces that the manifests are written for into those of the run."""
    moved = {NAMESPACE: wanted.names.namespace, TARGET_NAMESPACE: wanted.target_namespace}
    for place in (found["metadata"], *found.get("subjects", ())):
        if "namespace" in place:
            place["namespace"] = moved.get(place["namespace"], place["namespace"])


def _pod_specs(found: Json) -> Iterator[Json]:
    template = (found.get("spec") or {}).get("template")
    if isinstance(template, dict) and "spec" in template:
        yield template["spec"]


def _containers(pod: Json) -> Iterator[Json]:
    for kind in ("initContainers", "containers"):
        yield from pod.get(kind) or ()


def _set_image(pod: Json, image: str | None) -> None:
    for container in _containers(pod):
        name = re.split(r"[:@]", container["image"].rpartition("/")[2])[0]
        if image and name == _IMAGE:
            container["image"] = image


def _rename_secret(pod: Json, names: RunNames) -> None:
    for container in _containers(pod):
        for source in container.get("envFrom") or ():
            if source.get("secretRef", {}).get("name") == CREDENTIALS:
                source["secretRef"]["name"] = names.of(CREDENTIALS)


def _rename_load_secret(pod: Json, names: RunNames) -> None:
    """Master and workers of each run share a secret of their own."""
    for volume in pod.get("volumes") or ():
        if (volume.get("secret") or {}).get("secretName") == LOAD_SECRET:
            volume["secret"]["secretName"] = names.of(LOAD_SECRET)


def _check(objects: list[Json], wanted: Wanted) -> None:
    names = wanted.names
    needed = [("Job", "conductor"), ("Job", "worker"), ("Deployment", "reaper"), ("ConfigMap", "ledger")]
    needed += [("ConfigMap", "plan"), ("PersistentVolumeClaim", "runs"), ("Service", "master")]
    missing = [f"{kind} {base}" for kind, base in needed if not any(_is(o, kind, names.of(base)) for o in objects)]
    where = str(wanted.overlay or manifests_folder() / "base")
    if missing:
        raise CommandError([Problem(where, f"makes no run: {', '.join(missing)} missing", "build upon k8s/base")])
    strangers = [found["metadata"]["name"] for found in objects if not is_of_run(found, names.run_id)]
    if strangers:
        what = f"sets a label {RUN} of its own on {', '.join(strangers)}"
        raise CommandError([Problem(where, what, "leave the run's label and the name suffix to this command")])


class _QuotingDumper(yaml.SafeDumper):
    """Quotes texts that other readers of YAML take for numbers, such as a run's id 12e34567."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if re.fullmatch(r"[0-9.eE+_-]+", text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_QuotingDumper.add_representer(str, _represent_text)


def to_yaml(objects: list[Json]) -> str:
    """The objects as a file for `kubectl apply -f`."""
    text: str = yaml.dump_all(objects, Dumper=_QuotingDumper, sort_keys=False, width=120, allow_unicode=True)
    return text
