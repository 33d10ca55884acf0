"""What tests in a cluster share: kubectl, images, and the reference AIA deployed for as long as a test needs it."""

import base64
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import valkey
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "k8s"
PASSWORD = "correct horse battery"
_TOXIPROXY = "ghcr.io/shopify/toxiproxy"  # the name in the manifests, which another image takes the place of
_READY_WITHIN_S = 180
_Value = TypeVar("_Value")


def wait_until(condition: Callable[[], _Value], within_s: float = 60.0, every_s: float = 0.2) -> _Value:
    """The first true value of `condition`; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every_s)
    pytest.fail(f"this did not become true within {within_s} s: {condition}")


@dataclass(frozen=True)
class Kubectl:
    """kubectl, pointed at the cluster of a kubeconfig."""

    program: str
    kubeconfig: str

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """What the command prints; the test fails with its complaint when it does."""
        command = [self.program, "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """What `kubectl … -o json` prints, read."""
        return json.loads(self(*arguments, "-o", "json"))

    def items(self, *arguments: str) -> list[Any]:
        """The objects of a list."""
        return self.json(*arguments)["items"]

    def exists(self, *arguments: str) -> bool:
        """Whether `kubectl get` finds it."""
        return bool(self("get", *arguments, "--ignore-not-found", "-o", "name").strip())

    @contextmanager
    def forwarded(self, resource: str, port: int, *, namespace: str) -> Iterator[int]:
        """A local port that leads to a pod, or to one of the pods of a Service, until that pod ends."""
        command = [self.program, "--kubeconfig", self.kubeconfig, "port-forward", "-n", namespace, resource, f":{port}"]
        with (
            tempfile.TemporaryFile("w+") as said,  # no pipe, which would fill up with a line for each connection
            subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process,
        ):
            try:
                yield wait_until(lambda: _forwarded_port(process, said), within_s=30, every_s=0.05)
            finally:
                process.kill()


def _forwarded_port(process: subprocess.Popen[bytes], said: Any) -> int | None:
    said.seek(0)
    text = said.read()
    assert process.poll() is None, f"kubectl port-forward ended: {text}"
    found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", text)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Images:
    """The names of the images, as the cluster's nodes know them; toxiproxy "": the public one."""

    gameday: str
    target: str
    toxiproxy: str = ""


