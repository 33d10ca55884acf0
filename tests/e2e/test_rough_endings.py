"""Runs that end roughly: faults are reverted, nothing is left behind, and what there is can be judged."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import valkey

from probes.target_state import TargetState, read_target_state
from tests.e2e.harness import SHORT_PLAN, Background, Run, eventually, gameday, timeline

THROTTLE_S = 6
THROTTLED = (
    SHORT_PLAN
    + f"""\
faults:
  - id: F1
    experiment: throttle-redis
    at_s: 1
    configuration: {{off_ms: 400, on_ms: 100, duration_s: {THROTTLE_S}}}
"""
)


@pytest.fixture
def target(start: Callable[..., Background], tmp_path: Path) -> Iterator[Path]:
    """A target that was started on its own; its state file."""
    up = start("target", "up", "--port", "0", "--state-dir", str(tmp_path / "target"), name="target")
    eventually(lambda: "AIA is up" in up.log.read_text(), within_s=60, what="the target is up")
    return tmp_path / "target" / "state.json"


@pytest.fixture
def throttled_run(
    target: Path, start: Callable[..., Background], tmp_path: Path
) -> tuple[Background, Path, TargetState]:
    """A run in the middle of its Redis throttle."""
    (tmp_path / "plan.yaml").write_text(THROTTLED)
    run = tmp_path / "run"
    background = start("run", "plan.yaml", "--plain", "--out", str(run), "--state-file", str(target), name="run")
    eventually(lambda: "effective" in fault_states(run), within_s=60, what="the throttle has taken effect")
    return background, run, read_target_state(target)


def fault_states(run: Path) -> list[object]:
    return [event["state"] for event in timeline(run) if event["kind"] == "fault"]


def redis_client(state: TargetState) -> valkey.Valkey:
    password = Path(state.redis.password_file).read_text().strip()
    return valkey.Valkey(host=state.redis.host, port=state.redis.port, password=password, socket_timeout=0.15)


def answers_normally(state: TargetState) -> bool:
    """Twenty quick pings in a row, which a stopped or throttled Redis cannot give."""
    client = redis_client(state)
    try:
        return all(client.ping() for _ in range(20))
    except valkey.exceptions.TimeoutError:
        return False
    finally:
        client.close()


def processes_of(run: Path) -> list[psutil.Process]:
    """Every process that names the run directory, or the ledger beside it, in its command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.environ().get("GAMEDAY_LEDGER", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        of_target = any("target" in part for part in process.cmdline()) or process.name().startswith("valkey")
        if any(str(run.parent) in part for part in told) and not of_target:
            found.append(process)
    return found


def test_a_killed_harness_leaves_neither_a_fault_nor_a_process(
    throttled_run: tuple[Background, Path, TargetState], ledger: Path
) -> None:
    background, run, state = throttled_run
    descendants = background.descendants()
    background.process.send_signal(signal.SIGKILL)
    background.process.wait()
    eventually(lambda: answers_normally(state), within_s=THROTTLE_S + 2, what="Redis answers normally")
    eventually(lambda: not processes_of(run), within_s=5, what="no process of the run is left")
    assert not [process for process in descendants if process.is_running() and process.status() != "zombie"]
    recovered = gameday("recover", cwd=run.parent, ledger=ledger)
    assert recovered.returncode == 0, recovered.stderr
    assert "nothing" in recovered.stdout


def test_ctrl_c_reverts_stops_reports_and_exits_130(throttled_run: tuple[Background, Path, TargetState]) -> None:
    background, run, state = throttled_run
    background.process.send_signal(signal.SIGINT)
    assert background.process.wait(60) == 130, background.log.read_text()
    assert answers_normally(state)
    assert "proven" in fault_states(run)
    assert (run / "verdict.json").exists()
    assert (run / "report.html").exists()
    assert "INTERRUPTED" in background.log.read_text()


def test_a_run_of_which_everything_was_killed_can_still_be_judged(
    throttled_run: tuple[Background, Path, TargetState], ledger: Path
) -> None:
    background, run, state = throttled_run
    for process in [*background.descendants(), psutil.Process(background.process.pid)]:
        process.kill()
    background.process.wait()
    judged = gameday("report", str(run), cwd=run.parent, ledger=ledger)
    assert judged.returncode in {1, 3}, judged.stderr
    missing = " ".join(Run(judged.returncode, judged.stdout, run).verdict.missing)
    assert "end" in missing
    eventually(lambda: answers_normally(state), within_s=THROTTLE_S + 2, what="Redis answers normally")


def test_damaged_frames_are_named_and_the_rest_is_judged(run_plan: Callable[..., Run], ledger: Path) -> None:
    run = run_plan(SHORT_PLAN)
    assert run.code in {0, 1, 3}, run.output
    sound = run.verdict
    damaged = run.path.with_name("damaged")
    shutil.copytree(run.path, damaged)
    frames = bytearray((damaged / "frames.bin").read_bytes())
    for place in (len(frames) // 3, len(frames) // 2):
        frames[place] ^= 0x10
    (damaged / "frames.bin").write_bytes(frames[:-7])
    judged = gameday("report", str(damaged), cwd=run.path.parent, ledger=ledger)
    assert judged.returncode in {1, 3}, judged.stderr
    verdict = Run(judged.returncode, judged.stdout, damaged).verdict
    assert any("frames.bin" in line for line in verdict.missing)
    assert 0 < verdict.accounts.answered < sound.accounts.answered


def test_the_supervisor_killed_takes_the_whole_target_with_it(target: Path) -> None:
    state = read_target_state(target)
    pids = [process.pid for process in state.processes if process.pid]
    os.kill(state.pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)), within_s=5, what="no process of the target is left")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interruption_before_the_load_has_begun_is_one_and_no_defect(
    start: Callable[..., Background], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    background = start("run", "smoke", "--plain", "--out", str(run), name="run")
    eventually(lambda: "phase check" in background.log.read_text(), within_s=60, what="the run has begun")
    background.process.send_signal(signal.SIGINT)
    assert background.process.wait(timeout=60) == 130
    said = background.log.read_text()
    assert "! INTERRUPTED. SIGINT at" in said
    assert "ended by SIGTERM" not in said
    assert not processes_of(run)


def test_a_disk_that_fills_up_ends_the_run_and_says_so(tmp_path: Path, ledger: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "plan.yaml").write_text(THROTTLED.replace("duration_s: 14", "duration_s: 60"))
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    small = f"mount -t tmpfs -o size=100k small {disk}"
    if subprocess.run([*apart, small], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk of his own")
    command = f"{small} && exec {sys.executable} -P -m gameday run plan.yaml --out {disk}/run"
    environment = {**os.environ, "GAMEDAY_LEDGER": str(ledger)}
    began_s = time.monotonic()
    done = subprocess.run(
        [*apart, command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert f"{disk}/run: cannot be written: No space left on device; make room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began_s < 60, "it did not go on generating load that nobody can write down"
    assert not list(ledger.glob("*.json"))
