"""The command: options, ports, and that nothing is left behind however it ends."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "target", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_all_problems_of_the_options_are_named_at_once():
    result = run("--port", "70000", "--replicas", "none", "--work-ms", "9", "--defect", "typo", "--defect", "leak:x")
    assert result.returncode == 2
    for part in ("--port 70000", "--replicas none", "--work-ms 9", "--defect typo", "--defect leak:x"):
        assert part in result.stderr
    assert "doubled-task:PERCENT" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "spec",
    ["slow:GET:/x:10", "slow:GET:x:10:20", "slow:GET:/x:-1:20", "errors:0", "errors:101", "errors:nan", "ledger:1"],
)
def test_a_defect_that_makes_no_sense_is_refused(spec):
    result = run("--defect", spec)
    assert result.returncode == 2
    assert f"--defect {spec}" in result.stderr


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 2
    assert f"127.0.0.1 port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_port_of_another_target_is_in_use_too(healthy):
    assert run("--port", healthy.url.rpartition(":")[2]).returncode == 2


def test_a_host_that_is_not_ours_is_named():
    result = run("--host", "192.0.2.1", "--port", "0")
    assert result.returncode == 2
    assert "192.0.2.1" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_leaves_nothing(start, number):
    target = start()
    processes = target.children()
    assert len(processes) == 4  # redis, api-0, worker-0, janitor
    target.process.send_signal(number)
    assert target.process.wait(timeout=15) == 0
    assert gone(processes)
    assert not target.state_file.parent.exists()
    assert target.process.stderr.read() == ""


def test_a_killed_supervisor_leaves_nothing(start, wait_until):
    target = start()
    processes = target.children()
    target.process.kill()
    wait_until(lambda: gone(processes))
    assert not target.state_file.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("delay_s", [0.2, 0.45, 0.7])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(tmp_path, wait_until, number, delay_s):
    command = [sys.executable, "-P", "-m", "target", "--port", "0", "--replicas", "2"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        time.sleep(delay_s)  # whatever the start has come to by then, the outcome is the same
        process.send_signal(number)
        process.wait(timeout=15)
        complaint = process.stderr.read()
    if number == signal.SIGKILL or process.returncode == -number:
        complaint = b""  # it came while Python itself was starting
    else:
        assert process.returncode == 0
    wait_until(lambda: not list(tmp_path.iterdir()))
    wait_until(
        lambda: not [each for each in psutil.process_iter() if environment_of(each).get("TMPDIR") == str(tmp_path)]
    )
    assert complaint == b""


def test_the_target_ends_with_the_process_it_was_told_to_watch(start, wait_until):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent:
        target = start("--parent-pid", str(parent.pid))
        processes = target.children()
        parent.kill()
    assert target.process.wait(timeout=15) == 0
    assert gone(processes)


def test_a_parent_that_does_not_exist_is_named():
    result = run("--port", "0", "--parent-pid", str(2**22 + 1))
    assert result.returncode == 2
    assert "there is no such process" in result.stderr


def test_a_given_state_directory_is_kept_and_its_data_is_found_again(start, tmp_path):
    first = start("--state-dir", str(tmp_path / "state"))
    email = first.user().email
    first.process.terminate()
    assert first.process.wait(timeout=15) == 0
    assert not first.state_file.exists()
    second = start("--state-dir", str(tmp_path / "state"))
    credentials = {"email": email, "password": "correct horse battery"}
    assert second.client().post("/auth/login", json=credentials).status_code == 200


def test_a_state_directory_in_use_or_not_writable_is_refused(start, tmp_path):
    start("--state-dir", str(tmp_path))
    in_use = run("--port", "0", "--state-dir", str(tmp_path))
    assert in_use.returncode == 2
    assert "another target uses it" in in_use.stderr
    (tmp_path / "file").touch()
    assert run("--port", "0", "--state-dir", str(tmp_path / "file")).returncode == 2


def test_a_part_that_cannot_start_is_named_with_its_log(tmp_path):
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    result = run("--port", "0", "--state-dir", str(tmp_path))
    assert result.returncode == 1
    assert "redis ended while starting" in result.stderr
    assert "Traceback" not in result.stderr
