"""The objects of a run do their part in a real cluster; stand-ins run in the place of the programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness_namespaces import attempt, two_namespaces
from tests.cluster.script_pod import script_pod
from tests.cluster.support import Images, Kubectl, is_ready, remove_namespace, wait_until
from tests.k8s.manifests import RUN_ID, RUN_LABEL, WORKERS, Manifest, pod_templates, render_run

SCRIPTS = Path(__file__).parent / "scripts"
PART_OF = {"app.kubernetes.io/part-of": "aia-gameday"}


@dataclass(frozen=True)
class Run:
    """The applied objects."""

    kubectl: Kubectl
    namespace: str
    image: str

    def pods(self, component: str) -> list[Any]:
        """The pods of a component that were not told to end."""
        labels = f"app.kubernetes.io/component={component},{RUN_LABEL}={RUN_ID}"
        pods = self.kubectl.items("get", "pods", "-n", self.namespace, "-l", labels)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def running(self, component: str) -> list[Any]:
        """Those of them that run."""
        return [pod for pod in self.pods(component) if pod["status"]["phase"] == "Running"]

    def job(self, name: str) -> Any:
        """The status of a Job of the run."""
        return self.kubectl.json("get", "job", f"{name}-{RUN_ID}", "-n", self.namespace)["status"]

    def evict(self, pod: Any) -> str:
        """Asks for an eviction; the server's complaint."""
        metadata = {"name": pod["metadata"]["name"], "namespace": self.namespace}
        body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
        path = f"/api/v1/namespaces/{self.namespace}/pods/{metadata['name']}/eviction"
        return attempt(self.kubectl, "create", "--raw", path, "-f", "-", stdin=body).stderr

    def reached(self, name: str, labels: dict[str, str], namespace: str = "") -> list[int]:
        """The ports of the conductor that a pod with these labels reaches."""
        (conductor,) = self.running("conductor")
        addresses = [f"{conductor['status']['podIP']}:{port}" for port in (5557, 9646)]
        where = {"name": name, "namespace": namespace or self.namespace, "image": self.image, "labels": labels}
        with script_pod(self.kubectl, SCRIPTS / "connect.py", *addresses, **where) as connecting:
            return [int(address.rpartition(":")[2]) for address, answers in connecting.result().items() if answers]


def with_stand_ins(manifests: list[Manifest]) -> list[Manifest]:
    """The manifests with other programs in the containers, which keep all else that was given to them."""
    script = (SCRIPTS / "stand_in.py").read_text(encoding="utf-8")
    for _, template in pod_templates(manifests):
        (container,) = template["spec"]["containers"]
        master = container["args"][-1:] if container["name"] == "worker" else []
        container["command"], container["args"] = ["python3", "-c", script, container["name"]], master
    return manifests


@pytest.fixture(scope="module")
def run(kubectl: Kubectl, images: Images) -> Iterator[Run]:
    """A run whose pods are all up; tests below break it bit by bit, in the order of the file."""
    with two_namespaces(kubectl) as namespaces:
        rendered = render_run(namespaces.harness, namespaces.target, image=images.gameday, node_readings=False)
        manifests = with_stand_ins(rendered)
        try:
            kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
            run = Run(kubectl, namespaces.harness, images.gameday)
            wait_until(lambda: len(run.running("worker")) == WORKERS and run.running("reaper"), within_s=120)
            wait_until(lambda: run.running("conductor"), within_s=60)
            yield run
        finally:
            remove_namespace(kubectl, namespaces.harness)


def test_workers_find_the_master_by_the_name_of_the_run(run: Run) -> None:
    for pod in run.pods("worker"):
        logs = ("logs", pod["metadata"]["name"], "-n", run.namespace)
        wait_until(lambda logs=logs: "reached" in run.kubectl(*logs))  # type: ignore[misc]


