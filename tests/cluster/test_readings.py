"""Readings of real pods: each source tells the memory of a pod whose memory is known; the timeline tells its deaths."""

import base64
import json
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cluster_watcher import ClusterWatcher
from journal.errors import ClusterRefused
from journal.profile import Cluster
from journal.readings import Reading
from journal.timeline import Event, EventKind, Timeline, read_timeline
from probes.cluster_pods import TargetPods
from probes.cluster_readings import ClusterReadings, ClusterSampler, find_readings
from probes.kubernetes_api import KubernetesApi
from probes.usage_sources import Kubelets, KubeletsThroughApi
from tests.cluster.support import Images, Kubectl, remove_namespace, wait_until

MIB = 2**20
HELD_MIB = 64
OWN_MIB = 24  # what Python itself may take
# cAdvisor looks every 10 to 20 s, the metrics API passes it on after as long again
SEEN_WITHIN_S = 90
HOLD = f"x = b'1' * ({HELD_MIB} << 20)\nimport time\nwhile True: time.sleep(1)"
BURST = "import time\ntime.sleep(3)\nx = []\nwhile True: x.append(b'1' * (1 << 20))"


@dataclass(frozen=True)
class Bench:
    """A namespace with service accounts of different rights, and a way to act as each of them."""

    kubectl: Kubectl
    namespace: str
    image: str
    folder: Path

    @property
    def cluster(self) -> Cluster:
        return Cluster(namespace=self.namespace)

    def token(self, account: str) -> str:
        return self.kubectl("create", "token", account, "-n", self.namespace, "--duration=1h").strip()

    def connect(self, account: str) -> KubernetesApi:
        """The way to the API server with the rights of an account."""
        view = self.kubectl.json("config", "view", "--raw", "--minify", "--flatten")
        view["users"] = [{"name": each["name"], "user": {"token": self.token(account)}} for each in view["users"]]
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(json.dumps(view))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(path))
            return KubernetesApi.connect(patience_s=5.0)

    def start(self, name: str, script: str, *, memory: str = "256Mi", restart: str = "Always") -> None:
        """A pod of the target's API that runs a script."""
        container = {
            "name": "aia-api",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", script],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": memory}},
        }
        spec = {"restartPolicy": restart, "terminationGracePeriodSeconds": 2, "containers": [container]}
        metadata = {"name": name, "labels": {"app": "aia-api"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        self.kubectl("create", "-n", self.namespace, "-f", "-", stdin=json.dumps(pod))

    def remove(self, *names: str) -> None:
        self.kubectl("delete", "pod", *names, "-n", self.namespace, "--ignore-not-found", "--wait=true", timeout_s=90)


@pytest.fixture(scope="module")
def bench(kubectl: Kubectl, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    namespace = f"readings-{secrets.token_hex(4)}"
    kubectl("create", "namespace", namespace)
    try:
        for account, rule in RIGHTS.items():
            kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(_account(namespace, account, rule)))
        yield Bench(kubectl, namespace, images.gameday, tmp_path_factory.mktemp("readings"))
    finally:
        for account in RIGHTS:
            kubectl("delete", "clusterrole,clusterrolebinding", f"{namespace}-{account}", "--ignore-not-found")
        remove_namespace(kubectl, namespace)


RIGHTS: Mapping[str, list[str]] = {"kubelets": ["nodes/metrics"], "proxy": ["nodes/proxy"], "pods": []}
"""What an account may get of nodes, besides the pods and metrics of the namespace; the first may list nodes, too."""


def _account(namespace: str, name: str, of_nodes: list[str]) -> list[Any]:
    own, everywhere = {"name": name, "namespace": namespace}, {"name": f"{namespace}-{name}"}
    subjects = [{"kind": "ServiceAccount", **own}]
    pods = [{"apiGroups": ["", "metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"]}]
    nodes = [{"apiGroups": [""], "resources": of_nodes, "verbs": ["get"]}] if of_nodes else []
    nodes += [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}] if name == "kubelets" else []
    rbac, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own},
        {"apiVersion": rbac, "kind": "Role", "metadata": own, "rules": pods},
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": own, "subjects": subjects,
         "roleRef": {"apiGroup": group, "kind": "Role", "name": name}},
        {"apiVersion": rbac, "kind": "ClusterRole", "metadata": everywhere, "rules": nodes},
        {"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": everywhere, "subjects": subjects,
         "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": everywhere["name"]}},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def holder(bench: Bench) -> str:
    """A pod that holds 64 MiB for as long as the tests of this file last."""
    bench.start("holder", HOLD)
    bench.kubectl("wait", "--for=condition=Ready", "pod/holder", "-n", bench.namespace, "--timeout=60s", timeout_s=70)
    return "holder"


