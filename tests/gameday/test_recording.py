"""Files of recorded arrivals: offsets or timestamps, in any order, with every bad line named."""

from pathlib import Path

import numpy as np
import pytest

from gameday.recording import read_moments, travelling
from gameday.sources import load_plan
from journal.arrival_schedule import ArrivalSchedule
from journal.errors import PlanError

PLAN = """\
name: replay
load:
  arrivals: {process: recorded, file: arrivals.txt}
  warm_up_s: 1
"""


def moments(text: str, folder: Path) -> list[float]:
    path = folder / "arrivals.txt"
    path.write_text(text)
    return read_moments(path)


def test_offsets_are_read_in_any_order_between_comments(tmp_path: Path) -> None:
    assert moments("# of a Monday\n2.5\n0.25  # the first\n\n1\n", tmp_path) == [0.25, 1, 2.5]


@pytest.mark.parametrize(
    "text",
    [
        "1700000010.5\n1700000008.25\n1700000010.5\n",
        "2026-01-31T12:00:10.500Z\n2026-01-31T13:00:08.250+01:00\n2026-01-31T12:00:10.5Z\n",
        "2026-01-31 12:00:10.5\n2026-01-31 12:00:08.25\n2026-01-31 12:00:10.5\n",
    ],
)
def test_timestamps_count_from_the_earliest(text: str, tmp_path: Path) -> None:
    assert moments(text, tmp_path) == [0, 2.25, 2.25]


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        moments("1\nsoon\n-3\nnan\n" + "x\n" * 9, tmp_path)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 11
    assert "arrivals.txt:2: 'soon' is neither a number of seconds nor a timestamp" in said[0]
    assert "arrivals.txt:3: '-3'" in said[1]
    assert "2 more lines" in said[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no arrival"),
        (b"\xff\xfe", "is not a text file"),
        (b"1\n1700000000\n", "mixes 1 offsets with 1 timestamps"),
        (b"1\n900000\n", "lasts 10.4 days; 7 are possible"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "arrivals.txt"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=said):
        read_moments(path)


def test_a_recording_travels_inside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "arrivals.txt").write_text("0.5\n1.5\n3.25\n")
    plan = load_plan(str(tmp_path / "plan.yaml"))
    (tmp_path / "arrivals.txt").unlink()
    assert plan.load.arrivals is not None
    assert (plan.load.duration_s, ArrivalSchedule(plan.load.arrivals, 1).total) == (4, 3)
    assert plan.load.words == "3 recorded arrivals in 4 s"


def test_a_plan_for_a_cluster_carries_what_its_file_held(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "arrivals.txt").write_text("0.5\n1.5\n3.25\n")
    plan = load_plan(str(tmp_path / "plan.yaml"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "plan.yaml").write_text(travelling(PLAN, plan))
    assert load_plan(str(tmp_path / "elsewhere" / "plan.yaml")) == plan


def test_a_plan_without_a_recording_travels_as_it_was_written(tmp_path: Path) -> None:
    text = "# mine\nname: x\nload: {stages: [{users: 5, duration_s: 60}]}\n"
    (tmp_path / "plan.yaml").write_text(text)
    assert travelling(text, load_plan(str(tmp_path / "plan.yaml"))) == text


def test_a_recording_too_long_for_a_cluster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    moments = np.cumsum(np.random.default_rng(1).exponential(0.1, 400_000))
    (tmp_path / "arrivals.txt").write_text("\n".join(f"{moment:.6f}" for moment in moments))
    with pytest.raises(PlanError, match="holds 400,000 arrivals, too many to travel into a cluster"):
        travelling(PLAN, load_plan(str(tmp_path / "plan.yaml")))


def test_a_recording_that_is_not_there_is_named_with_its_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    with pytest.raises(PlanError, match=r"plan.yaml:3: load.arrivals.file: .*arrivals.txt cannot be read"):
        load_plan(str(tmp_path / "plan.yaml"))


def test_a_damaged_recording_inside_a_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN.replace("file: arrivals.txt", "recording: AAAA"))
    with pytest.raises(PlanError, match=r"load.arrivals.recording: cannot be read"):
        load_plan(str(tmp_path / "plan.yaml"))
