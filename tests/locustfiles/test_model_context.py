"""The journey by the Model Context Protocol against targets that do not keep their promises."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from journal.columns import FrameColumns, read_columns
from journal.failures import read_failures
from journal.outcomes import Kind, Outcome
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, read_timeline
from tests.load.conftest import Locusts, Target, eventually, locusts, make_locusts, make_run, running_target

__all__ = ["locusts", "make_locusts", "make_run"]  # fixtures

Running = Callable[..., RunDirectory]


@pytest.fixture
def start(make_run: Callable[..., RunDirectory], locusts: Locusts) -> Running:
    """Starts a load of this journey alone."""

    def begin(target: Target, duration_s: float = 8.0) -> RunDirectory:
        run = make_run(target.url, users=15, duration_s=duration_s, warm_up_s=1.0, mix={"model_context": 1})
        locusts.start("locust", "--run-dir", str(run.path), "--only-summary")
        return run

    return begin


def total(columns: FrameColumns, outcome: Outcome, *names: str) -> int:
    """How many requests ended so, of all or of those by these names."""
    rows = [
        row
        for row, endpoint in enumerate(columns.endpoints)
        if endpoint.kind is Kind.REQUEST and (endpoint.name in names or not names)
    ]
    return int(columns.count[rows][:, outcome].sum())


def test_answers_with_another_id_are_counted_and_named(tmp_path: Path, start: Running, locusts: Locusts):
    with running_target(tmp_path, "--defect", "mcp-wrong-id:20") as target:
        run = start(target)
        assert locusts.ended("locust") == 0, locusts.log("locust")
    columns = read_columns(run.frames)
    spoilt = total(columns, Outcome.WRONG_ANSWER)
    whole = total(columns, Outcome.OK) - total(columns, Outcome.OK, "MCP notifications/initialized")
    assert 0.1 < spoilt / (spoilt + whole) < 0.3
    assert total(columns, Outcome.CLIENT_ERROR) == total(columns, Outcome.SERVER_ERROR) == 0
    failures = read_failures(run.failures)[0]
    assert len(failures) == spoilt
    assert all("carries the id 'not-" in failure.detail for failure in failures)


def test_a_tool_that_gives_away_another_users_task_is_named(tmp_path: Path, start: Running, locusts: Locusts):
    with running_target(tmp_path, "--defect", "foreign-task") as target:
        run = start(target)
        assert locusts.ended("locust") == 0, locusts.log("locust")
    events = [event.data for event in read_timeline(run.timeline)[0] if event.kind is EventKind.INVARIANT]
    (found,) = [data for data in events if data["name"] == "no-foreign-data"]
    assert found["violated"] == found["checked"] > 0
    assert "by the tool task_status" in found["examples"][0]
    (done,) = [data for data in events if data["name"] == "task-completed-once"]
    assert done["checked"] > done["violated"] == 0


def test_sessions_that_end_with_their_replica_are_counted_and_opened_anew(
    tmp_path: Path, start: Running, locusts: Locusts
):
    with running_target(tmp_path, "--defect", "mcp-sessions") as target:
        run = start(target, duration_s=10.0)
        eventually(lambda: target.counters()["load_started"] > 100, 40, "load on the target")
        entry = next(
            entry for entry in json.loads(target.state_file.read_text())["processes"] if entry["name"] == "api-0"
        )
        psutil.Process(entry["pid"]).kill()
        assert locusts.ended("locust") == 0, locusts.log("locust")
        counted = target.counters()
    columns = read_columns(run.frames)
    ended = [failure for failure in read_failures(run.failures)[0] if failure.outcome == "CLIENT_ERROR"]
    assert len(ended) == total(columns, Outcome.CLIENT_ERROR) > 0
    assert {failure.detail for failure in ended} == {"the session has ended (404)"}
    opened = total(columns, Outcome.OK, "MCP initialize")
    assert 0 < total(columns, Outcome.OK, "MCP end of session") <= opened
    answered = sum(total(columns, outcome) for outcome in Outcome if outcome.answered)
    assert total(columns, Outcome.CUT) >= counted["load_started"] - answered >= 0
