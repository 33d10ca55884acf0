"""What tests of faults in a cluster share: experiments and a reaper started here, which act on the target there."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import valkey

from chaos.config_map_ledger import ConfigMapLedger
from chaos.platforms.base import Target
from chaos.platforms.kubernetes.platform import KubernetesPlatform
from chaos.platforms.kubernetes.pods import Pod, Pods
from chaos.record import Record
from journal.errors import GamedayError, TargetUnreachable
from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Cluster, Platform, Profile, RedisAddress, Toxiproxy
from journal.run_directory import RunDirectory, create_run_directory
from journal.timeline import Event, EventKind, read_timeline
from probes.container_cpu import millicores
from probes.kubernetes_api import Json, KubernetesApi
from probes.login import ClientCredentials, client_login_ms
from probes.redis import measure_pings, p95_ms, parse_address
from tests.cluster.support import DeployedTarget, Kubectl, wait_until

PASSWORD_ENV = "AIA_REDIS_PASSWORD"
_LOGINS_WITHIN_S = 120.0
WHOLE = ["injected", "effective", "reverted", "proven"]
_OPEN = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open-to-tests"}}
_EVERYONE = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
# about a millisecond of work, so that a slow client can keep a Redis busy
_BUSY = "local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i end return x"


@dataclass
class Scene:
    """The target, the ledger, and where experiments are started."""

    target: DeployedTarget
    api: KubernetesApi
    ledger_name: str
    ledger: ConfigMapLedger
    folder: Path
    addresses: Mapping[str, str]
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        """As the profile has it, but with addresses that this machine can resolve."""
        namespace = self.target.namespace
        return Cluster(
            namespace=namespace,
            allowed_namespaces=(namespace,),
            redis=RedisAddress(
                address=f"{self.addresses['aia-redis']}:6379", through_proxy=f"{self.addresses['aia-toxiproxy']}:6379"
            ),
            toxiproxy=Toxiproxy(url=f"http://{self.target.host('aia-toxiproxy')}:8474"),
        )

    @property
    def platform(self) -> KubernetesPlatform:
        """As an experiment opens it."""
        return KubernetesPlatform(self.cluster, self.api, tag="gameday-test-F1")

    @property
    def pods(self) -> Pods:
        """The target's."""
        return Pods(self.api, self.target.namespace)

    def redis(self) -> Pod:
        """Redis' pod, when it serves."""
        return wait_until(lambda: self.pods.ready("app=aia-redis"))[0]

    def logins_succeed(self) -> bool:
        """Whether some logins in a row do, as every steady state wants."""
        credentials = ClientCredentials(self.target.secret("client-id"), self.target.secret("client-secret"))
        url = f"http://{self.addresses['aia-api']}:8000"
        try:
            return all(client_login_ms(url, credentials, timeout_s=8) < 1000 for _ in range(12))
        except TargetUnreachable:
            return False

    def redis_p95_ms(self, *, through_proxy: bool = False) -> float:
        """PING's p95, as a probe of the test's own sees it."""
        redis = self.cluster.redis
        endpoint = parse_address(redis.through_proxy if through_proxy else redis.address, PASSWORD_ENV)
        return p95_ms(measure_pings(endpoint, count=20, interval_ms=50, timeout_s=10))

    def run_directory(self, run_id: str, *, environment: str = "gameday") -> RunDirectory:
        """A run whose profile leads experiments here."""
        url = f"http://{self.addresses['aia-api']}:8000"
        platform = Platform(kind="kubernetes", environment=environment, cluster=self.cluster)
        profile = Profile(name="test", base_url=url, allowed_hosts=(self.addresses["aia-api"],), platform=platform)
        manifest = Manifest(
            run_id=run_id,
            created_at_ns=1,
            command="test",
            base_url=url,
            plan=Plan(name="test", load=Load(stages=(Stage(users=1, duration_s=1),))),
            profile=profile,
            machine=this_machine(),
            versions={},
        )
        return create_run_directory(self.folder / f"run-{run_id}", manifest)

    def environment(self) -> dict[str, str]:
        """What an experiment or a reaper is started with."""
        others = {key: value for key, value in os.environ.items() if not key.startswith(("GAMEDAY_", "AIA_"))}
        return others | {
            "GAMEDAY_LEDGER": self.ledger_name,
            "AIA_CLIENT_ID": self.target.secret("client-id"),
            "AIA_CLIENT_SECRET": self.target.secret("client-secret"),
            PASSWORD_ENV: self.target.secret("redis-password"),
        }

    def start_experiment(self, name: str, run: RunDirectory, *settings: str) -> subprocess.Popen[str]:
        """`python -m chaos run NAME` as a part of the run."""
        options = (part for setting in settings for part in ("--set", setting))
        return self._start("chaos", "run", name, "--run", str(run.path), *options)

    def experiment(self, name: str, run: RunDirectory, *settings: str) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        process = self.start_experiment(name, run, *settings)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start_reaper(self) -> subprocess.Popen[str]:
        """`python -m chaos.reaper`, as its pod would; on the way when this returns."""
        return self._start("chaos.reaper", "--ledger", self.ledger_name, "--alive", str(self.folder / "alive"))

    def end(self) -> None:
        """Ends what was started here."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=self.environment(), cwd=self.folder, **pipes)
        self._processes.append(process)
        return process


@contextmanager
def fault_scene(target: DeployedTarget, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The target with its doors open to this machine, and a harness namespace with an empty ledger.

    Skipped where this machine cannot reach the addresses of Services, which only the nodes of most clusters can.
    """
    kubectl, namespace = target.kubectl, f"{target.namespace}-harness"
    addresses = {name: _address_of(target, name) for name in ("aia-api", "aia-redis", "aia-toxiproxy")}
    kubectl("apply", "-n", target.namespace, "-f", "-", stdin=json.dumps(_OPEN | {"spec": _EVERYONE}))
    try:
        _skip_unless_reachable(addresses)
        monkeypatch.setenv(PASSWORD_ENV, target.secret("redis-password"))
        with empty_ledger(kubectl, namespace) as (name, api, ledger):
            scene = Scene(target, api, name, ledger, folder, addresses)
            try:
                _let_logins_in(scene)
                yield scene
            finally:
                scene.end()
    finally:
        kubectl("delete", "networkpolicy", "open-to-tests", "-n", target.namespace)


