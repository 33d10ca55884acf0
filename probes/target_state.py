"""Reads the state file in which a local target says what of it runs where."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from journal.errors import Problem, ProfileError, RunDirectoryError, TargetUnreachable
from journal.records import from_json

SCHEMA = "aia-target/state/1"
START_TOLERANCE_S = 1.5
"""How far two readings of one process's start may differ: they rest on the boot time, which is in whole seconds."""

Role = Literal["supervisor", "redis", "api", "worker"]
Condition = Literal["starting", "running", "down"]


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """Where the target's Redis listens; its password stays in a file, or in the environment under `password_env`."""

    host: str
    port: int
    password_file: str = ""
    password_env: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProcess:
    """One process of the target; `pid` and `started_at` (epoch seconds) are None while it is down."""

    name: str
    role: Role
    state: Condition
    restarts: int = 0
    pid: int | None = None
    started_at: float | None = None
    admin_url: str | None = None
    counters: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What the target says of itself; `pid` is its supervisor's."""

    url: str
    pid: int
    environment: str
    redis: RedisEndpoint
    processes: tuple[TargetProcess, ...]

    def with_role(self, role: Role) -> list[TargetProcess]:
        """The processes of one role, in the order of the file."""
        return [process for process in self.processes if process.role == role]


def incarnation(pid: int, started_at: float) -> str:
    """The name of one life of a process: pids come back, pids with their start do not."""
    return f"{pid}@{started_at:.2f}"


def read_target_state(path: Path) -> TargetState:
    """The state of the target whose file this is.

    Raises:
        TargetUnreachable: there is no such file.
        ProfileError: what is there is no state file, or of another version.
    """
    data = _load(path)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise ProfileError(
            [Problem(str(path), f"is no state file of a target (schema {schema!r})", f"expected {SCHEMA}")]
        )
    try:
        return from_json(TargetState, data, str(path))
    except RunDirectoryError as error:
        raise ProfileError(error.problems) from None


def is_supervised(state: TargetState) -> bool:
    """Whether the supervisor that wrote the state still lives; a state file may outlast a target that was SIGKILLed."""
    return any(
        process.pid is not None and process.started_at is not None and same_incarnation(process.pid, process.started_at)
        for process in state.with_role("supervisor")
    )


def same_incarnation(pid: int, started_at: float) -> bool:
    """Whether the process that started then still runs under this pid; a zombie does not."""
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and abs(process.create_time() - started_at) <= START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        message = f"{path}: there is no state file, so no target runs there; start one with: gameday target up"
        raise TargetUnreachable(message) from None
    except OSError as error:
        raise ProfileError([Problem(str(path), f"the state file cannot be read: {error.strerror}")]) from error
    except ValueError as error:
        raise ProfileError([Problem(str(path), f"the state file is not JSON: {error}")]) from error
