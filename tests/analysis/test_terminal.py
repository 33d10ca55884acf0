"""What the end of a run prints, and the command that prints it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.judge import judge
from analysis.terminal import WIDTH, closing_lines
from analysis.verdict import read_verdict
from journal.run_directory import RunDirectory
from journal.timeline import EventKind

Synthetic = Callable[..., RunDirectory]
PROCESS = "POST /api/v1/mcp/process"


@pytest.mark.parametrize(
    "differences",
    [
        {},
        {"slow": {PROCESS: 0.2}},
        {"errors": 0.1},
        {"frames": False},
        {"worker_lost_at_s": 20},
        {"leak_mib_per_s": 2.5},
        {"violated": {"task-completed-once": ["task 17 completed twice " * 10]}},
    ],
)
def test_everything_but_line_and_path_fits_into_80_columns(
    synthetic: Synthetic, differences: dict[str, object]
) -> None:
    lines = closing_lines(judge(synthetic(**differences))[1], Path("runs/x/report.html"))
    assert [line for line in lines[1:] if len(line) > WIDTH and not line.startswith("Report: ")] == []


def test_the_end_shows_verdict_failing_rows_report_and_meaning(synthetic: Synthetic) -> None:
    lines = closing_lines(judge(synthetic(slow={PROCESS: 0.2}))[1], Path("runs/x/report.html"))
    assert lines[0].startswith("✗ FAIL. ")
    assert [line for line in lines if " ✗ latency" in line and PROCESS in line]
    assert lines[-2:] == ["Report: runs/x/report.html", "Exit 1: a required gate failed."]


def test_the_end_of_a_failed_run_says_how_most_requests_ended_that_did_not_end_well(synthetic: Synthetic) -> None:
    lines = closing_lines(judge(synthetic(errors=0.1))[1], Path("report.html"))
    told = [line for line in lines if line.startswith("   ended badly ")]
    counts = [int(line.split()[2].replace(",", "")) for line in told]
    assert len(told) == 3
    assert counts == sorted(counts, reverse=True)
    assert all(" × server error: " in line for line in told), told
    assert "ended badly" not in " ".join(closing_lines(judge(synthetic())[1], Path("report.html")))


def test_the_end_shows_what_the_harness_warned_of(synthetic: Synthetic) -> None:
    warned = [(EventKind.WARNING, 1.0, {"message": f"worker-{number}: there is no spool"}) for number in range(7)]
    lines = closing_lines(judge(synthetic(extra_events=warned))[1], Path("report.html"))
    assert " ! warning       worker-0: there is no spool" in lines
    assert "   and 2 more warnings in the report" in lines


def test_a_gate_that_only_informs_says_so(synthetic: Synthetic) -> None:
    lines = closing_lines(judge(synthetic(leak_mib_per_s=2.5))[1], Path("report.html"))
    assert "informs" in " ".join(lines)
    assert lines[-1] == "Exit 0: every required gate passed."


def test_rows_that_are_open_and_only_inform_are_counted(synthetic: Synthetic) -> None:
    lines = closing_lines(judge(synthetic())[1], Path("report.html"))
    assert " ? open          4 rows of gates that are not required" in lines


def test_the_command_writes_the_verdict_and_exits_by_it(
    synthetic: Synthetic, capsys: pytest.CaptureFixture[str]
) -> None:
    run = synthetic(violated={"no-foreign-data": ["task 3 of user a read by user b"]})
    assert main([str(run.path)]) == 1
    assert capsys.readouterr().out.startswith("✗ FAIL. no-foreign-data violated 1 time in 20")
    assert read_verdict(run.verdict).exit_code == 1
    assert {path.name for path in run.path.iterdir()} >= {"verdict.json", "report.md", "report.html", "junit.xml"}


def test_a_run_can_be_judged_again_with_the_same_answer(synthetic: Synthetic) -> None:
    run = synthetic()
    assert main([str(run.path)]) == 0
    first = run.verdict.read_bytes()
    assert main([str(run.path)]) == 0
    assert run.verdict.read_bytes() == first


def test_a_directory_that_is_not_there_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "there is no such run directory" in capsys.readouterr().err


def test_a_broken_manifest_is_bad_input(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    run = synthetic()
    run.manifest.write_bytes(b"\x00\xff{")
    assert main([str(run.path)]) == 2
    assert "the manifest cannot be read" in capsys.readouterr().err


def test_a_defect_of_the_judgement_is_no_failure_of_the_target(
    synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defective(run: RunDirectory) -> None:
        raise ZeroDivisionError(f"planted while {run.path.name} was judged")

    monkeypatch.setattr("analysis.__main__.judge", defective)
    assert main([str(synthetic(frames=False).path)]) == 70
    assert "planted while run-1 was judged" in capsys.readouterr().err


def test_the_module_runs_as_a_program_without_a_unicode_terminal(synthetic: Synthetic) -> None:
    run = synthetic(frames=False)
    command = [sys.executable, "-P", "-m", "analysis", str(run.path)]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert "INCONCLUSIVE. There are no frames" in done.stdout


def test_a_row_without_bounds_says_why_there_are_none(synthetic: Synthetic) -> None:
    lines = closing_lines(judge(synthetic(load_s=6, kill_at_s=None, throttle_at_s=None))[1], Path("report.html"))
    table = " ".join(" ".join(lines[1:]).split())
    assert "in too short a time to decide" in table, table
    assert "100.0 %, target" not in table
