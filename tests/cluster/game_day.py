"""Game days in a real cluster, as a user has them: `gameday k8s …` in a child process, and what it left where."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.verdict import Verdict, read_verdict
from tests.cluster.support import ROOT, DeployedTarget, Images, Kubectl, remove_namespace, wait_until

SHORT = """\
name: short
seed: 3
load:
  stages:
    - {users: 12, spawn_rate_per_s: 10, duration_s: 40}
  warm_up_s: 8
  workers: 2
  think_time: {min_s: 0.1, max_s: 0.3}
slo: {threshold_ms: 200, good_share: 0.95, availability: 0.99}
gates:
  required: [latency, availability, invariants]
  min_samples: 150
"""
# the fault outlives whatever a test does while it is in force
THROTTLED = (
    SHORT.replace("duration_s: 40", "duration_s: 70").replace("invariants]", "invariants, faults]")
    + """\
faults:
  - {id: F1, experiment: throttle-redis, at_s: 5, recovery_s: 20, max_budget_share: 20, configuration: {duration_s: 20}}
"""
)
# what changes by itself, tells only of moments, or is somebody else's shadow
_PASSING = {"events", "leases", "endpoints", "endpointslices", "componentstatuses", "controllerrevisions"}
_VOLATILE = {"managedFields", "resourceVersion", "generation", "annotations"}


@dataclass
class GameDay:
    """One `gameday k8s` command; `log` is what it has printed so far."""

    process: subprocess.Popen[str]
    log_file: Path
    out: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def ended(self, within_s: float = 400) -> int:
        """Its exit code."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it goes on after {within_s:g} s:\n{self.log[-3000:]}") from None

    def timeline(self) -> list[dict[str, Any]]:
        """What the local copy of the run directory says happened."""
        file = self.out / "timeline.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def states_of(self, fault_id: str) -> list[str]:
        """The states of a fault, in the order in which they were written."""
        return [event["state"] for event in self.timeline() if event.get("fault_id") == fault_id]

    def phases(self) -> list[str]:
        """The phases so far."""
        return [event["phase"] for event in self.timeline() if event["kind"] == "phase"]

    def await_(self, what: str, within_s: float = 180) -> None:
        """Waits until a phase has begun, or a fault `F1 STATE` has come so far."""
        fault_id, _, state = what.partition(" ")

        def there() -> bool:
            assert self.process.poll() is None, f"it ended before {what}:\n{self.log[-3000:]}"
            return state in self.states_of(fault_id) if state else what in self.phases()

        try:
            wait_until(there, within_s)
        except BaseException:  # whatever it was, a time-out of the test included, the log explains it
            print(self.log[-3000:])
            raise

    @property
    def verdict(self) -> Verdict:
        return read_verdict(self.out / "verdict.json")


