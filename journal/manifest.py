"""The manifest: what a run was, written once before its first request; without it a run cannot be judged."""

import json
import os
import platform
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from journal.capacity import Search
from journal.errors import Problem, RunDirectoryError
from journal.plan import Plan
from journal.profile import Profile
from journal.records import from_json, to_json

SCHEMA = "aia-gameday/run/1"
_SO_TIMESTAMPNS = 35  # of Linux; the module `socket` does not name it
_DISTRIBUTIONS = ("aia-gameday", "locust", "gevent", "httptools", "numpy", "scipy", "chaostoolkit-lib")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The generator's machine, as far as it matters for comparing runs."""

    system: str
    python: str
    cores: int
    memory_bytes: int
    processor: str


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What stamped the service times.

    `kernel`: the arrival of the last byte as the kernel saw it, so the generator's own delay is not included;
    `perf_counter`: the clock of user space, so it is.
    """

    source: str = "perf_counter"
    note: str = "service times contain the delay of the generator's own event loop"


@dataclass(frozen=True, kw_only=True)
class ReadingsOrigin:
    """Where the target's readings come from; `note` says why from no better place, or why there are none."""

    source: str = "unknown"
    note: str = ""

    @property
    def of_containers(self) -> bool:
        """Whether they are about containers: then the resident memory is a working set, which holds page cache too."""
        return self.source not in {"unknown", "none", "psutil"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run was. `command` reproduces it; `created_at_ns` is in epoch nanoseconds; `capacity`: of a search."""

    run_id: str
    created_at_ns: int
    command: str
    base_url: str
    plan: Plan
    profile: Profile
    machine: Machine
    versions: dict[str, str]
    clock: Clock = field(default_factory=Clock)
    readings: ReadingsOrigin = field(default_factory=ReadingsOrigin)
    capacity: Search | None = None
    schema: str = SCHEMA


def this_clock() -> Clock:
    """What stamps the service times of generators on this machine, whose kernel is asked; workers warn of their own."""
    if not _stamps_what_it_receives():
        return Clock()
    return Clock(source="kernel", note="arrival of the last byte at the kernel, without the delay of the generator")


def _stamps_what_it_receives() -> bool:
    if platform.system() != "Linux":
        return False
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def this_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        python=sys.version.split()[0],
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        processor=_processor(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def installed_versions(distributions: Iterable[str] = _DISTRIBUTIONS) -> dict[str, str]:
    """The versions of what shapes a measurement; a distribution that is not installed is left out."""
    versions = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes the manifest whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(to_json(manifest), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`.

    Raises:
        RunDirectoryError: it is missing, no JSON, of an unknown schema, or lacks something.
    """
    data = _load(path)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        remedy = f"this version reads {SCHEMA}; judge the run with the version that wrote it"
        raise RunDirectoryError([Problem(str(path), f"unknown schema {schema!r}", remedy)])
    return from_json(Manifest, data, "manifest")


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        remedy = "name a run directory, as printed at the end of a run"
        raise RunDirectoryError([Problem(str(path), "there is no manifest", remedy)]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError([Problem(str(path), f"the manifest cannot be read: {error}")]) from error
