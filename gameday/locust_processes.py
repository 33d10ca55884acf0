"""The command lines of the Locust master and its workers; the conductor itself never imports Locust."""

import re
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from journal.errors import CommandError, HarnessDefect, Problem
from journal.run_directory import RunDirectory


@dataclass(frozen=True)
class Address:
    """A host, or an address of it, and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> "Address":
        """The address written as HOST:PORT. Raises CommandError, which names the option."""
        host, _, port = text.rpartition(":")
        # a name or an IPv4 address: Locust takes no other, and would fail only later
        if not re.fullmatch(r"\*|[A-Za-z0-9._-]+", host) or not re.fullmatch(r"[0-9]{1,5}", port):
            raise _no_address(text, option)
        if not 0 < int(port) < 65536:
            raise _no_address(text, option)
        return cls(host, int(port))


def require_free(at: Address, option: str) -> None:
    """Raises CommandError, which names the option, when nobody could listen there."""
    host = "" if at.host == "*" else at.host
    try:
        with socket.create_server((host, at.port)):
            pass
    except OSError as error:
        what = f"{at.host}:{at.port} cannot be used: {error.strerror}"
        raise CommandError([Problem(option, what, "choose a free port of this machine")]) from error


def _no_address(text: str, option: str) -> CommandError:
    return CommandError([Problem(option, f"{text!r} is no HOST:PORT", "write for example 0.0.0.0:5557")])


@dataclass(frozen=True)
class MetricsAt:
    """Where the master serves the metrics of the run; port 0: nowhere."""

    host: str = "127.0.0.1"
    port: int = 0


def free_address() -> Address:
    """A loopback address on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", int(probe.getsockname()[1]))


def journeys_folder() -> Path:
    """Where the journeys lie, found without importing them."""
    spec = find_spec("locustfiles")
    if spec is None or not spec.submodule_search_locations:
        raise HarnessDefect("the package `locustfiles` is not installed; install aia-gameday again")
    return Path(next(iter(spec.submodule_search_locations)))


def _locust(*options: str) -> list[str]:
    command = [sys.executable, "-P", "-m", "locust", "--headless", "-f", str(journeys_folder()), "--loglevel", "INFO"]
    return [*command, *options]


def master_command(
    run: RunDirectory, *, base_url: str, at: Address, workers: int, workers_within_s: float, metrics: MetricsAt
) -> list[str]:
    """The master of a conducted run: it waits for its workers, drives the stages of the manifest's plan, and ends."""
    return _locust(
        *("--master", "--master-bind-host", at.host, "--master-bind-port", str(at.port)),
        *("--expect-workers", str(workers), "--expect-workers-max-wait", f"{workers_within_s:.0f}"),
        *("--host", base_url, "--run-dir", str(run.path), "--only-summary"),
        *("--metrics-host", metrics.host, "--metrics-port", str(metrics.port)),
    )


def worker_command(master: Address) -> list[str]:
    """One worker; target, plan and profile reach it from the master, for which it waits up to five minutes."""
    return _locust("--worker", "--master-host", master.host, "--master-port", str(master.port))
