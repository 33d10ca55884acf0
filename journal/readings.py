"""Readings: one observation each of one process of the target or of the generator."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from journal.frame_file import Damage
from journal.json_lines import JsonLines, read_records
from journal.records import parsed


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process used at one moment. `incarnation` tells a restarted process from its forerunner.

    `role` is "api", "worker", "redis", "supervisor" for the target, "generator" or "conductor" for the harness;
    `cpu_s` is user and system time since the process began; memory is in bytes, and 0 where it could not be read.
    Of the generator's processes also: `cpu_limit_cores`, what quotas, cpusets and affinity let the process use, and how
    often (`throttled_periods`) and how long (`throttled_s`) a quota has held its control groups back so far.
    """

    at_ns: int
    subject: str
    role: str
    incarnation: str
    rss_bytes: int
    uss_bytes: int
    cpu_s: float
    threads: int
    descriptors: int
    cpu_limit_cores: float = 0.0
    throttled_periods: int = 0
    throttled_s: float = 0.0


class ReadingWriter:
    """Appends readings to one file."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def write(self, readings: Iterable[Reading]) -> None:
        """Writes some readings."""
        for reading in readings:
            self._lines.append(asdict(reading))

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        self._lines.close()


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """The readings of one incarnation in order of time, as columns of equal length."""

    subject: str
    role: str
    incarnation: str
    at_ns: NDArray[np.int64]
    rss_bytes: NDArray[np.int64]
    uss_bytes: NDArray[np.int64]
    cpu_s: NDArray[np.float64]
    threads: NDArray[np.int64]
    descriptors: NDArray[np.int64]
    cpu_limit_cores: NDArray[np.float64]
    throttled_periods: NDArray[np.int64]
    throttled_s: NDArray[np.float64]


_WHOLE = ("at_ns", "rss_bytes", "uss_bytes", "threads", "descriptors", "throttled_periods")
_REAL = ("cpu_s", "cpu_limit_cores", "throttled_s")


def read_readings(path: Path) -> tuple[list[ReadingSeries], list[Damage]]:
    """One series per incarnation, in order of first appearance, and what could not be read."""
    readings, damages = read_records(path, partial(parsed, Reading), "a reading")
    groups: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.subject, reading.incarnation), []).append(reading)
    return [_series(group) for group in groups.values()], damages


def _series(readings: list[Reading]) -> ReadingSeries:
    ordered = sorted(readings, key=lambda reading: reading.at_ns)

    def column(name: str, dtype: type) -> NDArray[Any]:
        return np.array([getattr(reading, name) for reading in ordered], dtype=dtype)

    return ReadingSeries(
        subject=ordered[0].subject,
        role=ordered[0].role,
        incarnation=ordered[0].incarnation,
        **{name: column(name, np.int64) for name in _WHOLE},
        **{name: column(name, np.float64) for name in _REAL},
    )
