"""Starts the embedded reference AIA for one run, as a child that ends with the conductor."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gameday.children import end, spawn
from journal.errors import HarnessDefect, Problem, ProfileError
from journal.profile import Profile

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_UP = re.compile(r"AIA is up at (\S+) \(state file: (.+)\)")


@dataclass(frozen=True)
class EmbeddedTarget:
    """A running embedded target."""

    process: subprocess.Popen[bytes]
    url: str
    state_file: Path

    def stop(self) -> None:
        """Takes it down, with all of its processes."""
        end(self.process, patience_s=STOP_TIMEOUT_S)


def start_embedded_target(profile: Profile, log: Path) -> EmbeddedTarget:
    """The target, ready for requests on a free loopback port.

    Raises:
        ProfileError: the target refuses its options.
        HarnessDefect: it did not start.
    """
    wanted = profile.embedded
    command = [sys.executable, "-P", "-m", "target", "--port", "0"]
    command += ["--replicas", str(wanted.replicas), "--workers", str(wanted.workers)]
    command += ["--rate-limit-per-hour", str(profile.limits.requests_per_hour_per_user)]
    command += ["--parent-pid", str(os.getpid())]
    command += [part for defect in wanted.defects for part in ("--defect", defect)]
    process = spawn(command, log=log, death_signal=signal.SIGTERM)
    try:
        url, state_file = _await_up(process, log)
    except BaseException:  # whatever stops us here, an interrupt included, must not leave the target behind
        end(process, patience_s=STOP_TIMEOUT_S)
        raise
    return EmbeddedTarget(process, url, Path(state_file))


def _await_up(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        printed = log.read_text(errors="replace")
        up = _UP.search(printed)
        if up:
            return up[1], up[2]
        if process.poll() is not None:
            problem = Problem("embedded target", printed.strip() or f"ended with code {process.returncode}")
            if process.returncode != 2:
                raise HarnessDefect(str(problem))
            log.unlink()  # the error says all that it holds
            raise ProfileError([problem])
        time.sleep(0.05)
    raise HarnessDefect(f"the embedded target was not up after {START_TIMEOUT_S:g} s; see {log}")
