"""A generator that is made slow on purpose is found, and the target, which is healthy, is never called guilty."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from analysis.verdict import GateResult, Verdict, read_verdict
from journal.run_directory import RunDirectory
from journal.timeline import read_timeline
from tests.load.conftest import Locusts, Target, eventually
from tests.load.control_group import group_of, set_quota

MakeRun = Callable[..., RunDirectory]
STOPPED_S = 3.0
BURNING = """
import time
from locust import task
from load.journey import Expect, Journey, flow


class Burning(Journey):
    @task
    @flow({"GET /auth/me": 1})
    def burn(self):
        ends = time.perf_counter() + 0.12
        while time.perf_counter() < ends:
            pass
        self.get("/auth/me", expect=Expect(200, email=self.account.email))
"""


def await_phase(run: RunDirectory, phase: str) -> None:
    def entered() -> bool:
        return any(event.data.get("phase") == phase for event in read_timeline(run.timeline)[0])

    eventually(entered, 90, f"the phase {phase}")


def judged(run: RunDirectory) -> tuple[int, Verdict]:
    command = [sys.executable, "-P", "-m", "analysis", str(run.path)]
    code = subprocess.run(command, check=False, capture_output=True, timeout=60).returncode
    return code, read_verdict(run.verdict)


def failing(verdict: Verdict) -> list[GateResult]:
    return [row for row in verdict.gates if row.state == "fail"]


def suspicions(verdict: Verdict) -> str:
    return "; ".join(window.reason for window in verdict.generator.windows)


def test_a_worker_that_is_stopped_for_seconds_spoils_these_and_nobody_is_blamed(
    target: Target, make_run: MakeRun, locusts: Locusts
) -> None:
    run = make_run(target.url, users=20, duration_s=36, warm_up_s=2)
    locusts.conducted(run, 1)
    await_phase(run, "load")
    locusts.signal("worker-0", signal.SIGSTOP)
    time.sleep(STOPPED_S)  # the defect itself, not a wait for something
    locusts.signal("worker-0", signal.SIGCONT)
    assert locusts.ended("master") == 0, locusts.log("master")
    code, verdict = judged(run)
    assert failing(verdict) == []
    assert code in {0, 3}
    assert verdict.generator.lag_max_ms >= (STOPPED_S - 0.1) * 1000
    stall = max(verdict.generator.windows, key=lambda window: window.end_s - window.begin_s)
    assert stall.end_s - stall.begin_s >= STOPPED_S
    assert "a loop stood still for" in stall.reason
    if not verdict.generator.suspect:  # where others kept this machine busy too, the run is open as a whole
        assert verdict.generator.left_out_s >= STOPPED_S
        assert any(row.whole is not None for row in verdict.gates)


def test_a_journey_that_computes_makes_the_run_open(
    target: Target, make_run: MakeRun, locusts: Locusts, tmp_path: Path
) -> None:
    (tmp_path / "burning.py").write_text(BURNING)
    run = make_run(target.url, users=5, duration_s=20, warm_up_s=2, mix={"burning": 1})
    locusts.conducted(run, 1, files=str(tmp_path / "burning.py"))
    assert locusts.ended("master") == 0, locusts.log("master")
    code, verdict = judged(run)
    assert (code, failing(verdict), verdict.generator.suspect) == (3, [], True)
    assert "a loop stood still" in suspicions(verdict)
    assert verdict.generator.unexplained_share > 0.1
    assert verdict.line.startswith("? INCONCLUSIVE. Generator suspect in ")


def test_a_quota_that_holds_a_worker_back_makes_the_run_open(
    target: Target, make_run: MakeRun, locusts: Locusts
) -> None:
    with group_of(cores=1.0) as group:
        run = make_run(target.url, users=40, duration_s=20, warm_up_s=2)
        locusts.conducted(run, 1)
        (group / "cgroup.procs").write_text(str(locusts.processes["worker-0"].pid))
        await_phase(run, "load")
        set_quota(group, 0.04)
        await_phase(run, "drain")
        set_quota(group, 1.0)
        assert locusts.ended("master") == 0, locusts.log("master")
    code, verdict = judged(run)
    assert (code, failing(verdict), verdict.generator.suspect) == (3, [], True)
    assert "a CPU quota held worker-0 back" in suspicions(verdict)
