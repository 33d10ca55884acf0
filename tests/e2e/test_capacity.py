"""The search for the capacity as a user runs it, against a target whose capacity is known."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.capacity.level import LevelState
from analysis.capacity.result import Capacity, CapacityResult, read_result
from journal.columns import read_columns
from tests.analysis.capacity.closed_network import Knee, most_users
from tests.e2e.harness import SHORT_PLAN, Background, eventually, gameday, timeline

KNEE_PLAN = """\
name: knee
load:
  stages:
    - {users: 12, spawn_rate_per_s: 50, duration_s: 60}
  warm_up_s: 2
  workers: 1
  think_time: {min_s: 0.05, max_s: 0.15}
  mix: {model_control: 1}
"""
KNEE_PROFILE = """\
name: one-replica
embedded: {replicas: 1, workers: 2}
limits: {max_users: 500, requests_per_hour_per_user: 100000}
"""
OPEN_PLAN = """\
name: open-knee
load:
  arrivals:
    process: poisson
    stages:
      - {rate_per_s: 20, duration_s: 60}
    max_in_flight: 200
    spawn_rate_per_s: 100
  warm_up_s: 2
  workers: 2
  think_time: {min_s: 0.05, max_s: 0.15}
  mix: {model_control: 1}
"""
CALLS_PER_PASS = 2.8  # of five, four make a report and ask for it, one asks for another; all look at the list
RECORDED_PLAN = """\
name: recorded
load:
  arrivals: {process: recorded, file: arrivals.txt, max_in_flight: 20, spawn_rate_per_s: 20}
  workers: 1
"""
STORMY_PLAN = KNEE_PLAN + "  storms: [{id: S1, kind: reconnect, at_s: 2}]\n"
FAULTS = "faults:\n  - {id: F1, experiment: throttle-redis, at_s: 2}\n"


@pytest.mark.parametrize(
    ("plan", "options", "said"),
    [
        (SHORT_PLAN, ("--most", "501"), "--most: 501 users are more than the 500 that the profile allows"),
        (SHORT_PLAN, ("--start", "9", "--most", "8"), "--start: 9 users are more than --most, 8"),
        (SHORT_PLAN, ("--level-s", "7"), "--level-s: 7 s are too short for an interval"),
        (SHORT_PLAN, ("--resolution", "0"), "--resolution"),
        (SHORT_PLAN, ("--set", "off_ms=1"), "--set: sets values of the experiment of --with-fault, and there is none"),
        (SHORT_PLAN, ("--with-fault", "kill-api-pod"), "kill-api-pod cannot be held in force"),
        (SHORT_PLAN, ("--with-fault", "fly"), "fly: there is no such experiment"),
        (SHORT_PLAN, ("--with-fault", "delay-redis"), "delay-redis needs a Toxiproxy"),
        (SHORT_PLAN, ("--with-fault", "throttle-redis", "--set", "duration_s=5"), "duration_s: is set by the search"),
        (SHORT_PLAN, ("--with-fault", "throttle-redis", "--set", "off_ms=1"), "off_ms"),
        (OPEN_PLAN, ("--most", "5000"), "200 passes at a time are too few: the arrivals need about"),
        (OPEN_PLAN, ("--start", "80", "--most", "40"), "--start: 80 arrivals/s are more than --most, 40"),
        (RECORDED_PLAN, (), "process: the moments of a recording are fixed, and a search varies their rate"),
        (SHORT_PLAN + FAULTS, (), "plan.yaml:11: faults: a search holds its fault at every level"),
        (STORMY_PLAN, (), "plan.yaml:9: load.storms: a search has no storms"),
    ],
)
def test_a_search_that_cannot_begin_says_why(plan: str, options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(plan)
    (tmp_path / "arrivals.txt").write_text("1.0\n30.0\n")
    done = gameday("capacity", "plan.yaml", "--out", "run", *options, cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_all_problems_of_options_plan_and_profile_are_listed_together(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(SHORT_PLAN.replace("workers: 1", "workers: 1\n  mix: {auht: 1}"))
    (tmp_path / "profile.yaml").write_text(KNEE_PROFILE + "secrets: {key_env: NOBODY_SETS_THIS}\n")
    options = ("--profile", "profile.yaml", "--start", "900", "--most", "800", "--out", "run")
    done = gameday("capacity", "plan.yaml", *options, cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 2
    wanted = ("--most: 800", "--start: 900", "there is no such journey", "NOBODY_SETS_THIS: is not set")
    assert [said for said in wanted if said not in done.stderr] == []
    assert done.stderr.count("are more than the 500") == 1
    assert not (tmp_path / "run").exists()


def searched(folder: Path, plan: str, *, resolution: float) -> tuple[CapacityResult, Capacity]:
    """A search against three servers of 30 ms that came to its end, and whose account agrees with the target's."""
    (folder / "plan.yaml").write_text(plan)
    (folder / "profile.yaml").write_text(KNEE_PROFILE)
    options = ("--profile", "profile.yaml", "--defect", "semaphore:3:30", "--out", "run")
    times = ("--resolution", f"{resolution}", "--level-s", "8", "--settle-s", "2", "--max-duration", "200")
    done = gameday("capacity", "plan.yaml", *options, *times, cwd=folder, ledger=folder / "ledger", timeout_s=240)
    assert done.returncode == 0, done.stdout + done.stderr
    result = read_result(folder / "run" / "capacity.json")
    assert result.accounts.agrees
    assert result.line in done.stdout
    (found,) = result.capacities
    assert max(visit.rate_per_s for visit in found.visits) < 1.03 * Knee().ceiling_per_s
    return result, found