def test_the_conductor_writes_into_its_volume_and_is_ready_when_it_serves_metrics(run: Run) -> None:
    (pod,) = wait_until(lambda: [pod for pod in run.pods("conductor") if is_ready(pod)])
    reading = (
        "exec",
        pod["metadata"]["name"],
        "-n",
        run.namespace,
        "--",
        "cat",
        f"/runs/{RUN_ID}/written",
        "/etc/gameday/plan.yaml",
    )
    assert run.kubectl(*reading) == f"{pod['metadata']['uid']}a plan"


def test_programs_are_told_which_run_and_pod_they_are(run: Run) -> None:
    for component in ("conductor", "reaper", "worker"):
        pod = run.running(component)[0]
        shown = run.kubectl("exec", pod["metadata"]["name"], "-n", run.namespace, "--", "env")
        variables = dict(line.partition("=")[::2] for line in shown.splitlines())
        metadata = pod["metadata"]
        told = [variables[name] for name in ("RUN_ID", "NAMESPACE", "POD_NAME", "POD_UID")]
        assert told == [RUN_ID, run.namespace, metadata["name"], metadata["uid"]]
        if component != "worker":
            assert variables["GAMEDAY_LEDGER"] == f"kubernetes:{run.namespace}/ledger-{RUN_ID}"


def test_a_worker_of_another_run_reaches_nothing(run: Run) -> None:
    worker = {**PART_OF, "app.kubernetes.io/component": "worker"}
    assert run.reached("ours", {**worker, RUN_LABEL: RUN_ID}) == [5557]
    assert run.reached("theirs", {**worker, RUN_LABEL: "ffffffff"}) == []
    assert run.reached("anybody", {}) == []


def test_a_prometheus_reaches_the_metrics_alone_once_its_namespace_is_labelled(run: Run) -> None:
    name = f"{run.namespace}-monitoring"
    run.kubectl("create", "namespace", name)
    try:
        assert run.reached("before", {}, name) == []
        run.kubectl("label", "namespace", name, "aia-gameday/prometheus=true")
        wait_until(lambda: run.reached("after", {}, name) == [9646], every_s=1)
    finally:
        run.kubectl("delete", "namespace", name, "--timeout=120s", timeout_s=150)


@pytest.mark.parametrize("component", ["conductor", "worker", "reaper"])
def test_no_pod_of_a_run_can_be_evicted(run: Run, component: str) -> None:
    # a budget that was made a moment ago refuses for another reason: it does not know its pods yet
    complaint = wait_until(lambda: _final(run.evict(run.running(component)[0])))
    assert "violate the pod's disruption budget" in complaint


def _final(complaint: str) -> str:
    return "" if "still being processed" in complaint else complaint


def test_a_reaper_that_no_longer_looks_is_not_ready_and_goes_on(run: Run) -> None:
    (pod,) = wait_until(lambda: [pod for pod in run.pods("reaper") if is_ready(pod)])
    within = ("exec", pod["metadata"]["name"], "-n", run.namespace, "--", "sh", "-c")
    run.kubectl(*within, "touch /tmp/blind")
    wait_until(lambda: not is_ready(run.pods("reaper")[0]))
    run.kubectl(*within, "rm /tmp/blind")
    (again,) = wait_until(lambda: [pod for pod in run.pods("reaper") if is_ready(pod)])
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert again["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_deleted_worker_is_not_replaced_and_the_others_go_on(run: Run) -> None:
    lost, *others = sorted(run.pods("worker"), key=lambda pod: str(pod["metadata"]["name"]))
    run.kubectl("delete", "pod", lost["metadata"]["name"], "-n", run.namespace, timeout_s=60)
    wait_until(lambda: run.job("worker").get("failedIndexes") == "0")
    assert {pod["metadata"]["uid"] for pod in run.running("worker")} == {pod["metadata"]["uid"] for pod in others}
    assert run.job("worker")["active"] == len(others)


def test_a_deleted_conductor_is_told_and_not_replaced(run: Run) -> None:
    (pod,) = run.pods("conductor")
    run.kubectl("delete", "pod", pod["metadata"]["name"], "-n", run.namespace, timeout_s=60)
    wait_until(lambda: run.job("conductor").get("failed") == 1)
    assert run.pods("conductor") == []
