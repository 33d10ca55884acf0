"""How the conductor stands, read from its pod and its Job, and what its exit code adds to the verdict."""

from typing import Any

import pytest

from gameday.cluster.conductor_state import Conductor, Standing, conductor_of
from journal.exit_codes import ExitCode

RUNNING_JOB: Any = {"status": {"active": 1}}
FAILED_JOB: Any = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}


def pod(state: Any, phase: str = "Running", component: str = "conductor") -> Any:
    statuses = [{"name": component, "state": state}] if state else []
    labels = {"app.kubernetes.io/component": component}
    return {"metadata": {"name": "pod-1", "labels": labels}, "status": {"phase": phase, "containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("pods", "job", "standing"),
    [
        ([], RUNNING_JOB, Standing.WAITING),
        ([], FAILED_JOB, Standing.ENDED),
        ([], None, Standing.ENDED),
        ([pod(None, "Pending")], RUNNING_JOB, Standing.WAITING),
        ([pod({"waiting": {}}, "Pending")], RUNNING_JOB, Standing.WAITING),
        ([pod({"running": {}})], RUNNING_JOB, Standing.RUNNING),
        ([pod({"running": {}}, component="worker")], RUNNING_JOB, Standing.WAITING),
        ([pod({"terminated": {"exitCode": 0}}, "Succeeded")], FAILED_JOB, Standing.ENDED),
        ([pod(None, "Failed")], RUNNING_JOB, Standing.ENDED),
    ],
)
def test_the_conductor_stands_where_its_pod_and_its_job_say(pods: list[Any], job: Any, standing: Standing) -> None:
    assert conductor_of(pods, job).standing is standing


@pytest.mark.parametrize(
    ("code", "own", "cut_off"),
    [
        (0, ExitCode.PASS, False),
        (1, ExitCode.PASS, False),
        (3, ExitCode.PASS, False),
        (4, ExitCode.PASS, False),
        (6, ExitCode.PASS, False),
        (2, ExitCode.BAD_INPUT, False),
        (5, ExitCode.TARGET_UNREACHABLE, False),
        (70, ExitCode.HARNESS_DEFECT, False),
        (130, ExitCode.INTERRUPTED, False),
        (42, ExitCode.HARNESS_DEFECT, False),
        (137, ExitCode.PASS, True),
        (143, ExitCode.PASS, True),
        (None, ExitCode.PASS, True),
    ],
)
def test_only_what_is_no_verdict_counts_beside_the_verdict(code: int | None, own: ExitCode, cut_off: bool) -> None:
    conductor = Conductor(Standing.ENDED, "pod-1", code)
    assert conductor.own_code is own
    assert conductor.was_cut_off is cut_off