def full(memory: Callable[[Reading], int]) -> Callable[[list[Reading]], list[Reading]]:
    """Those readings that show the whole of what the pod holds; the first may be from before it had all of it."""
    return lambda readings: [each for each in readings if memory(each) >= HELD_MIB * MIB]


def until_full(found: ClusterReadings, memory: Callable[[Reading], int]) -> Reading:
    """The first reading of the holder with all that it holds."""
    assert found.sampler is not None
    sampler, waiting = found.sampler, list(found.first)
    chosen = full(memory)
    readings = wait_until(lambda: chosen(waiting) or chosen(sampler.sample()), within_s=SEEN_WITHIN_S, every_s=2)
    return next(each for each in readings if each.incarnation.startswith("holder/"))


def test_the_kubelets_tell_the_anonymous_memory_of_a_pod(bench: Bench, holder: str) -> None:
    found = wait_until(lambda: _found(bench, "kubelets"), within_s=SEEN_WITHIN_S, every_s=2)
    assert (found.origin.source, found.origin.note) == ("kubelet cAdvisor", "")
    reading = until_full(found, lambda each: each.uss_bytes)
    assert HELD_MIB * MIB <= reading.uss_bytes <= (HELD_MIB + OWN_MIB) * MIB
    assert reading.rss_bytes >= reading.uss_bytes * 0.9
    assert 0 < reading.cpu_s < 60
    assert abs(reading.at_ns - time.time_ns()) < 60 * 10**9
    assert (reading.subject, reading.role) == ("api-0", "api")


def _found(bench: Bench, account: str, prometheus_url: str = "") -> ClusterReadings | None:
    cluster = Cluster(namespace=bench.namespace, prometheus_url=prometheus_url)
    found = find_readings(bench.connect(account), cluster)
    return found if found.sampler is not None else None


def test_each_look_of_cadvisor_is_read_once_however_often_it_is_asked(bench: Bench, holder: str) -> None:
    api = bench.connect("kubelets")
    sampler = ClusterSampler(TargetPods(api, bench.cluster), Kubelets(api, bench.namespace))
    times: list[int] = []

    def looks() -> bool:
        times.extend(each.at_ns for each in sampler.sample())
        return len(times) >= 3

    wait_until(looks, within_s=SEEN_WITHIN_S, every_s=0.5)
    assert times == sorted(set(times))
    assert times[-1] - times[0] >= 10 * 10**9


def test_the_api_server_passes_the_pages_on_to_whom_it_allows(bench: Bench, holder: str) -> None:
    found = wait_until(lambda: _found(bench, "proxy"), within_s=SEEN_WITHIN_S, every_s=2)
    assert found.origin.source in {"kubelet cAdvisor", "kubelet cAdvisor through the API server"}
    pods = TargetPods(bench.connect("proxy"), bench.cluster)
    usage = KubeletsThroughApi(bench.connect("proxy"), bench.namespace).usage(pods.containers())
    assert {each.pod for each in usage} >= {holder}


def test_without_any_right_to_nodes_the_metrics_api_tells_the_working_set(bench: Bench, holder: str) -> None:
    api = bench.connect("pods")
    running = TargetPods(api, bench.cluster).containers()
    with pytest.raises(ClusterRefused) as refused:
        Kubelets(api, bench.namespace).usage(running)
    assert refused.value.status == 403
    found = wait_until(lambda: _found(bench, "pods"), within_s=SEEN_WITHIN_S, every_s=2)
    assert found.origin.source == "metrics API"
    assert found.origin.note.startswith("working set: page cache included; kubelet cAdvisor: ")
    assert bench.token("pods").split(".")[1] not in found.origin.note
    reading = until_full(found, lambda each: each.rss_bytes)
    assert HELD_MIB * MIB <= reading.rss_bytes <= (HELD_MIB + OWN_MIB) * MIB
    assert reading.uss_bytes == 0


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")
def test_a_prometheus_that_asks_the_kubelets_tells_the_same(bench: Bench, holder: str, tmp_path: Path) -> None:
    with prometheus(bench, tmp_path) as url:
        found = wait_until(lambda: _by_prometheus(bench, url), within_s=SEEN_WITHIN_S, every_s=2)
        reading = until_full(found, lambda each: each.uss_bytes)
    assert HELD_MIB * MIB <= reading.uss_bytes <= (HELD_MIB + OWN_MIB) * MIB
    assert "kubelet cAdvisor: " in found.origin.note


