"""Renders what lies in `k8s/`, as users do: by `kubectl kustomize`."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import RunNames
from gameday.cluster.rendering import Wanted
from gameday.cluster.rendering import render as rendered

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))
RUN_LABEL = "aia-gameday/run"
RUN_ID, WORKERS = "0a1b2c3d", 3
Manifest = dict[str, Any]


def render(folder: Path) -> list[Manifest]:
    """The objects of a kustomization."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a deprecated part of kustomize is used"
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def render_run(
    namespace: str = "load-tests",
    target_namespace: str = "their-system",
    *,
    image: str = "localhost/aia-gameday:dev",
    node_readings: bool = True,
) -> list[Manifest]:
    """The objects of a run, as `gameday k8s run` makes them."""
    wanted = Wanted(
        names=RunNames(RUN_ID, namespace),
        target_namespace=target_namespace,
        plan="a plan",
        profile="a profile",
        workers=WORKERS,
        image=image,
        node_readings=node_readings,
    )
    return rendered(Kubectl.find(), wanted)


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
