"""What control groups allow is found in trees of both versions, recorded or laid out as containers see them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from load.health.cgroups import ControlGroups
from tests.load.control_group import group_of

SAMPLES = Path(__file__).parent / "samples"
GROUP_2 = "/sys/fs/cgroup/gameday.slice/worker.scope"
V2_HOST = f"""
/proc/self/cgroup:0::/gameday.slice/worker.scope
/proc/self/mountinfo:31 23 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate
{GROUP_2}/cpu.max:150000 100000
{GROUP_2}/cpu.stat:usage_usec 1990707
{GROUP_2}/cpu.stat:nr_periods 397
{GROUP_2}/cpu.stat:nr_throttled 7
{GROUP_2}/cpu.stat:throttled_usec 250000
{GROUP_2}/cpuset.cpus.effective:0-2,5
/sys/fs/cgroup/gameday.slice/cpu.max:25000 50000
/sys/fs/cgroup/gameday.slice/cpu.stat:nr_throttled 3
/sys/fs/cgroup/gameday.slice/cpu.stat:throttled_usec 1000000
/sys/fs/cgroup/cpu.stat:usage_usec 9000000
/sys/fs/cgroup/cpuset.cpus.effective:0-7
"""
V2_CONTAINER = """
/proc/self/cgroup:0::/
/proc/self/mountinfo:1530 1529 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
/sys/fs/cgroup/cpu.max:max 100000
/sys/fs/cgroup/cpuset.cpus.effective:4-6
"""
V1_CONTAINER = """
/proc/self/cgroup:5:cpuset:/docker/8c1f
/proc/self/cgroup:3:cpu,cpuacct:/docker/8c1f
/proc/self/mountinfo:840 830 0:33 /docker/8c1f /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
/proc/self/mountinfo:841 830 0:34 /docker/8c1f /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset
/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us:30000
/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us:100000
/sys/fs/cgroup/cpu,cpuacct/cpu.stat:nr_throttled 11
/sys/fs/cgroup/cpu,cpuacct/cpu.stat:throttled_time 1500000000
/sys/fs/cgroup/cpuset/cpuset.cpus:0-3
"""


@pytest.fixture
def groups(tmp_path: Path) -> Callable[..., ControlGroups]:
    """The groups of a tree, given as `grep -r` prints it."""

    def lay_out(tree: str, affinity: int = 8) -> ControlGroups:
        for line in filter(None, tree.splitlines()):
            name, _, text = line.partition(":")
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{text}\n")
        return ControlGroups(tmp_path, lambda: affinity)

    return lay_out


def test_the_tightest_of_nested_quotas_counts_and_throttling_adds_up(groups: Callable[..., ControlGroups]) -> None:
    allowed = groups(V2_HOST).read()
    assert (allowed.cores, allowed.throttled_periods, allowed.throttled_s) == (0.5, 10, 1.25)


def test_a_recorded_tree_of_version_1_shows_the_limit_of_the_group_above(groups: Callable[..., ControlGroups]) -> None:
    allowed = groups((SAMPLES / "cgroup-v1-nested.txt").read_text()).read()
    assert (allowed.cores, allowed.throttled_periods) == (0.6, 20)
    assert allowed.throttled_s == pytest.approx(0.743895947)


def test_a_container_of_version_1_sees_its_own_group_at_the_mount(groups: Callable[..., ControlGroups]) -> None:
    allowed = groups(V1_CONTAINER).read()
    assert (allowed.cores, allowed.throttled_periods, allowed.throttled_s) == (0.3, 11, 1.5)


@pytest.mark.parametrize(("affinity", "cores"), [(8, 3.0), (2, 2.0)])
def test_without_a_quota_cpuset_and_affinity_limit(
    groups: Callable[..., ControlGroups], affinity: int, cores: float
) -> None:
    assert groups(V2_CONTAINER, affinity).read().cores == cores


def test_a_changed_limit_is_seen(groups: Callable[..., ControlGroups], tmp_path: Path) -> None:
    found = groups(V2_CONTAINER)
    assert found.read().cores == 3
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("20000 100000\n")
    assert found.read().cores == 0.2


@pytest.mark.parametrize("wrong", ["", "max", "0 0", "-1 100000", "many 100000", "1 2 3"])
def test_a_file_of_another_form_sets_no_limit(groups: Callable[..., ControlGroups], tmp_path: Path, wrong: str) -> None:
    found = groups(V2_CONTAINER)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(wrong)
    (tmp_path / "sys/fs/cgroup/cpuset.cpus.effective").write_text("4-?")
    assert found.read().cores == 8


def test_a_group_outside_of_what_is_mounted_is_taken_for_the_mount(groups: Callable[..., ControlGroups]) -> None:
    beside = "/sys/fs/other/cpu.max:10000 100000\n"
    assert groups(V2_CONTAINER.replace("0::/", "0::/../other") + beside).read().cores == 3
    assert groups(V1_CONTAINER.replace("cpu,cpuacct:/docker/8c1f", "cpu,cpuacct:/elsewhere")).read().cores == 0.3


def test_without_control_groups_the_affinity_is_all_there_is(groups: Callable[..., ControlGroups]) -> None:
    allowed = groups("").read()
    assert (allowed.cores, allowed.throttled_periods, allowed.throttled_s) == (8, 0, 0)


def test_this_machine_allows_this_process_something() -> None:
    allowed = ControlGroups().read()
    assert 0 < allowed.cores <= len(os.sched_getaffinity(0))


def test_a_narrower_affinity_of_this_process_is_seen() -> None:
    program = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    program += "from load.health.cgroups import ControlGroups; print(ControlGroups().read().cores)"
    done = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    assert float(done.stdout) <= 1


BUSY_IN_A_GROUP = """
import sys, time
open(sys.argv[1], "w").write("0")
from load.health.cgroups import ControlGroups
groups, ends_s = ControlGroups(), time.monotonic() + 20
while not (found := groups.read()).throttled_s and time.monotonic() < ends_s:  # counted after the periods
    sum(range(10_000))
print(found.cores, found.throttled_periods, found.throttled_s)
"""


def test_a_real_quota_is_read_and_its_throttling_counted() -> None:
    with group_of(cores=0.2) as group:
        command = [sys.executable, "-P", "-c", BUSY_IN_A_GROUP, str(group / "cgroup.procs")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        cores, periods, seconds = map(float, done.stdout.split())
    assert cores == 0.2
    assert periods >= 1
    assert seconds > 0
