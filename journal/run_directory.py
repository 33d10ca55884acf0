"""The run directory: the names of its files, how it is made, and how it is opened again."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from journal.errors import Problem, RunDirectoryError
from journal.manifest import Manifest, read_manifest, write_manifest


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
    except OSError as error:
        raise RunDirectoryError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error
    return run


def create_run_directory(path: Path, manifest: Manifest) -> RunDirectory:
    """Makes the directory and writes the manifest. Raises RunDirectoryError."""
    run = make_run_directory(path)
    try:
        write_manifest(run.manifest, manifest)
    except OSError as error:
        raise RunDirectoryError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error
    return run
