"""Two namespaces for tests of the manifests: one of a harness, one of a target, both under the restricted standard."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster.support import Kubectl

_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


@dataclass(frozen=True)
class Namespaces:
    """Their names."""

    harness: str
    target: str


@contextmanager
def two_namespaces(kubectl: Kubectl) -> Iterator[Namespaces]:
    """Makes both, with names of their own; they are gone in the end."""
    prefix = f"manifests-{secrets.token_hex(3)}"
    made = Namespaces(f"{prefix}-harness", f"{prefix}-target")
    labels = {
        made.harness: {**_RESTRICTED, "app.kubernetes.io/part-of": "aia-gameday"},
        made.target: {**_RESTRICTED, "aia-gameday/environment": "gameday"},
    }
    try:
        for name, its_labels in labels.items():
            metadata = {"name": name, "labels": its_labels}
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            kubectl("create", "-f", "-", stdin=json.dumps(document))
        yield made
    finally:
        kubectl("delete", "namespace", *labels, "--ignore-not-found", "--timeout=120s", timeout_s=150)


def attempt(kubectl: Kubectl, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """How a command ended that may fail."""
    command = [kubectl.program, "--kubeconfig", kubectl.kubeconfig, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
