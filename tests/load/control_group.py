"""A control group with a quota, for tests that may make one: as root, where the controller of processors is there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


@contextmanager
def group_of(cores: float) -> Iterator[Path]:
    """A new group whose processes use up to so many cores together; write a pid into its `cgroup.procs`.

    Processes that are still in it at the end are moved out. Skips the test where no group can be made.
    """
    parent = next((folder for folder in (ROOT / "cpu", ROOT / "cpu,cpuacct", ROOT) if _can_limit(folder)), None)
    if parent is None or not os.access(parent, os.W_OK):
        pytest.skip("no control group can be made here")
    group = parent / f"gameday-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        set_quota(group, cores)
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def set_quota(group: Path, cores: float) -> None:
    """From now on the processes of a group use up to so many cores together."""
    quota_us = round(cores * PERIOD_US)
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))


def _can_limit(folder: Path) -> bool:
    if (folder / "cpu.cfs_quota_us").exists():
        return True
    try:
        return "cpu" in (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
