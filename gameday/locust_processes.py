"""The command lines of the Locust master and its workers; the conductor itself never imports Locust."""

import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from journal.errors import HarnessDefect
from journal.run_directory import RunDirectory


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def journeys_folder() -> Path:
    """Where the journeys lie, found without importing them."""
    spec = find_spec("locustfiles")
    if spec is None or not spec.submodule_search_locations:
        raise HarnessDefect("the package `locustfiles` is not installed; install aia-gameday again")
    return Path(next(iter(spec.submodule_search_locations)))


def _locust(*options: str) -> list[str]:
    command = [sys.executable, "-P", "-m", "locust", "--headless", "-f", str(journeys_folder()), "--loglevel", "INFO"]
    return [*command, *options]


def master_command(run: RunDirectory, *, base_url: str, port: int, workers: int, metrics_port: int) -> list[str]:
    """The master of a conducted run: it waits for its workers, drives the stages of the manifest's plan, and ends."""
    return _locust(
        *("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)),
        *("--expect-workers", str(workers), "--expect-workers-max-wait", "60"),
        *("--host", base_url, "--run-dir", str(run.path), "--metrics-port", str(metrics_port), "--only-summary"),
    )


def worker_command(*, base_url: str, port: int) -> list[str]:
    """One worker; plan and profile reach it from the master."""
    return _locust("--worker", "--master-host", "127.0.0.1", "--master-port", str(port), "--host", base_url)
