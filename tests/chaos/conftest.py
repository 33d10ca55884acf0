"""A real target to break, a ledger of each test's own, and experiments in processes of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import chaos
from chaos.directory_ledger import DirectoryLedger
from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory
from tests.chaos.scene import RunningTarget, poll, processes_about

EXPERIMENTS = Path(chaos.__file__).parent / "experiments"


@pytest.fixture(scope="session")
def target() -> Iterator[RunningTarget]:
    command = [sys.executable, "-P", "-m", "target", "--port", "0", "--replicas", "3", "--parent-pid", str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.fullmatch(r"AIA is up at (\S+) \(state file: (.+)\)\n", process.stdout.readline())
            yield RunningTarget(found[1], Path(found[2]))
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def whole_target(target: RunningTarget) -> RunningTarget:
    """The target with all replicas running, whatever the test before has killed."""
    assert poll(lambda: all(process.state == "running" for process in target.state().processes))
    return target


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[DirectoryLedger]:
    """An empty ledger; what the test leaves in it is dropped, and so is its reaper."""
    ledger = DirectoryLedger(tmp_path / "ledger")
    yield ledger
    for record in ledger.read().records:
        ledger.close_record(record)
    for reaper in processes_about(ledger):
        with suppress(psutil.NoSuchProcess):
            reaper.terminate()
    assert poll(lambda: not processes_about(ledger))


@pytest.fixture
def run_directory(tmp_path: Path, target: RunningTarget) -> RunDirectory:
    plan = Plan(name="test", load=Load(stages=(Stage(users=1, duration_s=1),)))
    manifest = Manifest(
        run_id="testrun",
        created_at_ns=1,
        command="test",
        base_url=target.url,
        plan=plan,
        profile=Profile(name="test"),
        machine=this_machine(),
        versions={},
    )
    return create_run_directory(tmp_path / "run", manifest)


Chaos = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(ledger: DirectoryLedger, whole_target: RunningTarget) -> dict[str, str]:
    """The environment in which experiments find the target and the ledger."""
    others = {key: value for key, value in os.environ.items() if not key.startswith(("GAMEDAY_", "AIA_"))}
    return others | {
        "GAMEDAY_LEDGER": str(ledger.directory),
        "GAMEDAY_STATE_FILE": str(whole_target.state_file),
        "GAMEDAY_BASE_URL": whole_target.url,
    }


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    """Where commands are started."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def start_command(environment: dict[str, str], empty_folder: Path) -> Iterator[Chaos]:
    """Starts `python -m …` in an empty folder; it is killed at the end of the test if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *map(str, arguments)],
            cwd=empty_folder,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start_chaos(start_command: Chaos, run_directory: RunDirectory) -> Chaos:
    """Starts `python -m chaos run …` as a part of the run."""

    def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
        return start_command("chaos", "run", *arguments, "--run", run_directory.path, **more)

    return start


@pytest.fixture(name="chaos")
def chaos_fixture(start_chaos: Chaos) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m chaos run …` to its end."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = start_chaos(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def plain_chaos(start_command: Chaos, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of our experiments by `chaos run`; its journal is `journal.json` in the test's folder."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = ["--no-version-check", "--no-log-file", "run", f"--journal-path={tmp_path / 'journal.json'}"]
        process = start_command("chaostoolkit", *options, *arguments, EXPERIMENTS / f"{name}.yaml")
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    """A process that does nothing."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield psutil.Process(child.pid)
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGCONT)
    child.kill()
    child.wait()
