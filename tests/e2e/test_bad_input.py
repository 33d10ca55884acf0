"""Bad input: a clear message and the right exit code, without a traceback and without a single request sent."""

import shutil
import socket
from pathlib import Path

import pytest

from tests.e2e.harness import SHORT_PLAN, gameday

ELSEWHERE = "name: elsewhere\nbase_url: http://aia.example:8000\n"
IN_A_CLUSTER = """\
name: cluster
base_url: http://aia.invalid:8000
allowed_hosts: [aia.invalid]
platform: {kind: kubernetes, environment: gameday}
"""
FAST = SHORT_PLAN.replace("{min_s: 0.05, max_s: 0.2}", "{min_s: 0.0, max_s: 0.001}").replace(
    "duration_s: 14", "duration_s: 7200"
)


def profile_at(port: int) -> str:
    return f"name: local\nbase_url: http://127.0.0.1:{port}\n"


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("plan", "profile", "code", "said"),
    [
        (SHORT_PLAN + "colour: red\n", "", 2, "colour: is not a known key"),
        (SHORT_PLAN.replace("users: 20", "users: -20"), "", 2, "greater than or equal to 1, found -20"),
        (SHORT_PLAN, ELSEWHERE, 2, "host aia.example is not among allowed_hosts"),
        (SHORT_PLAN.replace("users: 20", "users: 2000"), "", 2, "2000 users are more than the 500"),
        (FAST, "", 2, "requests within an hour, the target allows 36,000"),
        (SHORT_PLAN.replace("workers: 1", "workers: 1\n  mix: {auht: 1}"), "", 2, "there is no such journey"),
        (
            SHORT_PLAN + "faults:\n  - {id: F1, experiment: kill-all, at_s: 2}\n",
            "",
            2,
            "kill-all: there is no such experiment",
        ),
        (
            SHORT_PLAN + "faults:\n  - {id: F1, experiment: delay-redis, at_s: 2}\n",
            "",
            2,
            "faults[0]: delay-redis needs a Toxiproxy before Redis, which there is only in a cluster",
        ),
        (
            SHORT_PLAN + "faults:\n  - {id: F1, experiment: delay-redis, at_s: 2}\n",
            IN_A_CLUSTER,
            2,
            "delay-redis needs toxiproxy.url and redis.through_proxy",
        ),
        (SHORT_PLAN, "name: x\nembedded: {defects: [nonsense]}\n", 2, "nonsense: no such defect"),
        (SHORT_PLAN, "name: x\nbase_url: 'http://127.0.0.1:99999'\n", 2, "base_url: is no address"),
        (SHORT_PLAN, IN_A_CLUSTER, 5, "use: gameday k8s run"),
        (SHORT_PLAN, profile_at(unused_port()), 5, "does not answer 200 to GET /ready"),
    ],
    ids=[
        "unknown-key",
        "negative-users",
        "foreign-host",
        "too-many-users",
        "rate-limit",
        "journey",
        "fault",
        "no-toxiproxy",
        "unnamed-toxiproxy",
        "defect",
        "port",
        "cluster-from-outside",
        "no-target",
    ],
)
def test_a_run_that_cannot_begin_says_why(plan: str, profile: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(plan)
    (tmp_path / "profile.yaml").write_text(profile)
    options = ("--profile", "profile.yaml") if profile else ()
    done = gameday("run", "plan.yaml", "--out", "run", *options, cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_problems_of_plan_and_profile_are_listed_together(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("name: x\nfoo: 1\n")
    (tmp_path / "profile.yaml").write_text("bar: 1\n")
    done = gameday("check", "plan.yaml", "--profile", "profile.yaml", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    for said in ("plan.yaml:2: foo", "plan.yaml:1: load: is missing", "profile.yaml:1: bar", "name: is missing"):
        assert said in done.stderr


def test_what_does_not_fit_together_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(SHORT_PLAN + "faults:\n  - {id: F1, experiment: kill-api-pod, at_s: 2}\n")
    (tmp_path / "profile.yaml").write_text("name: x\nbase_url: http://127.0.0.1:9\nplatform:\n  state_file: ''\n")
    for plan in ("plan.yaml", "gameday"):
        done = gameday("check", plan, "--profile", "profile.yaml", cwd=tmp_path, ledger=tmp_path)
        assert done.returncode == 2
        assert "profile.yaml:4: platform.state_file: the plan has faults" in done.stderr
    (tmp_path / "plan.yaml").write_text(SHORT_PLAN.replace("workers: 1", "workers: 1\n  mix:\n    auht: 1"))
    done = gameday("check", "plan.yaml", cwd=tmp_path, ledger=tmp_path)
    assert "plan.yaml:9: load.mix.auht: there is no such journey" in done.stderr


def test_a_password_in_the_base_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(SHORT_PLAN)
    (tmp_path / "profile.yaml").write_text("name: x\nbase_url: http://bob:hunter2@127.0.0.1:9\n")
    done = gameday("check", "plan.yaml", "--profile", "profile.yaml", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "base_url: holds a user or a password" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", ["", "x", ":5557", "a b:5557", "[::1]:5557", "h:0", "h:65536", "h:²"])
def test_an_address_that_locust_could_not_use_is_refused(address: str, tmp_path: Path) -> None:
    for command in (("worker", "--master"), ("run", "smoke", "--out", "run", "--workers-at")):
        done = gameday(*command, address, cwd=tmp_path, ledger=tmp_path)
        assert done.returncode == 2
        assert f"{command[-1]}: {address!r} is no HOST:PORT" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_ledger_that_is_no_directory_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    done = gameday("recover", cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 6
    assert "is no directory" in done.stdout + done.stderr


@pytest.mark.parametrize("content", [None, b"", b"\x00\x01\x02", b"{}", b'{"schema": "aia-gameday/run/999"}', b"[1]"])
def test_a_run_directory_without_a_readable_manifest_is_refused(content: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "manifest.json").write_bytes(content)
    done = gameday("report", "run", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "manifest" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("run",), ("fly",), ("run", "a", "b"), ("check", "--colour"), ("report", "nowhere")]
)
def test_a_command_that_makes_no_sense_exits_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = gameday(*arguments, cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_an_existing_run_directory_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(SHORT_PLAN)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("data")
    done = gameday("run", "plan.yaml", "--out", "run", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert (tmp_path / "run" / "precious").read_text() == "data"


@pytest.mark.parametrize(
    ("ledger", "said"),
    [("file/ledger", "cannot be written: Not a directory; without it there is no fault"), ("foo:x", "neither a Conf")],
)
def test_a_plan_with_faults_does_not_begin_without_a_ledger(ledger: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    named = Path(ledger) if ":" in ledger else tmp_path / ledger
    done = gameday("run", "gameday", "--out", "run", cwd=tmp_path, ledger=named)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_search_without_time_for_one_level_is_refused(tmp_path: Path) -> None:
    done = gameday("capacity", "--max-duration", "20", "--out", "run", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "--max-duration: 20 s are over before one level is measured, which takes 28 s" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_directory_that_is_a_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    done = gameday("run", "smoke", "--out", "run", cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert "run: is a file, not a directory; name another one" in done.stderr


def test_a_named_ledger_that_is_not_there_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    done = gameday("recover", "--ledger", "leger", cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 2
    assert "--ledger leger: there is no such directory" in done.stderr


@pytest.mark.parametrize("option", ["--metrics-port", "--workers-at"])
def test_a_port_in_use_is_named_before_anything_begins(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        value = str(port) if option == "--metrics-port" else f"127.0.0.1:{port}"
        done = gameday("run", "smoke", "--out", "run", option, value, cwd=tmp_path, ledger=tmp_path)
    assert done.returncode == 2
    assert f"{option}: 127.0.0.1:{port} cannot be used: Address already in use" in done.stderr
    assert not (tmp_path / "run").exists()


def test_recover_with_nothing_open_exits_0(tmp_path: Path) -> None:
    done = gameday("recover", cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 0, done.stderr
    assert "nothing" in done.stdout


def test_init_writes_files_that_check_accepts_and_overwrites_none(tmp_path: Path) -> None:
    assert gameday("init", "mine", cwd=tmp_path, ledger=tmp_path).returncode == 0
    checked = gameday("check", "mine/plan.yaml", cwd=tmp_path, ledger=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "nothing was sent" in checked.stdout
    again = gameday("init", "mine", cwd=tmp_path, ledger=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    shutil.rmtree(tmp_path / "mine")
