"""Whole experiments against a real target, by our own runner and by plain `chaos run`."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from chaos.directory_ledger import DirectoryLedger as Ledger
from chaos.experiment import read_experiment
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, read_timeline
from tests.chaos.scene import RunningTarget, fault_events, fault_states, poll, stallers_of

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

WHOLE = ["injected", "effective", "reverted", "proven"]


def test_a_killed_replica_is_gone_and_as_many_serve_again(
    chaos: Run, whole_target: RunningTarget, run_directory: RunDirectory, ledger: Ledger, empty_folder: Path
) -> None:
    before = whole_target.state().with_role("api")
    ended = chaos("kill-api-pod")
    assert ended.returncode == 0, ended.stderr
    assert fault_states(run_directory) == WHOLE
    injected, _, _, proven = fault_events(run_directory)
    victim = next(replica for replica in before if f"(pid {replica.pid})" in injected.data["target"])
    now = {replica.name: replica for replica in whole_target.state().with_role("api")}
    assert now[victim.name].pid != victim.pid
    assert proven.data["evidence"]["ready_replicas"] == len(before) == 3
    assert proven.data["evidence"]["steady_state_after"] == "met"
    assert not ledger.read().records
    assert list(empty_folder.iterdir()) == [], "neither a log nor a journal in the folder it was started in"
    assert json.loads((run_directory.logs / "F1-journal.json").read_text())["status"] == "completed"


def test_two_replicas_may_be_ended_gracefully(
    chaos: Run, whole_target: RunningTarget, run_directory: RunDirectory
) -> None:
    before = {replica.pid for replica in whole_target.state().with_role("api")}
    assert chaos("kill-api-pod", "--set", "count=2", "--set", "graceful=true").returncode == 0
    assert fault_states(run_directory) == WHOLE
    assert len(before & {replica.pid for replica in whole_target.state().with_role("api")}) == 1


def test_a_throttled_redis_answers_late_and_then_as_before(
    start_chaos: Start, whole_target: RunningTarget, run_directory: RunDirectory
) -> None:
    process = start_chaos("throttle-redis", "--set", "duration_s=3")
    assert poll(lambda: "injected" in fault_states(run_directory))
    assert whole_target.redis_p95_ms() >= 200, "seen by a probe that is not the fault's own"
    assert process.wait(timeout=30) == 0
    assert fault_states(run_directory) == WHOLE
    effective = fault_events(run_directory)[1]
    assert effective.data["evidence"]["ping_p95_ms"] >= 200
    assert whole_target.redis_is_normal()


@pytest.mark.parametrize("name", ["kill-api-pod", "throttle-redis"])
def test_plain_chaos_run_works_and_reverts(plain_chaos: Run, ledger: Ledger, tmp_path: Path, name: str) -> None:
    settings = ["--var", "duration_s:float=2"] if name == "throttle-redis" else []
    assert plain_chaos(name, *settings).returncode == 0
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert journal["status"] == "completed"
    assert not journal["deviated"]
    steps = {run["activity"]["name"]: run["output"] for run in journal["run"] + journal["rollbacks"]}
    assert steps["verify-effect"] is steps["await-end"] is steps["revert"] is True
    assert not ledger.read().records


def test_a_refused_fault_ends_plain_chaos_run_with_an_error(plain_chaos: Run, whole_target: RunningTarget) -> None:
    before = whole_target.state()
    assert plain_chaos("kill-api-pod", "--var", "count:int=3").returncode == 1
    assert whole_target.state() == before


def test_an_unmet_steady_state_before_injects_nothing(
    chaos: Run, whole_target: RunningTarget, run_directory: RunDirectory
) -> None:
    before = whole_target.state()
    ended = chaos("kill-api-pod", AIA_CLIENT_ID="nobody", AIA_CLIENT_SECRET="wrong")
    assert ended.returncode == 1
    assert "login-takes-ms" in ended.stderr
    assert whole_target.state() == before
    assert fault_states(run_directory) == ["refused"]
    events, _ = read_timeline(run_directory.timeline)
    assert "login-takes-ms" in next(event.data["message"] for event in events if event.kind is EventKind.WARNING)


def changed_experiment(tmp_path: Path, change: Callable[[dict], None]) -> Path:
    _, document = read_experiment("kill-api-pod")
    change(document)
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_an_unmet_steady_state_after_ends_1_and_the_fault_is_reverted(
    chaos: Run, run_directory: RunDirectory, tmp_path: Path
) -> None:
    def spoil(document: dict) -> None:
        mark = str(tmp_path / "mark")
        probe = {"type": "process", "path": "test", "arguments": ["!", "-e", mark]}
        document["steady-state-hypothesis"]["probes"].append(
            {"type": "probe", "name": "no-mark", "tolerance": 0, "provider": probe}
        )
        action = {"type": "process", "path": "touch", "arguments": [mark]}
        document["method"].append({"type": "action", "name": "mark", "provider": action})

    ended = chaos(str(changed_experiment(tmp_path, spoil)))
    assert ended.returncode == 1
    assert "not met after: no-mark" in ended.stderr
    assert fault_states(run_directory) == WHOLE
    assert fault_events(run_directory)[-1].data["evidence"]["steady_state_after"] == "not met"


def test_a_fault_without_effect_ends_3(chaos: Run, run_directory: RunDirectory, tmp_path: Path) -> None:
    def verify_too_late(document: dict) -> None:
        inject, verify, await_end = document["method"]
        inject["provider"]["arguments"] = {"fault": "throttle-redis", "options": {"duration_s": 2}}
        document["method"] = [inject, await_end, verify]

    assert chaos(str(changed_experiment(tmp_path, verify_too_late))).returncode == 3
    assert fault_states(run_directory) == ["injected", "reverted", "no-effect", "proven"]


def test_an_effect_that_nobody_looked_for_ends_3(chaos: Run, run_directory: RunDirectory, tmp_path: Path) -> None:
    def drop_verify(document: dict) -> None:
        del document["method"][1]

    assert chaos(str(changed_experiment(tmp_path, drop_verify))).returncode == 3
    assert fault_states(run_directory) == ["injected", "reverted", "proven"]


def test_a_probe_that_answers_nan_is_a_defect_and_the_fault_is_reverted(
    chaos: Run, run_directory: RunDirectory, empty_folder: Path, tmp_path: Path
) -> None:
    (empty_folder / "sick.py").write_text(
        "import pathlib\n\ndef probe():\n"
        "    once = pathlib.Path('once')\n    seen = once.exists()\n    once.touch()\n"
        "    return float('nan') if seen else 1.0\n"
    )

    def add_probe(document: dict) -> None:
        provider = {"type": "python", "module": "sick", "func": "probe"}
        tolerance = {"type": "range", "range": [0.0, 2.0]}
        document["steady-state-hypothesis"]["probes"].append(
            {"type": "probe", "name": "sick", "tolerance": tolerance, "provider": provider}
        )

    ended = chaos(str(changed_experiment(tmp_path, add_probe)), PYTHONPATH=str(empty_folder))
    assert ended.returncode == 70
    assert fault_states(run_directory) == WHOLE


def test_an_experiment_without_rollbacks_is_reverted_all_the_same(
    chaos: Run, run_directory: RunDirectory, ledger: Ledger, tmp_path: Path
) -> None:
    def drop_the_end(document: dict) -> None:
        del document["rollbacks"]
        document["method"] = document["method"][:2]

    assert chaos(str(changed_experiment(tmp_path, drop_the_end))).returncode == 0
    assert fault_states(run_directory) == WHOLE
    assert not ledger.read().records


def test_a_signal_during_the_fault_reverts_it_and_ends_130(
    start_chaos: Start, whole_target: RunningTarget, run_directory: RunDirectory, ledger: Ledger
) -> None:
    process = start_chaos("throttle-redis", "--set", "duration_s=30")
    assert poll(lambda: "effective" in fault_states(run_directory))
    redis = ledger.read().records[0].targets[0]
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # an impatient second one must not cut the reverting short
    assert process.wait(timeout=5) == 130
    assert fault_states(run_directory)[2:] == ["reverted", "proven"]
    assert not ledger.read().records
    assert not stallers_of(redis.incarnation)
    assert whole_target.redis_is_normal()


def test_a_signal_right_after_a_kill_leaves_the_proof_to_the_reaper(
    start_chaos: Start, whole_target: RunningTarget, run_directory: RunDirectory, ledger: Ledger
) -> None:
    process = start_chaos("kill-api-pod")
    assert poll(lambda: "injected" in fault_states(run_directory))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 130
    assert poll(lambda: fault_states(run_directory)[-1] == "proven")
    assert not ledger.read().records


def test_a_ledger_that_cannot_be_written_refuses_the_fault(
    chaos: Run, whole_target: RunningTarget, run_directory: RunDirectory, ledger: Ledger
) -> None:
    (ledger.directory / "testrun.F1.draft").mkdir(parents=True)
    before = whole_target.state()
    ended = chaos("kill-api-pod")
    assert ended.returncode == 70
    assert "no record, no fault" in ended.stderr
    assert whole_target.state() == before
    assert fault_states(run_directory) == ["refused"]


def test_the_last_ready_replica_is_not_killed(chaos: Run, whole_target: RunningTarget) -> None:
    before = whole_target.state()
    ended = chaos("kill-api-pod", "--set", "count=3")
    assert ended.returncode == 70
    assert "none would be left" in ended.stderr
    assert whole_target.state() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such"], 2, "there is no such experiment"),
        (["kill-api-pod", "--set", "off_ms=1", "--set", "count"], 2, "there is no 'off_ms'"),
        (["kill-api-pod", "--state-file", "missing.json"], 5, "there is no state file"),
        (["kill-api-pod", "--journal", "missing/journal.json"], 2, "there is no such folder"),
    ],
)
def test_bad_input_is_told_without_a_traceback(chaos: Run, arguments: list[str], code: int, message: str) -> None:
    ended = chaos(*arguments)
    assert ended.returncode == code
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
