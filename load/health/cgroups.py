"""What the kernel's control groups let this process use of the processors, and how often they held it back.

Both versions: v1 (`cpu.cfs_quota_us`, `throttled_time` in ns) and v2 (`cpu.max`, `throttled_usec`).
Limits nest, and a process feels the tightest; each group counts only what its own limit did, so that the counts of all
groups above a process add up.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_CPUSETS = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")


@dataclass(frozen=True, slots=True)
class CpuAllowance:
    """How many cores this process may use by quotas, cpusets and affinity together.

    `throttled_periods`: in how many periods of a quota its groups were held back, since these were made; `throttled_s`:
    for how long, summed over processors.
    """

    cores: float
    throttled_periods: int = 0
    throttled_s: float = 0.0


class ControlGroups:
    """The groups of this process. They are looked up once; what they allow may change, and is read each time."""

    def __init__(self, root: Path = Path("/"), affinity: Callable[[], int] | None = None) -> None:
        self._affinity = affinity or _affinity
        mounts = list(_mounts(root))
        self._cpu = _groups(root, mounts, "cpu")
        self._cpuset = _groups(root, mounts, "cpuset")

    def read(self) -> CpuAllowance:
        """The allowance now; a file that cannot be read sets no limit."""
        limits = [float(self._affinity())]
        limits += [cores for group in self._cpu if (cores := _quota_cores(group)) is not None]
        limits += [float(size) for group in self._cpuset if (size := _cpuset_size(group))]
        stats = [_stat(group) for group in self._cpu]
        return CpuAllowance(
            cores=min(limits),
            throttled_periods=sum(stat.get("nr_throttled", 0) for stat in stats),
            throttled_s=sum(
                stat.get("throttled_usec", 0) / 1e6 + stat.get("throttled_time", 0) / 1e9 for stat in stats
            ),
        )


def _affinity() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Mount:
    """A hierarchy as this process sees it: `within` of the hierarchy is at `point`; v2 has no names of controllers."""

    point: PurePosixPath
    within: PurePosixPath
    version: int
    controllers: frozenset[str]


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _text(root / "proc/self/mountinfo").splitlines():
        mount, _, file_system = line.partition(" - ")
        fields, kind = mount.split(), file_system.split()
        if len(fields) >= 5 and len(kind) >= 3 and kind[0] in {"cgroup", "cgroup2"}:
            controllers = frozenset(kind[2].split(",")) if kind[0] == "cgroup" else frozenset[str]()
            version = 1 if kind[0] == "cgroup" else 2
            yield _Mount(PurePosixPath(fields[4]), PurePosixPath(fields[3]), version, controllers)


def _groups(root: Path, mounts: list[_Mount], controller: str) -> list[Path]:
    """The folders of the process's group and of all above it that can be seen, the nearest first."""
    mount = next((mount for mount in mounts if controller in mount.controllers), None)
    mount = mount or next((mount for mount in mounts if mount.version == 2), None)
    if mount is None:
        return []
    top = root / mount.point.relative_to("/")
    own = top / _own_path(root, mount, controller)
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(top)]


def _own_path(root: Path, mount: _Mount, controller: str) -> PurePosixPath:
    """The process's group below the mount; a group that lies outside of it, as in some containers, is the mount's."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if (controller in controllers.split(",")) if mount.version == 1 else not controllers:
            with suppress(ValueError):
                below = PurePosixPath(path).relative_to(mount.within)
                return below if ".." not in below.parts else PurePosixPath()
    return PurePosixPath()


def _quota_cores(group: Path) -> float | None:
    """The quota of one group in cores, None where it has none."""
    words = _text(group / "cpu.max").split()
    if not words:
        words = [*_text(group / "cpu.cfs_quota_us").split(), *_text(group / "cpu.cfs_period_us").split()]
    with suppress(ValueError, ZeroDivisionError):
        quota_us, period_us = map(int, words)
        return quota_us / period_us if quota_us > 0 else None
    return None  # "max", or no such file


def _cpuset_size(group: Path) -> int:
    """How many processors a list such as "0-3,8" names; 0 where there is none."""
    names = next((text for name in _CPUSETS if (text := _text(group / name).strip())), "")
    ranges = (part.partition("-") for part in names.split(","))
    try:
        return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)
    except ValueError:
        return 0


def _stat(group: Path) -> dict[str, int]:
    pairs = (line.split() for line in _text(group / "cpu.stat").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