def _by_prometheus(bench: Bench, url: str) -> ClusterReadings | None:
    found = _found(bench, "pods", prometheus_url=url)
    return found if found and found.origin.source == "Prometheus" else None


@contextmanager
def prometheus(bench: Bench, folder: Path) -> Iterator[str]:
    """A Prometheus on loopback that asks all kubelets every two seconds."""
    cluster = bench.kubectl.json("config", "view", "--raw", "--minify", "--flatten")["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (folder / "token").write_text(bench.token("kubelets"))
    nodes = bench.kubectl.items("get", "nodes")
    addresses = [each["address"] for node in nodes for each in node["status"]["addresses"]
                 if each["type"] == "InternalIP"]  # fmt: skip
    job = {
        "job_name": "kubelets",
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        "authorization": {"credentials_file": str(folder / "token")},
        "tls_config": {"ca_file": str(folder / "ca.crt")},
        "static_configs": [{"targets": [f"{address}:10250" for address in addresses]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps({"global": {"scrape_interval": "2s"}, "scrape_configs": [job]}))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log) as process,
    ):
        try:
            yield f"http://{address}"
        finally:
            process.kill()


class Watch:
    """A watcher at work, its timeline, and readings of the same pods."""

    def __init__(self, api: KubernetesApi, cluster: Cluster, path: Path) -> None:
        self.sampler = ClusterSampler(TargetPods(api, cluster), Kubelets(api, cluster.namespace))
        self._path = path
        self.readings: list[Reading] = []

    def events(self, process: str) -> list[Event]:
        found = (event for event in read_timeline(self._path)[0] if event.kind is EventKind.TARGET)
        return [event for event in found if event.data["process"] == process]

    def states(self, process: str) -> list[str]:
        return [event.data["state"] for event in self.events(process)]

    def lives(self, pod: str) -> set[str]:
        """The incarnations of a pod that were read so far."""
        self.readings += self.sampler.sample()
        return {each.incarnation for each in self.readings if each.incarnation.startswith(f"{pod}/")}


@pytest.fixture
def watch(bench: Bench, tmp_path: Path) -> Iterator[Watch]:
    api, timeline = bench.connect("kubelets"), Timeline(tmp_path / "timeline.jsonl")
    with ClusterWatcher(api, bench.namespace, timeline, interval_s=0.5):
        yield Watch(api, bench.cluster, tmp_path / "timeline.jsonl")
    timeline.close()


def test_a_pod_that_the_kernel_kills_for_its_memory_is_seen_dying_and_living_on(
    bench: Bench, holder: str, watch: Watch
) -> None:
    bench.start("burster", BURST, memory="48Mi")
    try:
        wait_until(lambda: "restarted" in watch.states("burster"), within_s=SEEN_WITHIN_S, every_s=0.5)
        states = watch.states("burster")
        killed, restarted = (next(each for each in watch.events("burster") if each.data["state"] == state)
                             for state in ("oom-killed", "restarted"))  # fmt: skip
    finally:
        bench.remove("burster")
    assert states[0] == "came"
    assert states.index("oom-killed") < states.index("restarted")
    assert killed.data["incarnation"] != restarted.data["incarnation"]
    assert restarted.data["reason"] == "OOMKilled"
    assert abs(killed.at_ns - time.time_ns()) < 120 * 10**9
    wait_until(lambda: "went" in watch.states("burster"), every_s=0.5)
    assert "deleted" in watch.states("burster")


def test_a_container_that_restarts_is_read_as_another_life_of_the_same_subject(
    bench: Bench, holder: str, watch: Watch
) -> None:
    bench.start("mortal", "import time\ntime.sleep(25)")
    try:
        wait_until(lambda: len(watch.lives("mortal")) == 2, within_s=2 * SEEN_WITHIN_S, every_s=1)
    finally:
        bench.remove("mortal")
    subjects = {each.subject for each in watch.readings if each.incarnation.startswith("mortal/")}
    assert len(subjects) == 1
    assert subjects.isdisjoint({each.subject for each in watch.readings if each.incarnation.startswith("holder/")})
    (restart,) = [each for each in watch.events("mortal") if each.data["state"] == "restarted"][:1]
    assert restart.data["incarnation"] in watch.lives("mortal")