def _let_logins_in(scene: Scene) -> None:
    """Waits until the target serves, which a Redis that was replaced by the test before holds up for minutes.

    Toxiproxy takes no connection while it tries the address that is gone; a new one knows nothing of that.
    """
    if not scene.logins_succeed():
        scene.target.renew_toxiproxy()
    wait_until(scene.logins_succeed, within_s=_LOGINS_WITHIN_S)


@contextmanager
def empty_ledger(kubectl: Kubectl, namespace: str) -> Iterator[tuple[str, KubernetesApi, ConfigMapLedger]]:
    """A ConfigMap in a namespace of its own, which is gone in the end."""
    kubectl("create", "namespace", namespace)
    try:
        kubectl("create", "configmap", "ledger", "-n", namespace)
        api = KubernetesApi.connect()
        yield f"kubernetes:{namespace}/ledger", api, ConfigMapLedger(api, namespace, "ledger")
    finally:
        kubectl("delete", "namespace", namespace, "--timeout=120s", timeout_s=150)


@contextmanager
def busy_redis(scene: Scene, *, least_m: float = 40.0) -> Iterator[None]:
    """Redis under a load of so many thousandths of a core, by the account of the metrics API."""
    ended = threading.Event()
    thread = threading.Thread(target=_keep_busy, args=(scene, ended))
    thread.start()
    try:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{scene.target.namespace}/pods/aia-redis-0"
        wait_until(lambda: _used_m(scene.api, path) >= least_m, within_s=90, every_s=1)
        yield
    finally:
        ended.set()
        thread.join()


def _keep_busy(scene: Scene, ended: threading.Event) -> None:
    host, _, port = scene.cluster.redis.address.rpartition(":")
    while not ended.is_set():
        with (
            contextlib.suppress(valkey.ValkeyError, OSError),
            valkey.Valkey(host, int(port), password=os.environ[PASSWORD_ENV], socket_timeout=10) as client,
        ):
            while not ended.wait(0.01):
                client.eval(_BUSY, 0, 150_000)


def _used_m(api: KubernetesApi, path: str) -> float:
    try:
        return millicores(api.get(path)["containers"][0]["usage"]["cpu"])
    except GamedayError:  # there are no metrics yet
        return 0.0


def resources_of(pod: Pod) -> tuple[Json, Json]:
    """What spec and status say of the resources of Redis' container."""
    return pod.container("aia-redis")["resources"], pod.container_status("aia-redis")["resources"]


def record_about(target: Target, scene_reference: Mapping[str, Any], **changes: Any) -> Record:
    """A record of a kill, which leaves nothing to undo, owned by a process that is gone."""
    values = {
        "run_id": "test",
        "fault_id": "F1",
        "fault": "kill-replica",
        "experiment": "kill-api-pod",
        "options": {},
        "platform": dict(scene_reference),
        "targets": (target,),
        "originals": {"ready_replicas": 0},
        "injected_at_ns": time.time_ns(),
        "expires_at_ns": time.time_ns() + 60_000_000_000,
        "owner": "1@1.00",
    }
    return Record(**(values | changes))


def fault_events(run: RunDirectory) -> list[Event]:
    events, damages = read_timeline(run.timeline)
    assert not damages
    return [event for event in events if event.kind is EventKind.FAULT]


def fault_states(run: RunDirectory) -> list[str]:
    """Each once: a reaper on this machine may have told the same as the experiment."""
    return list(dict.fromkeys(event.data["state"] for event in fault_events(run)))


def told(run: RunDirectory) -> str:
    """The whole story of a run's faults, for somebody who wonders why a test has failed."""
    return "\n".join(
        f"{event.data['fault_id']} {event.data['state']}: {event.data['evidence']}" for event in fault_events(run)
    )


def evidence_of(run: RunDirectory, state: str) -> dict[str, Any]:
    return next(event.data["evidence"] for event in fault_events(run) if event.data["state"] == state)


def _address_of(target: DeployedTarget, service: str) -> str:
    found = target.kubectl.json("get", "service", service, "-n", target.namespace)
    return str(found["spec"]["clusterIP"])


def _skip_unless_reachable(addresses: Mapping[str, str]) -> None:
    def reachable() -> bool:
        try:
            socket.create_connection((addresses["aia-redis"], 6379), timeout=2).close()
        except OSError:
            return False
        return True

    for _ in range(5):  # the new NetworkPolicy may take a moment
        if reachable():
            return
        time.sleep(0.5)
    pytest.skip("this machine cannot reach the cluster's Services by their addresses")
