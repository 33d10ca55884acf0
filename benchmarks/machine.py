"""What a benchmark needs of the machine: two cores, the tools of others, processes on a core of their own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]


def cores() -> tuple[int, int]:
    """The core of the generator and the core of the server."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        sys.exit("these benchmarks need two cores: one for the generator, one for the server")
    return found[0], found[1]


def tool(name: str) -> str:
    """The path of a program: from GAMEDAY_NAME in the environment, else from PATH."""
    given = os.environ.get(f"GAMEDAY_{name.upper()}", "")
    found = given or shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if not found or not os.access(found, os.X_OK):
        remedy = f"install it (Debian: nginx-light, hey; k6 from k6.io), or name it by GAMEDAY_{name.upper()}"
        sys.exit(f"{name} is missing: {remedy}")
    return found


def free_port() -> int:
    """A port of loopback on which nobody listens at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def process(command: Sequence[str], core: int, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process on one core, ended with the block."""
    started = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(10)
        if started.poll() is None:
            started.kill()
        started.communicate()


def wait_for_port(port: int, within_s: float = 10.0) -> None:
    """Waits until somebody listens there."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


class CpuWatch:
    """The CPU time that a process used since this was made, in all of its threads."""

    def __init__(self, pid: int) -> None:
        self._clock = (~pid << 3) | 2  # how Linux names the CPU clock of another process; /proc counts hundredths
        self._began_s, self._used_s = time.perf_counter(), time.clock_gettime(self._clock)

    def used_s(self) -> float:
        return time.clock_gettime(self._clock) - self._used_s

    def share(self) -> float:
        """Of one core."""
        return self.used_s() / (time.perf_counter() - self._began_s)
