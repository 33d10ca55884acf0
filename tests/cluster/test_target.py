"""The reference AIA as pods keeps what AIA promises, and what the harness expects of a target."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.script_pod import script_pod
from tests.cluster.support import DeployedTarget, Images, Kubectl, sign_in, wait_until

SCRIPTS = Path(__file__).parent / "scripts"


def _how(graceful: bool) -> list[str]:
    return [] if graceful else ["--grace-period=0", "--force"]


@pytest.fixture(autouse=True)
def ready_again(target: DeployedTarget):
    """Each test finds all pods Ready, whatever the one before has killed."""
    target.wait_until_ready()


def test_its_pods_carry_the_names_of_the_contract_and_are_ready(target: DeployedTarget) -> None:
    apps = ("aia-api", "aia-worker", "aia-redis", "aia-toxiproxy")
    assert [len(target.ready_pods(app)) for app in apps] == [3, 2, 1, 1]
    (container,) = target.pods("aia-api")[0]["spec"]["containers"]
    assert (container["name"], container["ports"][0]["containerPort"]) == ("aia-api", 8000)
    assert container["readinessProbe"]["httpGet"]["path"] == container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert target.secret("database-url")


def test_no_container_has_been_restarted_on_the_way(target: DeployedTarget) -> None:
    pods = target.kubectl.items("get", "pods", "-n", target.namespace)
    restarts = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}
    assert set(restarts.values()) == {0}, restarts


def test_redis_can_be_throttled_without_a_change_of_its_class_or_a_restart_by_a_probe(target: DeployedTarget) -> None:
    (pod,) = target.pods("aia-redis")
    (container,) = pod["spec"]["containers"]
    assert pod["status"]["qosClass"] == "Burstable"
    assert container["resources"]["requests"]["memory"] != container["resources"]["limits"]["memory"]
    assert [kind for kind in ("livenessProbe", "readinessProbe") if "tcpSocket" not in container[kind]] == []


def test_a_user_logs_in_and_has_a_task_done_through_the_service(target: DeployedTarget) -> None:
    with target.client() as client:
        assert client.get("/health").json()["status"] == "healthy"
        sign_in(client, "end-to-end@example.org")
        accepted = client.post("/api/v1/mcp/process", json={"prompt": "x", "output_formats": ["report", "slides"]})
        assert accepted.status_code == 202
        path = f"/api/v1/mcp/status/{accepted.json()['task_id']}"
        wait_until(lambda: client.get(path).json()["status"] == "completed")
        assert client.get(path).json()["results"].keys() == {"report", "slides"}


def test_clients_log_in_with_the_credentials_of_the_secret(target: DeployedTarget) -> None:
    form = {"client_id": target.secret("client-id"), "client_secret": target.secret("client-secret")}
    with target.client() as client:
        assert client.post("/auth/token", data=form).status_code == 200
        assert client.post("/auth/token", data={**form, "client_secret": "guessed"}).status_code == 401


def test_answers_name_the_pod_that_gave_them(target: DeployedTarget) -> None:
    with target.client() as client:
        served_by = client.get("/ready").headers["x-served-by"].split("@")[0]
    assert served_by in {pod["metadata"]["name"] for pod in target.pods("aia-api")}


@pytest.mark.parametrize("graceful", [True, False], ids=["graceful", "forced"])
def test_killing_the_api_pod_that_serves_loses_no_accepted_task(
    target: DeployedTarget, images: Images, graceful: bool
) -> None:
    name = f"submitter-{'graceful' if graceful else 'forced'}"
    script = SCRIPTS / "submit_tasks.py"
    arguments = (target.url, "15")
    where = {"name": name, "namespace": target.namespace, "image": images.gameday}
    with script_pod(target.kubectl, script, *arguments, **where) as submitter:
        victim = wait_until(lambda: submitter.lines()[20:])[-1].split("@")[0]
        target.kubectl("delete", "pod", victim, "-n", target.namespace, "--wait=false", *_how(graceful))
        result = submitter.result()
    assert len(result["completions"]) > 100
    assert set(result["completions"]) == {1}
    assert len(result["servers"]) > 1
    if graceful:
        assert result["failed"] == []


@pytest.mark.parametrize("graceful", [True, False], ids=["graceful", "forced"])
def test_a_kill_of_redis_forgets_nothing_that_was_accepted(target: DeployedTarget, graceful: bool) -> None:
    (before,) = target.pods("aia-redis")
    with target.client() as client:
        sign_in(client, "remembered@example.org")
        path = f"/api/v1/mcp/status/{client.post('/api/v1/mcp/process', json={'prompt': 'x'}).json()['task_id']}"
        target.kubectl("delete", "pod", before["metadata"]["name"], "-n", target.namespace, *_how(graceful))
        uid = before["metadata"]["uid"]
        wait_until(lambda: [pod for pod in target.ready_pods("aia-redis") if pod["metadata"]["uid"] != uid])
        target.renew_toxiproxy()
        task = wait_until(lambda: _completed(client.get(path)))
    assert task["completions"] == 1


def _completed(answer: httpx.Response) -> dict[str, Any]:
    """The task when it is done; nothing while it is not, or while the target has no Redis to look it up in."""
    task: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return task if task.get("status") == "completed" else {}


def test_all_of_redis_goes_through_toxiproxy(target: DeployedTarget) -> None:
    with target.redis() as redis:
        (proxy,) = target.pods("aia-toxiproxy")
        peers = {client["addr"].rpartition(":")[0] for client in redis.client_list()} - {"127.0.0.1", "[::1]"}
    assert peers == {proxy["status"]["podIP"]}


def test_toxiproxy_obeys_only_the_conductor_and_the_reaper_of_a_harness(
    kubectl: Kubectl, target: DeployedTarget, images: Images, harness_namespace: str
) -> None:
    control = f"{target.host('aia-toxiproxy')}:8474"
    proxied = f"{target.host('aia-toxiproxy')}:6379"
    redis = f"{target.host('aia-redis')}:6379"

    def reached(namespace: str, labels: dict[str, str]) -> list[str]:
        name = "-".join(["connect", *labels.values()]).replace(".", "-")[:60]
        where = {"name": name, "namespace": namespace, "image": images.gameday, "labels": labels}
        with script_pod(kubectl, SCRIPTS / "connect.py", control, proxied, redis, **where) as connecting:
            return [address for address, answers in connecting.result().items() if answers]

    def harness(component: str) -> dict[str, str]:
        return {"app.kubernetes.io/part-of": "aia-gameday", "app.kubernetes.io/component": component}

    assert reached(harness_namespace, harness("conductor")) == [control, proxied, redis]
    assert reached(harness_namespace, harness("reaper")) == [control]
    assert reached(harness_namespace, harness("worker")) == []
    assert reached(target.namespace, harness("conductor")) == []
    assert reached(target.namespace, {"app": "aia-worker"}) == [proxied]


@pytest.fixture
def harness_namespace(kubectl: Kubectl, target_namespace: str):
    """A namespace that carries the label of a harness."""
    name = f"{target_namespace}-harness"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "app.kubernetes.io/part-of=aia-gameday")
    yield name
    kubectl("delete", "namespace", name, "--timeout=120s", timeout_s=150)
