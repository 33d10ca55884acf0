"""The search for the capacity as a user runs it, against a target whose capacity is known."""

from pathlib import Path

import pytest

from tests.e2e.harness import SHORT_PLAN, gameday

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
        (SHORT_PLAN + FAULTS, (), "plan: faults: a search holds its fault at every level"),
    ],
)
def test_a_search_that_cannot_begin_says_why(plan: str, options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(plan)
    done = gameday("capacity", "plan.yaml", "--out", "run", *options, cwd=tmp_path, ledger=tmp_path / "ledger")
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
