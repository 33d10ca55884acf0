"""The parts of the target as pods run them, each a process that is told everything by environment variables."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import valkey

from target import pod_parts
from target.errors import TargetError
from target.ports import free_loopback_port

SECRETS = {
    "AIA_REDIS_PASSWORD": "redis-secret",
    "AIA_JWT_KEY": "jwt-secret-that-is-long-enough-for-its-algorithm",
    "AIA_CLIENT_ID": "client",
    "AIA_CLIENT_SECRET": "client-secret",
}


class Pods:
    """Processes that find each other at free ports."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running
        self.api_port, self.redis_port = free_loopback_port(), free_loopback_port()
        self.url = f"http://127.0.0.1:{self.api_port}"

    def start(self, part: str, **given: str) -> subprocess.Popen[str]:
        port = {"api": self.api_port, "redis": self.redis_port, "worker": 0}[part]
        state = self._folder / part
        temporary = self._folder / "tmp"
        for folder in (state, temporary):
            folder.mkdir(exist_ok=True)
        told = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIA_")},
            **SECRETS,
            "AIA_HOST": "127.0.0.1",
            "AIA_PORT": str(port),
            "AIA_REDIS_ADDRESS": f"127.0.0.1:{self.redis_port}",
            "AIA_STATE_DIR": str(state),
            "AIA_SCRYPT_LOG2_N": "10",
            "AIA_DRAIN_S": "1",
            "POD_NAME": f"aia-{part}-abc",
            "TMPDIR": str(temporary),
            **given,
        }
        command = [sys.executable, "-P", "-m", "target.pod", part]
        process = subprocess.Popen(command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._running.callback(_end, process)
        return process

    def status(self, path: str) -> int:
        """What the API answers; 0 when nobody does."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=10).status_code
        except httpx.TransportError:
            return 0


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    with ExitStack() as running:
        yield Pods(tmp_path, running)


@pytest.fixture
def signed_in(pods: Pods, wait_until: Callable[..., object]) -> Iterator[httpx.Client]:
    pods.start("redis")
    pods.start("api", AIA_DEFECTS="slow:GET:/mas/api/v1/agents:500:100 any-password")
    wait_until(lambda: pods.status("/ready") == 200)
    with httpx.Client(base_url=pods.url, timeout=20) as client:
        credentials = {"email": "user@example.org", "password": "correct horse battery"}
        client.post("/auth/register", json=credentials)
        token = client.post("/auth/login", json=credentials).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_an_api_pod_says_503_until_redis_answers(pods, wait_until):
    api = pods.start("api")
    wait_until(lambda: pods.status("/ready") == 503)
    assert pods.status("/health") == 503
    pods.start("redis")
    wait_until(lambda: pods.status("/ready") == 200)
    assert api.poll() is None


def test_an_api_pod_that_waits_for_redis_ends_when_told_to(pods, wait_until):
    api = pods.start("api")
    wait_until(lambda: pods.status("/ready") == 503)
    api.terminate()
    assert api.wait(10) == 0


def test_a_worker_pod_waits_for_redis_and_then_does_what_the_api_accepts(pods, wait_until, signed_in):
    pods.start("worker")
    task = signed_in.post("/api/v1/mcp/process", json={"prompt": "x"}).json()["task_id"]
    wait_until(lambda: signed_in.get(f"/api/v1/mcp/status/{task}").json()["status"] == "completed")


def test_a_worker_pod_without_redis_ends_when_told_to(pods):
    worker = pods.start("worker")
    assert "waiting for the store" in worker.stderr.readline()
    worker.terminate()
    assert worker.wait(10) == 0


def test_answers_name_the_pod(signed_in):
    assert signed_in.get("/ready").headers["x-served-by"].startswith("aia-api-abc@")


def test_an_api_pod_told_to_end_serves_on_sends_clients_away_and_finishes_what_it_does(pods, wait_until):
    pods.start("redis")
    api = pods.start("api", AIA_DRAIN_S="2", AIA_DEFECTS="slow:GET:/:4000:100")
    wait_until(lambda: pods.status("/ready") == 200)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{pods.url}/", timeout=30)))
    with httpx.Client(base_url=pods.url) as client:
        assert "connection" not in client.get("/ready").headers
        asking.start()
        api.terminate()
        leaving = wait_until(lambda: (answer := client.get("/ready")).status_code == 503 and answer)
        assert leaving.json() == {"status": "leaving"}
        assert leaving.headers["connection"] == "close"
    assert pods.status("/health") == 200
    asking.join()
    assert answers[0].status_code == 200
    assert api.wait(20) == 0


def test_an_api_pod_told_to_end_still_answers_the_model_context_protocol_in_whole(pods, wait_until):
    """The event streams of its SDK would end with SIGTERM, where all other answers still come."""
    pods.start("redis")
    api = pods.start("api", AIA_DRAIN_S="2")
    wait_until(lambda: pods.status("/ready") == 200)
    program = {"client_id": SECRETS["AIA_CLIENT_ID"], "client_secret": SECRETS["AIA_CLIENT_SECRET"]}
    token = httpx.post(f"{pods.url}/auth/token", data=program).json()["access_token"]
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {token}"}
    api.terminate()
    wait_until(lambda: pods.status("/ready") == 503)
    for _ in range(20):
        answer = httpx.post(f"{pods.url}/mcp", json=body, headers=headers)
        assert answer.status_code == 200
        assert '"serverInfo"' in answer.text
    assert api.wait(20) == 0


def test_counts_go_on_when_the_container_of_an_api_pod_is_started_again(pods, wait_until, tmp_path):
    pods.start("redis")
    counted = tmp_path / "api" / "counters" / "aia-api-abc.bin"
    for life in (1, 2):
        api = pods.start("api")
        wait_until(lambda: pods.status("/ready") == 200)
        httpx.get(f"{pods.url}/ready", headers={"x-gameday-run": "r"})
        wait_until(lambda n=life: int.from_bytes(counted.read_bytes()[8:16], "little") == n)
        api.kill()
        api.wait()


def test_redis_pods_keep_their_data_and_want_the_password(pods, wait_until, tmp_path):
    redis = pods.start("redis")
    client = valkey.Valkey(port=pods.redis_port, password="redis-secret")
    wait_until(lambda: _answers(client))
    client.set("kept", "yes")
    with pytest.raises(valkey.AuthenticationError):
        valkey.Valkey(port=pods.redis_port).get("kept")
    redis.kill()
    redis.wait()
    pods.start("redis")
    wait_until(lambda: _answers(client))
    assert client.get("kept") == b"yes"
    written = [path.name for path in (tmp_path / "redis").rglob("*") if path.is_file() and _holds_secret(path)]
    assert written == [], "the password is on the volume"


def _answers(client: valkey.Valkey) -> bool:
    try:
        return client.ping()
    except (valkey.ConnectionError, valkey.TimeoutError):
        return False


def _holds_secret(path: Path) -> bool:
    return b"redis-secret" in path.read_bytes()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named(name):
    with pytest.raises(TargetError, match=name):
        pod_parts.secrets_from({**SECRETS, name: ""})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("AIA_REDIS_ADDRESS", "aia-redis", "HOST:PORT"),
        ("AIA_SCRYPT_LOG2_N", "99", "whole number from 4 to 18"),
        ("AIA_DEFECTS", "leak:1 nonsense", "no such defect"),
        ("AIA_DRAIN_S", "soon", "seconds from 0 to 60"),
    ],
)
def test_a_variable_that_is_not_understood_is_named_with_its_remedy(name, value, complaint):
    with pytest.raises(TargetError, match=complaint) as raised:
        pod_parts.settings_from({name: value})
    assert raised.value.exit_code == 2


def test_defects_are_separated_by_spaces():
    settings = pod_parts.settings_from({"AIA_DEFECTS": "leak:4  slow:GET:/auth/me:10:50"})
    assert settings.defects == ("leak:4", "slow:GET:/auth/me:10:50")


def test_an_unknown_part_is_refused(pods):
    command = [sys.executable, "-P", "-m", "target.pod", "database"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (2, "usage: python -m target.pod api|worker|redis")