@dataclass
class Scene:
    """A target, a namespace of the harness that does not exist yet, and the commands that a test starts."""

    kubectl: Kubectl
    images: Images
    target: DeployedTarget
    folder: Path
    namespace: str = field(default_factory=lambda: f"gameday-{secrets.token_hex(3)}")
    started: list[GameDay] = field(default_factory=list)

    def start(self, command: str, *arguments: str, out: Path | None = None, name: str = "") -> GameDay:
        """Begins `gameday k8s COMMAND`."""
        number = len(self.started)
        log = self.folder / f"{number}.log"
        out = out or self.folder / f"run-{number}"
        options = ("--namespace", self.namespace, "--out", str(out), "--plain")
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gameday", "k8s", command, *arguments, *options],
                cwd=self.folder,
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(GameDay(process, log, out))
        return self.started[-1]

    def run(self, plan: str, *options: str) -> GameDay:
        """Begins a run of a plan: the name of a packaged one, or a text."""
        if "\n" in plan:
            path = self.folder / f"plan-{len(self.started)}.yaml"
            path.write_text(plan)
            plan = str(path)
        profile = self.write_profile()
        image = () if "--image" in options else ("--image", self.images.gameday)
        return self.start("run", plan, "--profile", str(profile), *image, *options)

    def write_profile(self) -> Path:
        """The packaged profile, for the target of the test."""
        profile = self.folder / "profile.yaml"
        text = (ROOT / "gameday" / "profiles" / "kubernetes.yaml").read_text()
        profile.write_text(text.replace("aia-system", self.target.namespace))
        return profile

    def render(self, plan: str) -> str:
        """What `gameday k8s render` prints for a plan."""
        path = self.folder / "rendered.yaml"
        path.write_text(plan)
        options = ("--namespace", self.namespace, "--image", self.images.gameday)
        command = [sys.executable, "-P", "-m", "gameday", "k8s", "render", str(path), *options]
        done = subprocess.run(
            [*command, "--profile", str(self.write_profile())],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        secret = self.target.secret
        return {
            **os.environ,
            "KUBECONFIG": self.kubectl.kubeconfig,
            "AIA_CLIENT_ID": secret("client-id"),
            "AIA_CLIENT_SECRET": secret("client-secret"),
            "AIA_REDIS_PASSWORD": secret("redis-password"),
        }

    def pods(self, component: str) -> list[Any]:
        """The pods of a component of the harness."""
        labels = f"app.kubernetes.io/component={component}"
        return self.kubectl.items("get", "pods", "-n", self.namespace, "-l", labels)

    def delete_pod(self, component: str, *options: str) -> None:
        """Deletes the first pod of a component."""
        name = self.pods(component)[0]["metadata"]["name"]
        self.kubectl("delete", "pod", name, "-n", self.namespace, "--wait=false", *options)

    def end(self) -> None:
        """Ends what still runs and removes what is left in the cluster."""
        for game_day in self.started:
            if game_day.process.poll() is None:
                os.killpg(game_day.process.pid, signal.SIGKILL)
                game_day.process.wait()
        for kind in ("role", "rolebinding"):
            self.kubectl("delete", kind, "-n", self.target.namespace, "-l", "app.kubernetes.io/part-of=aia-gameday")
        for kind in ("clusterrole", "clusterrolebinding"):
            self.kubectl("delete", kind, "-l", "app.kubernetes.io/part-of=aia-gameday,aia-gameday/run")
        remove_namespace(self.kubectl, self.namespace)


@contextmanager
def scene_of(kubectl: Kubectl, images: Images, target: DeployedTarget) -> Iterator[Scene]:
    """A scene that leaves nothing behind, whatever the test does."""
    with tempfile.TemporaryDirectory(prefix="gameday-test-") as folder:
        scene = Scene(kubectl, images, target, Path(folder))
        try:
            yield scene
        finally:
            scene.end()


def snapshot(kubectl: Kubectl) -> dict[str, str]:
    """Every object of the cluster that somebody wrote, as text by its name, without what passes or has an owner."""
    kinds = kubectl("api-resources", "--verbs=list", "-o", "name").split()
    wanted = [kind for kind in kinds if kind.partition(".")[0] not in _PASSING and "metrics.k8s.io" not in kind]
    found = kubectl.items("get", ",".join(wanted), "--all-namespaces")
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): _text(item)
        for item in found
        if not item["metadata"].get("ownerReferences")
    }


def _text(item: Any) -> str:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _VOLATILE}
    content = {key: value for key, value in item.items() if key not in {"status", "metadata"}}
    if item["kind"] == "PersistentVolume":
        # which volume a claim gets is the cluster's choice, and a kept one remembers its claim
        content["spec"] = {key: value for key, value in item["spec"].items() if key != "claimRef"}
        metadata.pop("finalizers", None)
    return json.dumps({"metadata": metadata, **content}, sort_keys=True)


def assert_unchanged(kubectl: Kubectl, before: dict[str, str]) -> None:
    """The cluster is as it was before."""
    free_kept_volumes(kubectl)
    after = snapshot(kubectl)
    differing = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {name: (before.get(name), after.get(name)) for name in differing} == {}


def free_kept_volumes(kubectl: Kubectl) -> None:
    """Offers volumes again that a claim had bound which is gone, and whose class keeps them."""
    for volume in kubectl.items("get", "persistentvolumes"):
        if volume["status"].get("phase") == "Released":
            unbind = '[{"op": "remove", "path": "/spec/claimRef"}]'
            kubectl("patch", "persistentvolume", volume["metadata"]["name"], "--type=json", "-p", unbind)
