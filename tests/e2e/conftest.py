"""Fixtures that run the command `gameday` and end what they started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Background, Run, gameday


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def run_plan(tmp_path: Path, ledger: Path) -> Callable[..., Run]:
    """Runs a plan, given as text, to its end."""

    def run(plan: str, *options: str) -> Run:
        (tmp_path / "plan.yaml").write_text(plan)
        path = tmp_path / "run"
        done = gameday("run", "plan.yaml", "--plain", "--out", str(path), *options, cwd=tmp_path, ledger=ledger)
        return Run(done.returncode, done.stdout + done.stderr, path)

    return run


@pytest.fixture
def start(tmp_path: Path, ledger: Path) -> Iterator[Callable[..., Background]]:
    """Starts `gameday …` in the background; ended with the test, if it has not ended by itself."""
    started: list[Background] = []

    def begin(*arguments: str, name: str = "gameday") -> Background:
        log = tmp_path / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gameday", *arguments],
                cwd=tmp_path,
                env={**os.environ, "GAMEDAY_LEDGER": str(ledger)},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(Background(process, log))
        return started[-1]

    yield begin
    for background in started:
        if background.process.poll() is None:
            background.process.send_signal(signal.SIGTERM)
            background.process.wait(30)
