"""What this worker can do at most, and how fast an answer can look to it: measured against a target that does nothing.

The client and the recorder are those of the load. First one user alone finds the floor of the service time, then many
users at once find the cost of a request in CPU time, by which the ceiling is reckoned: so other processes that share
the processors do not lower it. What a journey itself computes is not in it, nor is TLS.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gevent
from gevent import subprocess

from journal.columns import FrameColumns, merge
from journal.errors import HarnessDefect
from journal.outcomes import Kind
from journal.profile import Profile
from load.health import null_server
from load.health.cgroups import ControlGroups
from load.health.monitor import measure_loop_lag
from load.http import Client, Session
from load.logbook import Logbook
from load.recorder import Recorder

PATH = "/calibration"
USERS = 20
FLOOR_SHARE = 0.3
FEWEST_REQUESTS = 20
LONGER_S = 5.0
"""A machine that is too busy for so few requests in time is given so much more."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The outcome: requests per second with all the CPU time that the process may use, and the floor of each latency.

    `cores`: what it may use, at most one core; `requests`: how many the ceiling was reckoned from.
    """

    ceiling_per_s: float
    cores: float
    requests: int
    service_p50_ms: float
    service_p99_ms: float
    lag_p99_ms: float


def calibrate(profile: Profile, seconds: float) -> Calibration:
    """Takes so many seconds, and little more.

    Raises:
        HarnessDefect: the null target does not start, or does not answer as it should.
    """
    with null_target() as url:
        alone, _ = _drive(url, profile, users=1, seconds=seconds * FLOOR_SHARE)
        crowded, cpu_s = _drive(url, profile, users=USERS, seconds=seconds * (1 - FLOOR_SHARE))
    floor = alone.histogram(_rows(alone, Kind.REQUEST))
    lag = alone.histogram(_rows(alone, Kind.GENERATOR), name="lag")
    requests = len(crowded.histogram(_rows(crowded, Kind.REQUEST)))
    if min(requests, len(floor)) < FEWEST_REQUESTS or not cpu_s:
        raise HarnessDefect(f"the null target answered {min(requests, len(floor))} requests, which are too few")
    cores = min(1.0, ControlGroups().read().cores)
    return Calibration(
        ceiling_per_s=round(cores * requests / cpu_s),
        cores=round(cores, 3),
        requests=requests,
        service_p50_ms=floor.quantile_us(0.5) / 1000,
        service_p99_ms=floor.quantile_us(0.99) / 1000,
        lag_p99_ms=lag.quantile_us(0.99) / 1000 if len(lag) else 0.0,
    )


@contextmanager
def null_target() -> Iterator[str]:
    """The address of a null target that runs within the with block. Raises HarnessDefect when it does not start."""
    command = [sys.executable, "-I", "-S", str(Path(null_server.__file__))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        port = process.stdout.readline().strip()
        if not port.isdigit():
            raise HarnessDefect(f"the null target ended with code {process.wait()}")
        yield f"http://127.0.0.1:{port.decode()}"
    finally:
        process.kill()  # it holds nothing that would have to be put in order
        process.stdin.close()
        process.stdout.close()
        process.wait()


def _drive(url: str, profile: Profile, users: int, seconds: float) -> tuple[FrameColumns, float]:
    """Lets users ask without a pause; what was recorded, and the CPU time of this process meanwhile."""
    recorder = Recorder("calibration", ())
    logbook = Logbook(recorder)
    cpu_began_s, ends_s = time.process_time(), time.monotonic() + seconds
    lag = gevent.spawn(measure_loop_lag, recorder)
    askers = [gevent.spawn(_ask, url, profile, logbook, ends_s, FEWEST_REQUESTS // users) for _ in range(users)]
    try:
        gevent.joinall(askers, raise_error=True)
    finally:
        gevent.killall([lag, *askers])
    cpu_s = time.process_time() - cpu_began_s
    return merge(recorder.close()), cpu_s


def _ask(url: str, profile: Profile, logbook: Logbook, ends_s: float, fewest: int) -> None:
    """Asks until the time is over, and at least `fewest` times if that does not take very much longer."""
    session = Session(Client(url, profile), logbook, "calibration")
    asked = 0
    try:
        while time.monotonic() < ends_s + (LONGER_S if asked < fewest else 0.0):
            answer = session.call("GET", PATH)
            if not answer.ok:
                raise HarnessDefect(f"the null target did not answer: {answer.detail}")
            asked += 1
    finally:
        session.close()


def _rows(columns: FrameColumns, kind: Kind) -> list[int]:
    return [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is kind]
