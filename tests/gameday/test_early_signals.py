"""A signal that comes while the command is still loading its libraries ends it as any other interruption does."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and hands that down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_libraries_load_exits_130_without_a_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "yaml.py").write_text("import time\ntime.sleep(60)  # the library that takes so long to load\n")
    command = [sys.executable, "-P", "-m", "gameday", "report", "nowhere"]
    slow = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=slow, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not catches(process.pid, signal.SIGTERM):  # SIGINT has a handler of Python's from the start
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.001)
        os.kill(process.pid, number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