def build_image(builder: Sequence[str], tag: str, folder: Path, *options: str) -> str:
    """Builds a Dockerfile and puts the image where the cluster finds it; returns the tag."""
    environment = {**os.environ, "BUILDAH_LAYERS": "true"}  # where buildah builds: keep what has not changed
    command = [*builder, tag, str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
    return tag


def kustomization(folder: Path, *, namespace: str, images: Images, config: Mapping[str, str] | None = None) -> Path:
    """Writes a kustomization of the reference AIA with Toxiproxy into `folder`; `config` goes into `aia-config`."""
    names = [("aia-target", images.target), (_TOXIPROXY, images.toxiproxy)]
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [_relative(MANIFESTS / "target", folder)],
        "components": [_relative(MANIFESTS / "components" / "toxiproxy", folder)],
        "images": [_image(name, wanted) for name, wanted in names if wanted],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [
            {"name": "aia-config", "behavior": "merge", "literals": [f"{k}={v}" for k, v in (config or {}).items()]}
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder.resolve())


def _image(name: str, wanted: str) -> dict[str, str]:
    new_name, _, tag = wanted.rpartition(":")
    return {"name": name, "newName": new_name, "newTag": tag}


@dataclass(frozen=True)
class DeployedTarget:
    """The reference AIA in a namespace of its own, with Toxiproxy before its Redis."""

    kubectl: Kubectl
    namespace: str

    def host(self, service: str) -> str:
        """The name of a Service, as pods of any namespace resolve it."""
        return f"{service}.{self.namespace}.svc.cluster.local"

    @property
    def url(self) -> str:
        """Where pods reach the API."""
        return f"http://{self.host('aia-api')}:8000"

    def secret(self, key: str) -> str:
        """A value of `aia-secrets`: redis-password, client-id, client-secret …"""
        found = self.kubectl.json("get", "secret", "aia-secrets", "-n", self.namespace)
        return base64.b64decode(found["data"][key]).decode()

    def pods(self, app: str) -> list[Any]:
        """The pods of aia-api, aia-redis, aia-worker or aia-toxiproxy that are not on their way out."""
        pods = self.kubectl.items("get", "pods", "-n", self.namespace, "-l", f"app={app}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, app: str) -> list[Any]:
        """Those of the pods that are Ready."""
        return [pod for pod in self.pods(app) if is_ready(pod)]

    def wait_until_ready(self, within_s: float = _READY_WITHIN_S) -> None:
        """Until all pods are there and Ready."""
        workloads = ("statefulset/aia-redis", "deploy/aia-toxiproxy", "deploy/aia-api", "deploy/aia-worker")
        for workload in workloads:
            status = ("rollout", "status", workload, "-n", self.namespace, f"--timeout={within_s:.0f}s")
            self.kubectl(*status, timeout_s=within_s + 30)

    def renew_toxiproxy(self) -> None:
        """Puts a new Toxiproxy in place of one that may still be dialling a Redis that is gone, without a time-out."""
        where = ("deploy/aia-toxiproxy", "-n", self.namespace)
        self.kubectl("rollout", "restart", *where)
        self.kubectl("rollout", "status", *where, "--timeout=60s", timeout_s=70)

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client of one of the API pods, from outside of the cluster."""
        with (
            self.kubectl.forwarded("service/aia-api", 8000, namespace=self.namespace) as port,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
        ):
            yield client

    @contextmanager
    def redis(self) -> Iterator[Any]:
        """A client of Redis itself, past Toxiproxy, from outside of the cluster."""
        with self.kubectl.forwarded("pod/aia-redis-0", 6379, namespace=self.namespace) as port:
            client = valkey.Valkey(port=port, password=self.secret("redis-password"), socket_timeout=20)
            try:
                yield client
            finally:
                client.close()


def is_ready(pod: Any) -> bool:
    """Whether a pod's condition Ready is true."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def sign_in(client: httpx.Client, email: str) -> None:
    """Makes the client one of a user, who is registered if need be."""
    credentials = {"email": email, "password": PASSWORD}
    assert client.post("/auth/register", json=credentials).status_code in {200, 400}
    tokens = client.post("/auth/login", json=credentials).json()
    client.headers["authorization"] = f"Bearer {tokens['access_token']}"


@contextmanager
def deployed_target(
    kubectl: Kubectl, images: Images, *, namespace: str, config: Mapping[str, str] | None = None
) -> Iterator[DeployedTarget]:
    """The reference AIA in a namespace that must not exist yet; Ready, and gone in the end."""
    assert not kubectl.exists("namespace", namespace), (
        f"there is a namespace {namespace} already, so it stays untouched"
    )
    target = DeployedTarget(kubectl, namespace)
    try:
        with tempfile.TemporaryDirectory() as folder:
            content = kustomization(Path(folder), namespace=namespace, images=images, config=config)
            kubectl("apply", "-k", str(content))
        target.wait_until_ready()
        yield target
    finally:
        try:
            _forget(target)
        finally:
            remove_namespace(kubectl, namespace)


def _forget(target: DeployedTarget) -> None:
    """Empties Redis, since a volume that is retained may come to the next target, with all that is on it."""
    if target.ready_pods("aia-redis"):
        with target.redis() as redis:
            redis.flushall()


def remove_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Deletes a namespace with all in it, and offers the volumes again that its claims had bound and that are kept."""
    kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s", timeout_s=150)
    for volume in kubectl.items("get", "persistentvolumes"):
        kept = volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        if kept and volume["spec"].get("claimRef", {}).get("namespace") == namespace:
            unbind = '[{"op": "remove", "path": "/spec/claimRef"}]'
            kubectl("patch", "persistentvolume", volume["metadata"]["name"], "--type=json", "-p", unbind)
