"""Children end with the conductor, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from gameday.children import Children, end, spawn

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def await_text(log: Path) -> None:
    deadline = time.monotonic() + 10
    while "up" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    program = (
        "import sys, time; from pathlib import Path; from gameday.children import spawn\n"
        f"child = spawn({SLEEPER!r}, log=Path({str(log)!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    await_text(log)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    child.wait(5)
    assert not child.is_running()


def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn(STUBBORN, log=log)
    await_text(log)
    end(child, patience_s=0.2)
    assert child.returncode == -signal.SIGKILL


def test_all_children_are_ended_when_the_run_ends_by_an_error(tmp_path: Path) -> None:
    processes = []
    try:
        with Children(patience_s=2) as children:
            for name in ("a", "b"):
                log = tmp_path / name
                processes.append(children.start(name, spawn(SLEEPER, log=log)))
                await_text(log)
            assert set(children.pids()) == {"a", "b"}
            raise RuntimeError("something broke")
    except RuntimeError:
        pass
    assert [process.poll() for process in processes] == [-signal.SIGTERM] * 2


def test_a_child_is_not_reached_by_ctrl_c_of_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn(SLEEPER, log=log)
    await_text(log)
    assert os.getpgid(child.pid) != os.getpgid(0)
    end(child, patience_s=2)
