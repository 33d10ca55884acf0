"""The generator watches itself: how late its event loop wakes up, and what its process uses."""

import os
import time
from typing import NoReturn

import gevent
import psutil

from journal.outcomes import Endpoint, Kind, Outcome
from journal.readings import Reading
from load.health.cgroups import ControlGroups
from load.recorder import Recorder

LOOP_LAG = Endpoint(Kind.GENERATOR, "generator", "loop lag")
LAG_INTERVAL_S = 0.02
USS_EVERY_S = 10.0


def measure_loop_lag(recorder: Recorder, interval_s: float = LAG_INTERVAL_S) -> NoReturn:
    """Sleeps again and again and records by how much each sleep was too long; runs until its greenlet is killed."""
    series = recorder.series(LOOP_LAG)
    interval_ns = round(interval_s * 1e9)
    while True:
        began_ns = time.perf_counter_ns()
        gevent.sleep(interval_s)
        late_ns = time.perf_counter_ns() - began_ns - interval_ns
        series.start()
        series.end(Outcome.OK, None, lag_us=max(0, late_ns // 1000))


class ProcessWatch:
    """Readings of this process. USS, which is slow to read, is taken every ten seconds and 0 between."""

    def __init__(self, subject: str) -> None:
        self._process = psutil.Process(os.getpid())
        self._subject = subject
        self._incarnation = f"{self._process.pid}@{self._process.create_time():.2f}"
        self._uss_at_s = -USS_EVERY_S
        self._groups = ControlGroups()

    def read(self) -> Reading:
        """What the process uses now."""
        allowed = self._groups.read()
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            return Reading(
                at_ns=time.time_ns(),
                subject=self._subject,
                role="generator",
                incarnation=self._incarnation,
                rss_bytes=self._process.memory_info().rss,
                uss_bytes=self._uss(),
                cpu_s=cpu.user + cpu.system,
                threads=self._process.num_threads(),
                descriptors=self._process.num_fds(),
                cpu_limit_cores=allowed.cores,
                throttled_periods=allowed.throttled_periods,
                throttled_s=allowed.throttled_s,
            )

    def _uss(self) -> int:
        if time.monotonic() - self._uss_at_s < USS_EVERY_S:
            return 0
        self._uss_at_s = time.monotonic()
        return int(self._process.memory_full_info().uss)
