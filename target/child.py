"""One supervised process: its incarnations, whether it is ready, and when it may start again."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from target.processes import Backoff, spawn
from target.state_file import Condition, ProcessEntry, Role

READY_FD_VARIABLE = "AIA_READY_FD"


class Child:
    """A slot that is filled by one incarnation after the other.

    Python children tell through a pipe that they are ready (`report_ready`); Valkey cannot, it is asked from outside.
    """

    def __init__(
        self,
        name: str,
        role: Role,
        command: list[str],
        *,
        log_file: Path,
        environment: Mapping[str, str],
        counters_file: Path | None = None,
    ) -> None:
        self.name = name
        self.role = role
        self.log_file = log_file
        self.state: Condition = "down"
        self.restarts = 0
        self.due_at = float("inf")
        self.process: subprocess.Popen[bytes] | None = None
        self.pid_fd = -1
        self.ready_fd: int | None = None
        self._command = command
        self._environment = environment
        self._counters_file = counters_file
        self._admin_url: str | None = None
        self._backoff = Backoff()
        self._started_at = 0.0

    def start(self) -> None:
        """Start the next incarnation."""
        environment = dict(self._environment)
        told_fds: tuple[int, ...] = ()
        if self.role != "redis":
            self.ready_fd, told = os.pipe()
            environment[READY_FD_VARIABLE] = str(told)
            told_fds = (told,)
        self.process = spawn(self._command, log_file=self.log_file, environment=environment, pass_fds=told_fds)
        for fd in told_fds:
            os.close(fd)
        self.pid_fd = os.pidfd_open(self.process.pid)
        self._started_at = time.monotonic()
        self.state = "starting"

    def read_ready(self) -> None:
        """Take what the child said through its pipe; nothing when it ended without a word."""
        assert self.ready_fd is not None
        said = os.read(self.ready_fd, 4096)
        self._close_ready()
        if said:
            self._admin_url = json.loads(said).get("admin_url")
            self.state = "running"

    def reap(self) -> int:
        """Note that the process has ended and when it is due again; returns its exit code (negative: the signal)."""
        assert self.process is not None
        code = self.process.wait()
        os.close(self.pid_fd)
        self._close_ready()
        now = time.monotonic()
        self.due_at = now + self._backoff.delay_s(now - self._started_at)
        self.process = None
        self._admin_url = None
        self.restarts += 1
        self.state = "down"
        return code

    def _close_ready(self) -> None:
        if self.ready_fd is not None:
            os.close(self.ready_fd)
        self.ready_fd = None

    def entry(self) -> ProcessEntry:
        """The child as the state file shows it."""
        return ProcessEntry(
            name=self.name,
            role=self.role,
            pid=self.process.pid if self.process else None,
            restarts=self.restarts,
            state=self.state,
            admin_url=self._admin_url,
            counters=self._counters_file,
        )


def report_ready(**facts: str) -> None:
    """In a child: tell the supervisor, if there is one, that it is ready, and what it needs to know."""
    fd = os.environ.pop(READY_FD_VARIABLE, None)
    if fd is not None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(int(fd), "w") as pipe:
            json.dump(facts, pipe)
