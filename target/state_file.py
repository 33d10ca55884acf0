"""The state file: what of the target runs where, for those who look at it or break it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from target.settings import Settings

NAME = "state.json"
SCHEMA = "aia-target/state/1"

Role = Literal["supervisor", "redis", "api", "worker"]
Condition = Literal["starting", "running", "down"]


@dataclass(frozen=True, kw_only=True)
class ProcessEntry:
    """One process as the state file shows it; `pid` is None while it is down."""

    name: str
    role: Role
    pid: int | None
    restarts: int
    state: Condition
    admin_url: str | None = None
    counters: Path | None = None

    def to_json(self) -> dict[str, object]:
        """The entry's JSON object; `started_at` is psutil's creation time, which with the pid names an incarnation."""
        entry: dict[str, object] = {
            "name": self.name,
            "role": self.role,
            "pid": self.pid,
            "started_at": _creation_time(self.pid),
            "restarts": self.restarts,
            "state": self.state,
        }
        if self.role == "api":
            entry |= {"admin_url": self.admin_url, "counters": str(self.counters)}
        return entry


def _creation_time(pid: int | None) -> float | None:
    try:
        return None if pid is None else psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def write(path: Path, settings: Settings, processes: list[ProcessEntry], *, started_at_ns: int) -> None:
    """Replace the state file at once: a reader sees the old or the new one, never half of it."""
    document = {
        "schema": SCHEMA,
        "url": settings.url,
        "started_at_ns": started_at_ns,
        "pid": os.getpid(),
        "environment": "embedded",
        "redis": {
            "host": "127.0.0.1",
            "port": settings.redis_port,
            "password_file": str(settings.state_dir / "redis-password"),
        },
        "rate_limit_per_hour": settings.rate_limit_per_hour,
        "defects": list(settings.defects),
        "processes": [entry.to_json() for entry in processes],
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
