"""The run directory: the names of its files, how it is made, and how it is opened again."""

import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from journal.errors import Problem, RunDirectoryError
from journal.manifest import Manifest, read_manifest, write_manifest

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk, or a used-up quota, answers."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where everything of one run lies; the only thing that stages share."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What the run was."""
        return self.path / "manifest.json"

    @property
    def frames(self) -> Path:
        """What the load saw."""
        return self.path / "frames.bin"

    @property
    def failures(self) -> Path:
        """Single bad endings."""
        return self.path / "failures.jsonl"

    @property
    def timeline(self) -> Path:
        """What happened beside the load."""
        return self.path / "timeline.jsonl"

    @property
    def readings(self) -> Path:
        """What processes used."""
        return self.path / "readings.jsonl"

    @property
    def orders(self) -> Path:
        """What the conductor of a search for the capacity told the Locust master."""
        return self.path / "orders.jsonl"

    @property
    def spool(self) -> Path:
        """What workers of this machine could not hand over; there only while they run, or after they were killed."""
        return self.path / "spool"

    @property
    def logs(self) -> Path:
        """What the processes of the harness and the embedded target printed."""
        return self.path / "logs"

    @property
    def verdict(self) -> Path:
        """The verdict, written by the analysis."""
        return self.path / "verdict.json"

    @property
    def capacity(self) -> Path:
        """What a search for the capacity found, written by the analysis."""
        return self.path / "capacity.json"

    def read_manifest(self) -> Manifest:
        """The manifest. Raises RunDirectoryError."""
        if not self.path.is_dir():
            problem = Problem(str(self.path), "there is no such run directory", "see the folder runs/ for past runs")
            raise RunDirectoryError([problem])
        return read_manifest(self.manifest)


def unwritable(path: Path, error: OSError) -> RunDirectoryError:
    """The error for what cannot be written at `path`, with a remedy where the disk is full."""
    full = error.errno in NO_ROOM
    return RunDirectoryError(
        [Problem(str(path), f"cannot be written: {error.strerror}", "make room on the disk" if full else "")]
    )


def has_room(path: Path) -> bool:
    """Whether the disk that holds `path` has a block to spare for this user."""
    disk = os.statvfs(path)
    return (disk.f_bavail if os.geteuid() else disk.f_bfree) > 0


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all. Raises RunDirectoryError, and leaves no draft."""
    draft = path.with_suffix(path.suffix + ".tmp")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def new_run_id() -> str:
    """A short name for a run, unlikely to occur twice on one machine."""
    return secrets.token_hex(4)


def make_run_directory(path: Path) -> RunDirectory:
    """Makes the directory with its folder of logs; the manifest follows once the target is known.

    Raises:
        RunDirectoryError: the path holds something already, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RunDirectoryError([Problem(str(path), "the directory is not empty", "name another one")])
        run = RunDirectory(path)
        run.logs.mkdir()
    except FileExistsError as error:
        raise RunDirectoryError([Problem(str(path), "is a file, not a directory", "name another one")]) from error
    except OSError as error:
        raise unwritable(path, error) from error
    return run


def create_run_directory(path: Path, manifest: Manifest) -> RunDirectory:
    """Makes the directory and writes the manifest. Raises RunDirectoryError."""
    run = make_run_directory(path)
    try:
        write_manifest(run.manifest, manifest)
    except OSError as error:
        raise unwritable(path, error) from error
    return run
