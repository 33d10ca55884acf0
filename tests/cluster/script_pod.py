"""A pod that runs a Python script for a test, as something inside of the cluster sees it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.support import Kubectl, wait_until

_RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class ScriptPod:
    """The running script."""

    kubectl: Kubectl
    namespace: str
    name: str

    def lines(self) -> list[Any]:
        """What the script has printed so far, each line a JSON value."""
        if self._phase() == "Pending":
            return []
        return [json.loads(line) for line in self.kubectl("logs", self.name, "-n", self.namespace).splitlines()]

    def result(self, within_s: float = 120.0) -> Any:
        """The last line, once the script has ended well."""
        phase = wait_until(self._ended, within_s=within_s)
        assert phase == "Succeeded", self.kubectl("logs", self.name, "-n", self.namespace)
        return self.lines()[-1]

    def _phase(self) -> str:
        phase: str = self.kubectl.json("get", "pod", self.name, "-n", self.namespace)["status"]["phase"]
        return phase

    def _ended(self) -> str | None:
        phase = self._phase()
        return phase if phase in {"Succeeded", "Failed"} else None


@contextmanager
def script_pod(
    kubectl: Kubectl,
    script: Path,
    *arguments: str,
    name: str,
    namespace: str,
    image: str,
    labels: Mapping[str, str] | None = None,
    secrets: Mapping[str, tuple[str, str]] | None = None,
) -> Iterator[ScriptPod]:
    """Runs the script with the image's Python; the pod is gone in the end.

    `secrets` maps a variable of its environment to a Secret and a key of that.
    """
    container = {
        "name": "script",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", script.read_text(encoding="utf-8"), *arguments],
        "securityContext": _RESTRICTED,
        "env": [_from_secret(variable, *found) for variable, found in (secrets or {}).items()],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": dict(labels or {})}, "spec": spec}
    kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    try:
        yield ScriptPod(kubectl, namespace, name)
    finally:
        kubectl("delete", "pod", name, "-n", namespace, "--ignore-not-found", "--grace-period=1", timeout_s=90)


def _from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
