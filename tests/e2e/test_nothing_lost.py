"""Workers, masters and connections that die in the middle of a run: the accounts add up to what the target counted."""

import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from analysis.verdict import Verdict
from journal.columns import FrameColumns, read_columns
from journal.run_directory import create_run_directory
from tests.analysis.report.example_run import example_manifest
from tests.e2e.harness import SHORT_PLAN, Background, Run, eventually, gameday, timeline
from tests.e2e.relay import Relay

USERS = 20
MASTER_SILENT_S = 6.0  # so long a worker waits for a sign of its master before it ends
PLAN = SHORT_PLAN.replace("workers: 1", "workers: 2")
LONG_PLAN = PLAN.replace("duration_s: 14", "duration_s: 34")
STORM = "{id: S1, kind: reconnect, at_s: 3, spread_s: 60}"
ENDLESS_PLAN = PLAN.replace("duration_s: 14", "duration_s: 600")


class Scene:
    """A run in the background, and what becomes of it."""

    def __init__(self, folder: Path, start: Callable[..., Background]) -> None:
        self.folder, self.path, self._start = folder, folder / "run", start

    def begin(self, plan: str, *options: str) -> Background:
        (self.folder / "plan.yaml").write_text(plan)
        self.run = self._start("run", "plan.yaml", "--plain", "--out", str(self.path), *options, name="run")
        return self.run

    def load_ended_s(self) -> float:
        """When the users were told to end, in epoch seconds."""
        events = timeline(self.path)
        (drain,) = [event["at_ns"] for event in events if event.get("phase") == "drain"]
        assert isinstance(drain, int)
        return drain / 1e9

    def phases(self) -> list[object]:
        return [event["phase"] for event in timeline(self.path) if event["kind"] == "phase"]

    def await_load(self) -> None:
        eventually(lambda: "load" in self.phases(), within_s=60, what="the load phase")
        seconds = self.columns().users.size
        eventually(lambda: self.columns().users.size > seconds + 3, within_s=20, what="some seconds of load")

    def columns(self) -> FrameColumns:
        return read_columns(self.path / "frames.bin")

    def locusts(self, option: str) -> list[psutil.Process]:
        return [process for process in self.run.descendants() if option in process.cmdline()]

    def worker(self, number: int) -> psutil.Process:
        """The process of the worker with this number."""
        own = re.compile(rf'"subject":"worker-{number}","role":"generator","incarnation":"(\d+)@')
        found = own.search((self.path / "readings.jsonl").read_text())
        assert found
        return psutil.Process(int(found[1]))

    def ended(self, within_s: float = 90) -> Run:
        code = self.run.process.wait(within_s)
        return Run(code, self.run.log.read_text(), self.path)

    def storm_states(self) -> list[object]:
        return [event["state"] for event in timeline(self.path) if event["kind"] == "storm"]

    def worker_states(self) -> list[object]:
        return [event["state"] for event in timeline(self.path) if event["kind"] == "worker"]


@pytest.fixture
def scene(start: Callable[..., Background], tmp_path: Path) -> Scene:
    return Scene(tmp_path, start)


def assert_adds_up(verdict: Verdict) -> None:
    """Sent is what became of it, and the target, which counts for itself, agrees."""
    accounts = verdict.accounts
    assert accounts.sent == accounts.answered + accounts.cut + accounts.unfinished + accounts.lost
    assert accounts.agrees is True, accounts
    assert accounts.answered > 100


def assert_users_kept(columns: FrameColumns, until_s: float) -> None:
    """From the first second with all users until then, in epoch seconds, never fewer than without one of two workers.

    A second in which the load ends has the users of its end, so the last whole one before counts.
    """
    full = np.flatnonzero(columns.users >= USERS)
    held = (columns.seconds >= columns.seconds[full[0]]) & (columns.seconds < int(until_s))
    assert np.count_nonzero(held) > 5
    assert columns.users[held].min() >= USERS / 2


