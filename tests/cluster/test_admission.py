"""A server takes all manifests without a warning, in namespaces under the restricted pod security standard."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness_namespaces import Namespaces, attempt, two_namespaces
from tests.cluster.schemas import write_schemas
from tests.cluster.support import Kubectl
from tests.k8s.manifests import K8S, OVERLAYS, RUN_ID, Manifest, named, pod_templates, render, render_run

MOVED = {"aia-gameday": "harness", "aia-system": "target"}


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[Namespaces]:
    with two_namespaces(kubectl) as made:
        yield made


@pytest.fixture(scope="module")
def run_manifests(namespaces: Namespaces) -> list[Manifest]:
    """The objects of a run, in the two namespaces."""
    return render_run(namespaces.harness, namespaces.target)


def dry_run(kubectl: Kubectl, manifests: list[Manifest]) -> str:
    """What the server and kubectl have to say against the manifests; nothing when all is well."""
    return _apply(kubectl, manifests, "--server-side", "--dry-run=server").stderr


def _apply(kubectl: Kubectl, manifests: list[Manifest], *options: str) -> subprocess.CompletedProcess[str]:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    return attempt(kubectl, "apply", *options, "-f", "-", stdin=text)


def moved(manifests: list[Manifest], namespaces: Namespaces) -> list[Manifest]:
    """The manifests of an overlay, in the namespaces of the test; other tests may use those that it names."""
    text = json.dumps(manifests)
    for name, part in MOVED.items():
        for field in ("namespace", "name"):
            text = text.replace(f'"{field}": "{name}"', f'"{field}": "{getattr(namespaces, part)}"')
    found: list[Manifest] = json.loads(text)
    return found


def pods_of(manifests: list[Manifest]) -> list[Manifest]:
    """One pod of each workload: admission enforces the standard on pods, and only warns about templates."""
    lying = {f"{each['kind']}/{each['metadata']['name']}": each["metadata"].get("namespace") for each in manifests}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": f"pod-{number}", "namespace": lying[workload]},
            # a dry run makes no service accounts for pods to have
            "spec": {**template["spec"], "serviceAccountName": "default", "restartPolicy": "Never"},
        }
        for number, (workload, template) in enumerate(pod_templates(manifests))
    ]


def test_the_manifests_of_a_run_are_admitted_without_a_warning(kubectl: Kubectl, run_manifests: list[Manifest]) -> None:
    assert dry_run(kubectl, run_manifests) == ""


def test_the_pods_of_a_run_are_admitted_under_the_restricted_standard(
    kubectl: Kubectl, run_manifests: list[Manifest]
) -> None:
    pods = pods_of(run_manifests)
    assert len(pods) == 3
    assert dry_run(kubectl, pods) == ""


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_admitted_without_a_warning(kubectl: Kubectl, namespaces: Namespaces, name: str) -> None:
    manifests = moved(render(K8S / "overlays" / name), namespaces)
    assert dry_run(kubectl, manifests) == ""
    assert dry_run(kubectl, pods_of(manifests)) == ""


def test_the_namespace_that_comes_with_the_harness_is_admitted(kubectl: Kubectl) -> None:
    assert dry_run(kubectl, render(K8S / "namespace")) == ""


def test_a_lax_container_would_have_been_noticed(kubectl: Kubectl, run_manifests: list[Manifest]) -> None:
    lax = json.loads(json.dumps(run_manifests))
    for _, template in pod_templates(lax):
        template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "would violate PodSecurity" in dry_run(kubectl, lax)
    assert "violates PodSecurity" in dry_run(kubectl, pods_of(lax))


@pytest.mark.parametrize("options", [(), ("--server-side", "--field-manager=gameday")], ids=["client", "server"])
def test_applying_the_manifests_again_leaves_the_records_in_the_ledger(
    kubectl: Kubectl, run_manifests: list[Manifest], options: tuple[str, ...]
) -> None:
    ledger: Any = json.loads(json.dumps(named(run_manifests, "ConfigMap", f"ledger-{RUN_ID}")))
    name = ledger["metadata"]["name"] = f"ledger-{'server' if options else 'client'}"
    namespace = ledger["metadata"]["namespace"]
    assert _apply(kubectl, [ledger], *options).returncode == 0
    kubectl("patch", "configmap", name, "-n", namespace, "-p", '{"data": {"F1": "a record"}}')
    assert _apply(kubectl, [ledger], *options).returncode == 0
    assert kubectl.json("get", "configmap", name, "-n", namespace)["data"] == {"F1": "a record"}


@pytest.fixture(scope="module")
def kubeconform(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that checks a file against the schemas of this server."""
    program = os.environ.get("GAMEDAY_KUBECONFORM") or shutil.which("kubeconform")
    if program is None:
        pytest.skip("kubeconform is not installed, and GAMEDAY_KUBECONFORM names none")
    schemas = write_schemas(kubectl, tmp_path_factory.mktemp("schemas"))
    return [program, "-strict", "-schema-location", schemas]


def check_schemas(kubeconform: list[str], manifests: list[Manifest], folder: Path) -> str:
    """What kubeconform has to say against the manifests."""
    file = folder / "manifests.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}), encoding="utf-8")
    done = subprocess.run([*kubeconform, str(file)], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_keeps_to_the_schemas_of_the_server(name: str, kubeconform: list[str], tmp_path: Path) -> None:
    manifests = render(K8S / "overlays" / name)
    assert check_schemas(kubeconform, manifests, tmp_path) == ""
    manifests[-1]["spec"]["surprise"] = 1
    assert "surprise" in check_schemas(kubeconform, manifests, tmp_path)
