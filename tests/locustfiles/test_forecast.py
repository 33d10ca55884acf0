"""What the journeys declare against what they do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from journal.columns import read_columns
from journal.outcomes import Kind, Outcome
from journal.timeline import EventKind, read_timeline
from tests.load.conftest import locusts, make_locusts, make_run, target

__all__ = ["locusts", "make_locusts", "make_run", "target"]  # fixtures

JOURNEYS = sorted((Path(__file__).parents[2] / "locustfiles").glob("[!_]*.py"))
USERS, DURATION_S = 40, 14.0
RARER = {"model_context": 3}  # it has more operations than the others, each of them more rarely


def foretold(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "load.forecast", *options], capture_output=True, text=True, check=False
    )


def test_each_operation_happens_about_as_often_as_its_journey_declares(target, make_run, locusts):
    journeys = json.loads(foretold().stdout)["journeys"]
    mix = {name: journey["weight"] for name, journey in journeys.items()} | RARER
    run = make_run(target.url, users=USERS, duration_s=DURATION_S, warm_up_s=2.0, mix=mix)
    locusts.start("locust", "--run-dir", str(run.path), "--only-summary")
    assert locusts.ended("locust") == 0, locusts.log("locust")

    columns = read_columns(run.frames)
    assert columns.count[:, 1:].sum() == 0
    phases = {
        event.data["phase"]: event.at_ns for event in read_timeline(run.timeline)[0] if event.kind is EventKind.PHASE
    }
    began_s, ended_s = phases["load"] // 10**9 + 1, phases["drain"] // 10**9
    during = (columns.seconds >= began_s) & (columns.seconds < ended_s)
    requests = [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.REQUEST]
    service_s = columns.histogram(requests).mean_us() / 1e6
    found = {}
    for name, journey in journeys.items():
        users = USERS * mix[name] / sum(mix.values())
        sent = sum(times for label, times in journey["operations"].items() if journey["kinds"][label] == "REQUEST")
        pass_s = journey["thinks"] * 0.3 + journey["waiting_s"] + service_s * sent
        for label, times in journey["operations"].items():
            expected = users * times / pass_s * (ended_s - began_s)
            rows = [row for row, end in enumerate(columns.endpoints) if (end.journey, end.name) == (name, label)]
            assert [columns.endpoints[row].kind.name for row in rows] == [journey["kinds"][label]]
            found[name, label] = columns.count[rows[0], Outcome.OK][during].sum() / expected
    assert {key: share for key, share in found.items() if not 0.6 < share < 1.4} == {}
    known = {(end.journey, end.name) for end in columns.endpoints if end.kind is not Kind.GENERATOR}
    assert known == set(found)


def test_a_journey_that_does_not_say_what_it_does_is_named(tmp_path: Path):
    (tmp_path / "mute.py").write_text(
        "from locust import task\nfrom load.journey import Journey\n\n"
        "class Mute(Journey):\n    @task\n    def work(self):\n        pass\n"
    )
    done = foretold("-f", str(tmp_path))
    assert done.returncode == 2
    assert "Mute.work" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "locustfiles").glob("[!_]*.py")), ids=lambda p: p.stem
)
def test_a_journey_imports_no_other_journey(path: Path):
    others = {other.stem for other in path.parent.glob("*.py")} - {path.stem, "__init__"}
    lines = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in lines for other in others if line.split()[1].split(".")[-1] == other]
    assert not [line for line in lines if "locustfiles" in line]