def test_a_killed_worker_costs_two_seconds_of_its_records_and_no_request_in_the_accounts(scene: Scene) -> None:
    scene.begin(LONG_PLAN)
    scene.await_load()
    scene.worker(1).kill()
    eventually(lambda: "lost" in scene.worker_states(), within_s=20, what="the worker is missed")
    run = scene.ended()
    assert run.code in {1, 3}, run.output
    verdict, columns = run.verdict, scene.columns()
    assert_adds_up(verdict)
    assert_users_kept(columns, scene.load_ended_s())
    killed = [worker.name for worker in columns.workers if not worker.complete]
    assert len(killed) == 1
    assert columns.users[columns.users.size // 2 :].max() >= USERS, "the other has all users by then"
    (told,) = [name for name in verdict.missing if "did not end in order" in name]
    found = re.search(r"killed at \d:\d\d; (\d+) requests? of its last (\d) s ended without a record", told)
    assert found
    assert int(found[1]) == verdict.accounts.lost
    assert int(found[2]) <= 3
    assert not (scene.path / "spool").exists()


def test_after_its_master_was_killed_in_a_storm_a_run_ends_within_seconds_and_has_everything_that_was_sent(
    scene: Scene,
) -> None:
    scene.begin(ENDLESS_PLAN.replace("  workers: 2", f"  workers: 2\n  storms: [{STORM}]"))
    scene.await_load()
    eventually(lambda: len(scene.storm_states()) == 2, within_s=20, what="the storm has begun on both workers")
    (master,) = scene.locusts("--master")
    workers = scene.locusts("--worker")
    master.kill()
    killed_s, killed_at_s = time.monotonic(), time.time()
    psutil.wait_procs(workers, timeout=30)
    ended_s = time.monotonic() - killed_s
    run = scene.ended(60)
    assert run.code == 70, run.output
    assert "the Locust master was ended by SIGKILL" in run.output
    assert run.output.endswith("Exit 70 instead: a defect of the harness itself, not of the target.\n")
    assert ended_s < 12  # ten, and what a busy machine takes to tell
    verdict, columns = run.verdict, scene.columns()
    assert verdict.state in {"inconclusive", "fail"}
    assert "the run did not come to its orderly end: the Locust master was ended by SIGKILL" in verdict.missing
    assert any(said.startswith("collected from spools: ") for said in verdict.warnings), verdict.warnings
    assert_adds_up(verdict)
    assert_users_kept(columns, killed_at_s + MASTER_SILENT_S - 1)
    assert [(worker.complete, worker.missing) for worker in columns.workers] == [(True, ())] * 2
    assert verdict.accounts.lost == 0
    assert not (scene.path / "spool").exists()
    (storm,) = verdict.faults
    assert (storm.state, storm.reason) == ("inconclusive", "S1 was not told to its end by every worker")
    assert storm.evidence["worker-0"].endswith("chosen; how it ended was not told")


def test_a_worker_that_was_stopped_for_20_s_goes_on_and_nothing_is_missing(scene: Scene) -> None:
    scene.begin(LONG_PLAN.replace("duration_s: 34", "duration_s: 44"))
    scene.await_load()
    worker = scene.worker(0)
    worker.suspend()
    stopped_s = time.monotonic()
    try:
        eventually(lambda: time.monotonic() - stopped_s > 20, within_s=30, what="20 s have passed")
    finally:
        worker.resume()
    run = scene.ended()
    assert run.code in {0, 1, 3}, run.output
    assert "lost" in scene.worker_states()
    assert_adds_up(run.verdict)
    assert_users_kept(scene.columns(), scene.load_ended_s())
    assert [(worker.complete, worker.missing) for worker in scene.columns().workers] == [(True, ())] * 2
    assert any(re.match(r"worker-0 was silent for \d\d s", name) for name in run.verdict.missing), run.verdict.missing


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def relayed(scene: Scene, start: Callable[..., Background]) -> Callable[[str], tuple[Relay, list[Background]]]:
    def begin(plan: str) -> tuple[Relay, list[Background]]:
        """A run whose workers reach their master through a relay."""
        port = free_port()
        relay = Relay(port)
        scene.begin(plan, "--workers-at", f"127.0.0.1:{port}")
        workers = [start("worker", "--master", f"127.0.0.1:{relay.port}", name=f"worker-{n}") for n in range(2)]
        scene.await_load()
        return relay, workers

    return begin


def test_a_connection_that_is_cut_for_three_seconds_costs_nothing(
    scene: Scene, relayed: Callable[[str], tuple[Relay, list[Background]]]
) -> None:
    relay, workers = relayed(LONG_PLAN)
    with relay:
        relay.cut()
        seconds = scene.columns().users.size
        ends_s = time.monotonic() + 3
        eventually(lambda: time.monotonic() > ends_s, within_s=10, what="three seconds")
        assert scene.columns().users.size <= seconds + 1, "the cut holds"
        relay.mend()
        run = scene.ended()
        assert [worker.process.wait(20) for worker in workers] == [0, 0]
    assert run.code in {0, 1, 3}, run.output
    assert_adds_up(run.verdict)
    assert_users_kept(scene.columns(), scene.load_ended_s())
    assert run.verdict.accounts.lost == 0
    for worker in ("worker-0", "worker-1"):
        assert any(re.match(rf"{worker} was silent for \d s until", said) for said in run.verdict.missing)
    assert [(worker.complete, worker.missing) for worker in scene.columns().workers] == [(True, ())] * 2


def test_what_workers_without_a_connection_leave_behind_completes_the_run(
    scene: Scene, relayed: Callable[[str], tuple[Relay, list[Background]]], ledger: Path
) -> None:
    relay, workers = relayed(ENDLESS_PLAN)
    with relay:
        relay.cut()
        cut_at_s = time.time()
        assert [worker.process.wait(20) for worker in workers] == [70, 70]
        run = scene.ended()
    assert "all workers are gone" in run.output
    assert "all workers are gone" in run.verdict.warnings
    assert [worker.complete for worker in scene.columns().workers] == [False, False]
    collected = gameday("collect", str(scene.path), "runs/spool", cwd=scene.folder, ledger=ledger)
    assert (collected.returncode, "collected from spools" in collected.stdout) == (0, True), collected.stderr
    gameday("report", str(scene.path), cwd=scene.folder, ledger=ledger)
    verdict = Run(0, "", scene.path).verdict
    assert_adds_up(verdict)
    assert_users_kept(scene.columns(), cut_at_s + MASTER_SILENT_S - 1)
    assert verdict.accounts.lost == 0
    assert [(worker.complete, worker.missing) for worker in scene.columns().workers] == [(True, ())] * 2
    assert not (scene.folder / "runs" / "spool").exists()


def test_a_run_of_which_everything_was_killed_has_its_workers_count_in_the_report(scene: Scene, ledger: Path) -> None:
    background = scene.begin(ENDLESS_PLAN)
    scene.await_load()
    background.process.send_signal(signal.SIGKILL)
    background.process.wait()
    eventually(lambda: not processes_of(scene.path), within_s=20, what="no process of the run is left")
    judged = gameday("report", str(scene.path), cwd=scene.folder, ledger=ledger)
    assert judged.returncode in {1, 3}, judged.stderr
    assert "collected from spools" in judged.stdout
    verdict = Run(judged.returncode, judged.stdout, scene.path).verdict
    accounts = verdict.accounts
    assert accounts.sent == accounts.answered + accounts.cut + accounts.unfinished + accounts.lost
    assert sum("killed at" in name for name in verdict.missing) == 2


def processes_of(run: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("GAMEDAY_SPOOL_DIR", "").startswith(str(run)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("option", ["nowhere", "plan.yaml"])
def test_collecting_what_is_no_run_is_bad_input(option: str, tmp_path: Path, ledger: Path) -> None:
    (tmp_path / "plan.yaml").write_text("{}")
    done = gameday("collect", option, cwd=tmp_path, ledger=ledger)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_files_that_are_no_spools_are_named_all_at_once(tmp_path: Path, ledger: Path) -> None:
    run = create_run_directory(tmp_path / "run", example_manifest())
    (tmp_path / "a.spool").write_bytes(b"\xff\x00")
    done = gameday("collect", str(run.path), "a.spool", "run/manifest.json", cwd=tmp_path, ledger=ledger)
    assert done.returncode == 2
    for name in ("a.spool", "run/manifest.json"):
        assert f"{name}: is no spool of a worker" in done.stderr
    empty = gameday("collect", str(run.path), str(tmp_path), cwd=tmp_path, ledger=ledger)
    assert (empty.returncode, empty.stdout) == (0, "there was no spool of this run to collect\n")
