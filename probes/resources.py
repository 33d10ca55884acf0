"""Samples what processes use: memory, processor time, threads, descriptors; keyed by incarnation, not by pid."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import psutil

from journal.readings import Reading
from probes.target_state import START_TOLERANCE_S, incarnation


class Observable(Protocol):
    """What can be sampled: a process of the target's state, or a `Subject`."""

    @property
    def name(self) -> str:
        """The process's name in readings."""

    @property
    def role(self) -> str:
        """See `Reading`."""

    @property
    def pid(self) -> int | None:
        """None while it does not run."""

    @property
    def started_at(self) -> float | None:
        """Its start in epoch seconds, to tell it from a later process with its pid; None takes whatever runs now."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A process of the harness itself."""

    name: str
    role: str
    pid: int | None
    started_at: float | None = None


class ResourceSampler:
    """Samples the same processes again and again, and keeps what it learnt of each to stay cheap.

    The unshared memory (USS) costs a walk over all mappings; it is read on each
    `uss_every`th call and repeated between.
    """

    def __init__(self, uss_every: int = 5) -> None:
        self._uss_every = uss_every
        self._calls = 0
        self._known: dict[tuple[int, float | None], psutil.Process] = {}
        self._uss_bytes: dict[psutil.Process, int] = {}

    def sample(self, processes: Iterable[Observable]) -> list[Reading]:
        """One reading of each process that runs; one that vanished, or whose pid is another's now, is left out."""
        with_uss = self._calls % self._uss_every == 0
        self._calls += 1
        at_ns = time.time_ns()
        found = [(each, self._find(each)) for each in processes]
        self._forget_all_but({process for _, process in found if process})
        readings = (self._read(each, process, at_ns, with_uss) for each, process in found if process)
        return [reading for reading in readings if reading]

    def _find(self, subject: Observable) -> psutil.Process | None:
        if subject.pid is None:
            return None
        key = (subject.pid, subject.started_at)
        known = self._known.get(key)
        if known and known.is_running():
            return known
        try:
            process = psutil.Process(subject.pid)
            started_at = process.create_time()
        except psutil.Error:
            return None
        if subject.started_at is not None and abs(started_at - subject.started_at) > START_TOLERANCE_S:
            return None
        self._known[key] = process
        return process

    def _forget_all_but(self, current: set[psutil.Process]) -> None:
        self._known = {key: process for key, process in self._known.items() if process in current}
        self._uss_bytes = {process: uss for process, uss in self._uss_bytes.items() if process in current}

    def _read(self, subject: Observable, process: psutil.Process, at_ns: int, with_uss: bool) -> Reading | None:
        try:
            with process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    return None
                cpu = process.cpu_times()
                return Reading(
                    at_ns=at_ns,
                    subject=subject.name,
                    role=subject.role,
                    incarnation=incarnation(process.pid, process.create_time()),
                    rss_bytes=process.memory_info().rss,
                    uss_bytes=self._uss(process, with_uss),
                    cpu_s=cpu.user + cpu.system,
                    threads=process.num_threads(),
                    descriptors=_descriptors(process),
                )
        except psutil.Error:
            return None

    def _uss(self, process: psutil.Process, with_uss: bool) -> int:
        if with_uss or process not in self._uss_bytes:
            try:
                self._uss_bytes[process] = process.memory_full_info().uss
            except psutil.AccessDenied:
                self._uss_bytes[process] = 0
        return self._uss_bytes[process]


def _descriptors(process: psutil.Process) -> int:
    try:
        return process.num_fds()
    except psutil.AccessDenied:
        return 0