def test_the_interval_holds_the_capacity_that_was_planted(tmp_path: Path) -> None:
    """Three servers of 30 ms and users who think for 100 ms: an independent simulation says how many there may be."""
    result, found = searched(tmp_path, KNEE_PLAN, resolution=0.3)
    assert found.fails is not None
    assert found.passes <= most_users(Knee(), seconds=300) < found.fails
    assert all(visit.unexplained is not None and abs(visit.unexplained) <= 0.05 for visit in found.visits)
    page = (tmp_path / "run" / "capacity.html").read_text()
    assert page.count('<svg class="plot wide"') == 3

    again = gameday("report", "run", cwd=tmp_path, ledger=tmp_path / "ledger")
    assert again.returncode == 0
    assert read_result(tmp_path / "run" / "capacity.json") == result


def test_a_search_in_arrivals_holds_the_capacity_that_was_planted(tmp_path: Path) -> None:
    """Three servers of 30 ms answer 100 calls a second, so more passes than that divided by their calls pile up."""
    result, found = searched(tmp_path, OPEN_PLAN, resolution=0.5)
    assert found.fails is not None
    assert found.passes <= Knee().ceiling_per_s / CALLS_PER_PASS < found.fails
    kept = [visit for visit in found.visits if visit.state == LevelState.PASS]
    assert all(abs(visit.rate_per_s / visit.n / CALLS_PER_PASS - 1) < 0.2 for visit in kept)
    assert f"{found.passes} arrivals/s are within the SLO, {found.fails} are not" in result.line
    assert "arrivals/s</td>" in (tmp_path / "run" / "capacity.html").read_text()


def test_a_level_in_which_a_worker_was_killed_says_nothing_and_the_search_goes_on(
    start: Callable[..., Background], tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(KNEE_PLAN.replace("workers: 1", "workers: 2"))
    bounds = ("--start", "8", "--most", "8", "--level-s", "8", "--settle-s", "2", "--max-duration", "150")
    search = start("capacity", "plan.yaml", "--out", "run", *bounds, name="search")
    run = tmp_path / "run"

    def approached() -> bool:
        return any(event["kind"] == "level" for event in timeline(run))

    eventually(approached, within_s=90, what="the first level")
    eventually(lambda: read_columns(run / "frames.bin").users.max(initial=0) == 8, within_s=30, what="its users")
    children = search.descendants()
    next(child for child in children if "--worker" in child.cmdline()).kill()
    assert search.process.wait(150) == 3
    result = read_result(run / "capacity.json")
    (found,) = result.capacities
    states = [visit.state for visit in found.visits]
    assert states[0] == LevelState.UNFIT
    assert " fell silent; " in found.visits[0].reason
    assert set(states[1:]) == {LevelState.PASS}
    assert (found.passes, found.finished) == (8, True)
    assert "did not end in order: killed at" in " ".join(result.doubts)
    assert "The record is in doubt" in search.log.read_text()
    assert [child for child in children if child.is_running()] == []


def test_an_interrupted_search_reverts_the_fault_it_holds_and_says_what_is_known(
    start: Callable[..., Background], tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(KNEE_PLAN)
    held = ("--with-fault", "throttle-redis", "--set", "off_ms=40", "--set", "on_ms=40")
    bounds = ("--start", "3", "--most", "3", "--level-s", "8", "--settle-s", "1", "--max-duration", "120")
    search = start("capacity", "plan.yaml", "--out", "run", *held, *bounds, name="search")
    run = tmp_path / "run"

    def state_of_fault() -> list[object]:
        return [event["state"] for event in timeline(run) if event["kind"] == "fault"]

    eventually(lambda: "effective" in state_of_fault(), within_s=90, what="a fault is held")
    children = search.descendants()
    search.process.send_signal(signal.SIGINT)
    assert search.process.wait(60) == 130
    assert "proven" in state_of_fault()
    said = search.log.read_text()
    assert "! INTERRUPTED. What is known so far: At least 3 users; no more were to be tried." in said
    assert "With throttle-redis held: nothing is known yet." in said
    assert [child for child in children if child.is_running()] == []
