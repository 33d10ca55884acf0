"""Renders what lies in `k8s/`, as users do: by `kubectl kustomize`."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))
RUN_LABEL = "aia-gameday/run"
Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunLayers:
    """What `gameday k8s run` puts on top of the base for one run."""

    run_id: str = "0a1b2c3d"
    namespace: str = "load-tests"
    target_namespace: str = "their-system"
    image: str = "localhost/aia-gameday:dev"
    workers: int = 3
    components: tuple[str, ...] = ("node-readings", "prometheus", "grafana")


def render(folder: Path) -> list[Manifest]:
    """The objects of a kustomization."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a deprecated part of kustomize is used"
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def write_run(folder: Path, layers: RunLayers) -> Path:
    """Writes the layers into an empty folder, beside a copy of `k8s/`; kustomize takes no absolute paths."""
    shutil.copytree(K8S, folder / "k8s", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    subjects = [{"op": "replace", "path": "/subjects/0/namespace", "value": layers.namespace}]
    name, _, tag = layers.image.rpartition(":")
    workers = [{"op": "replace", "path": f"/spec/{name}", "value": layers.workers} for name in _WORKER_COUNTS]
    _write(
        folder / "harness",
        namespace=layers.namespace,
        resources=["../k8s/base/harness"],
        components=[f"../k8s/components/{name}" for name in layers.components],
        images=[{"name": "aia-gameday", "newName": name, "newTag": tag}],
        configMapGenerator=[{"name": "plan", "literals": ["plan.yaml=a plan", "profile.yaml=a profile"]}],
        secretGenerator=[{"name": "credentials", "literals": ["AIA_CLIENT_SECRET=hunter2"]}],
        generatorOptions={"disableNameSuffixHash": True, "labels": {"app.kubernetes.io/part-of": "aia-gameday"}},
        patches=[{"target": {"kind": "Job", "name": "worker"}, "patch": json.dumps(workers, indent=1)}],
    )
    _write(
        folder / "access",
        namespace=layers.target_namespace,
        resources=["../k8s/base/access"],
        patches=[{"target": {"kind": "RoleBinding"}, "patch": json.dumps(subjects, indent=1)}],
    )
    return _write(
        folder / "run",
        resources=["../harness", "../access"],
        nameSuffix=f"-{layers.run_id}",
        labels=[{"includeSelectors": True, "pairs": {RUN_LABEL: layers.run_id}}],
    )


_WORKER_COUNTS = ("completions", "parallelism")


def _write(folder: Path, **fields: Any) -> Path:
    folder.mkdir()
    # as JSON, which is YAML too, because a run's id may look like a number
    (folder / "kustomization.yaml").write_text(json.dumps(fields), encoding="utf-8")
    return folder


def named(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    found = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pod_templates(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The pod templates of all workloads, each with its workload's name."""
    for manifest in manifests:
        template = (manifest.get("spec") or {}).get("template")
        if manifest["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield f"{manifest['kind']}/{manifest['metadata']['name']}", template


def containers(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """All containers, each with the name of its workload and the spec of its pod."""
    for workload, template in pod_templates(manifests):
        spec = template["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{workload}/{container['name']}", spec, container
