"""Real targets for the tests: one healthy for all, and others started as a test needs them."""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

PASSWORD = "correct horse battery"
_numbers = itertools.count()


class RunningTarget:
    """A target in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], first_line: str) -> None:
        found = re.fullmatch(r"AIA is up at (http://\S+) \(state file: (.+)\)\n", first_line)
        assert found, f"the target said {first_line!r}"
        self.process = process
        self.url = found[1]
        self.state_file = Path(found[2])

    def state(self) -> dict:
        return json.loads(self.state_file.read_text())

    def entry(self, name: str) -> dict:
        return next(entry for entry in self.state()["processes"] if entry["name"] == name)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10)

    def user(self) -> httpx.Client:
        """A client that is logged in as a new user, whose e-mail and tokens it carries."""
        client = self.client()
        client.email = f"user-{next(_numbers)}@example.org"
        credentials = {"email": client.email, "password": PASSWORD}
        assert client.post("/auth/register", json=credentials).status_code == 200
        client.tokens = client.post("/auth/login", json=credentials).json()
        client.headers["authorization"] = f"Bearer {client.tokens['access_token']}"
        return client


def wait_until(condition: Callable[[], object], within_s: float = 15.0) -> object:
    """The first true value of `condition`; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"this did not become true within {within_s} s: {condition}")


@contextmanager
def started(*options: str) -> Iterator[RunningTarget]:
    command = [sys.executable, "-P", "-m", "target", "--port", "0", "--scrypt-log2-n", "10", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first_line = process.stdout.readline()
            assert first_line, process.stderr.read()
            yield RunningTarget(process, first_line)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def healthy() -> Iterator[RunningTarget]:
    """A healthy target with two replicas and two workers, for tests that leave it as it was."""
    with started("--replicas", "2", "--workers", "2") as target:
        yield target


@pytest.fixture
def start() -> Iterator[Callable[..., RunningTarget]]:
    """Starts a target of the test's own, by default with one replica."""
    with ExitStack() as running:

        def start_one(*options: str) -> RunningTarget:
            return running.enter_context(started("--replicas", "1", *options))

        yield start_one


@pytest.fixture
def user(healthy: RunningTarget) -> httpx.Client:
    return healthy.user()


@pytest.fixture
def other_user(healthy: RunningTarget) -> httpx.Client:
    return healthy.user()


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., object]:
    return wait_until


@pytest.fixture
def completed() -> Callable[[httpx.Client, str], dict]:
    """Waits for the task at a path, returns it."""

    def wait(client: httpx.Client, path: str) -> dict:
        def done() -> dict | None:
            task = client.get(path).json()
            return task if task["status"] == "completed" else None

        return wait_until(done)

    return wait
