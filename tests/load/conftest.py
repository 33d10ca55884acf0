"""A real target, a run directory of a small plan, and the processes of a load, ended with the test."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

# Locust patches the standard library of the process that imports it; this one is shared with other tests
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # the processes that tests start are to be patched

from journal.manifest import Manifest, this_machine
from journal.plan import Arrivals, Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory, new_run_id

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
CREDENTIALS = {"AIA_CLIENT_ID": "load-tests", "AIA_CLIENT_SECRET": "a-secret-of-the-load-tests"}


def eventually(look: Callable[[], object], within_s: float, what: str) -> object:
    """The first true value of `look`; fails when there is none in time."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        if found := look():
            return found
        time.sleep(0.02)
    pytest.fail(f"{what} did not happen within {within_s:g} s")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunDirectory]:
    def make(
        base_url: str,
        *,
        users: int = 10,
        duration_s: float = 6.0,
        warm_up_s: float = 1.0,
        then_users: int = 0,
        spawn_rate_per_s: float = 0.0,
        calibration_s: float = 0.2,
        name: str = "run",
        arrivals: Arrivals | None = None,
        **changes: Any,
    ) -> RunDirectory:
        """A plan of one stage, and of a second one with other users for half as long where that is wanted.

        Or, instead of them, of arrivals.
        """
        stages = [Stage(users=users, spawn_rate_per_s=spawn_rate_per_s or float(users), duration_s=duration_s)]
        if then_users:
            stages.append(Stage(users=then_users, spawn_rate_per_s=float(users), duration_s=duration_s / 2))
        load = Load(
            stages=() if arrivals else tuple(stages),
            arrivals=arrivals,
            warm_up_s=warm_up_s,
            drain_s=5.0,
            calibration_s=calibration_s,
        )
        plan = Plan(name="test", load=replace(load, **changes))
        manifest = Manifest(
            run_id=new_run_id(),
            created_at_ns=time.time_ns(),
            command="pytest",
            base_url=base_url,
            plan=plan,
            profile=Profile(name="test", base_url=base_url, task_timeout_s=8.0),
            machine=this_machine(),
            versions={},
        )
        return create_run_directory(tmp_path / name, manifest)

    return make


@dataclass
class Target:
    """A running reference AIA."""

    url: str
    state_file: Path

    def counters(self) -> dict[str, int]:
        """The sums over all replicas."""
        names = ("load_started", "load_finished", "other_started", "other_finished", "websocket_opened")
        paths = [
            entry["counters"] for entry in json.loads(self.state_file.read_text())["processes"] if "counters" in entry
        ]
        columns = zip(*(struct.unpack("<8Q", Path(path).read_bytes()[:64]) for path in paths), strict=True)
        return dict(zip(names, (sum(column) for column in columns), strict=False))


@contextmanager
def running_target(folder: Path, *options: str) -> Iterator[Target]:
    """A reference AIA of two replicas for the length of a with block."""
    log = folder / "target.log"
    command = [sys.executable, "-P", "-m", "target", "--port", "0", "--replicas", "2", "--scrypt-log2-n", "10"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--parent-pid", str(os.getpid()), *options],
            stdout=output,
            stderr=output,
            env={**os.environ, **CREDENTIALS},
        )
    try:
        line = r"AIA is up at (\S+) \(state file: (\S+)\)"
        found = eventually(lambda: re.search(line, log.read_text()), 30, "the start of the target")
        yield Target(found[1], Path(found[2]))
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_target(tmp_path_factory.mktemp("target")) as running:
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Locusts:
    """The processes of one load; `ended` waits for one of them and returns its exit code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str, files: str = str(LOCUSTFILES)) -> None:
        command = [sys.executable, "-P", "-m", "locust", "--headless", "-f", files, *options]
        with (self.folder / f"{name}.log").open("w") as output:
            self.processes[name] = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=self.folder, env={**os.environ, **CREDENTIALS}
            )

    def conducted(self, run: RunDirectory, workers: int = 2, *options: str, files: str = str(LOCUSTFILES)) -> None:
        """A master with a run directory that exists already, and its workers."""
        to_master = ("--worker", "--master-host", "127.0.0.1", "--master-port", str(self.port))
        for number in range(workers):
            self.start(f"worker-{number}", *to_master, files=files)
        master = ["--master", "--master-bind-port", str(self.port), "--expect-workers", str(workers), "--only-summary"]
        self.start("master", *master, "--run-dir", str(run.path), *options, files=files)

    def ended(self, name: str, within_s: float = 60) -> int:
        try:
            return self.processes[name].wait(within_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} did not end within {within_s:g} s:\n{self.log(name)[-2000:]}")

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def make_locusts(tmp_path: Path) -> Iterator[Callable[[str], Locusts]]:
    made: list[Locusts] = []

    def make(name: str) -> Locusts:
        (tmp_path / name).mkdir()
        made.append(Locusts(tmp_path / name))
        return made[-1]

    yield make
    for process in (process for locusts in made for process in locusts.processes.values()):
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def locusts(make_locusts: Callable[[str], Locusts]) -> Locusts:
    return make_locusts("locusts")
