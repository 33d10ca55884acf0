"""One level of arrivals judged from its frames: it counts only if they were started on their moments."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.capacity.judge import capacity_of
from analysis.capacity.level import LevelState, Visit, judge_level
from analysis.capacity.terminal import closing_lines
from analysis.evidence import Window, load_evidence
from journal.arrival_schedule import level_schedule
from journal.capacity import ARRIVALS_PER_S, Search
from journal.manifest import Manifest
from journal.timeline import EventKind
from tests.analysis.conftest import NS, T0_S, WARM_UP_S
from tests.analysis.open_run import BEGIN_NS, OpenRun

LEVEL = 3
SEARCH = Search(start=40, most=1000, unit=ARRIVALS_PER_S)
WINDOW = Window((T0_S + WARM_UP_S + 2) * NS, (T0_S + WARM_UP_S + 26) * NS)


@dataclass(kw_only=True)
class SearchRun(OpenRun):
    """One level of 40 arrivals a second, the fourth of a search."""

    def _manifest(self) -> Manifest:
        manifest = replace(super()._manifest(), capacity=SEARCH)
        schedule = level_schedule(manifest.plan, SEARCH, LEVEL, self.rate_per_s)
        self.planned = schedule.per_second(BEGIN_NS, T0_S, WARM_UP_S + self.load_s + 9, 2**62)
        return manifest

    def _events(self) -> Any:
        for kind, at_s, data in super()._events():
            about = {"level": LEVEL, "rate_per_s": self.rate_per_s} if kind is EventKind.ARRIVALS else {}
            yield kind, at_s, {**data, **about}
        window = {"begin_ns": WINDOW.begin_ns, "end_ns": WINDOW.end_ns}
        yield EventKind.LEVEL, 26.0, {"level": LEVEL, "arrivals_per_s": 40, "state": "measured", **window}


def written(folder: Path, **settings: object) -> SearchRun:
    return SearchRun(path=folder / "run", kill_at_s=None, throttle_at_s=None, **settings)  # type: ignore[arg-type]


def judged(folder: Path, n: int = 40, **settings: object) -> Visit:
    return judge_level(load_evidence(written(folder, **settings).write()), WINDOW, n)


def test_a_level_whose_arrivals_were_started_passes(tmp_path: Path) -> None:
    visit = judged(tmp_path)
    assert (visit.state, visit.n, visit.unstarted, visit.late) == (LevelState.PASS, 40, 0.0, 0.0), visit.reason


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dropped": 0.05}, "were not started (at most 1); max_in_flight may be too small"),
        ({"unheard": 0.05}, "were not started (at most 1)"),
        ({"late": 0.2}, "began late (at most 5)"),
        ({"late": 0.2, "slow": {"GET /auth/me": 0.9}}, "began late (at most 5)"),
        ({"late": 0.2, "dropped": 0.3, "slow": {"GET /auth/me": 0.9}}, "were not started (at most 1)"),
        ({"n": 50}, "no 50 arrivals/s were planned"),
    ],
    ids=["dropped", "missing", "late", "late-and-slow", "late-dropped-and-slow", "another-rate"],
)
def test_a_level_without_the_arrivals_that_were_planned_says_nothing(tmp_path: Path, settings, said: str) -> None:
    visit = judged(tmp_path, **settings)
    assert visit.state == LevelState.UNFIT
    assert said in visit.reason


def test_what_fails_with_fewer_arrivals_than_planned_fails(tmp_path: Path) -> None:
    visit = judged(tmp_path, dropped=0.3, slow={"GET /auth/me": 0.9})
    assert (visit.state, visit.subject) == (LevelState.FAIL, "GET /auth/me")
    assert visit.unstarted == pytest.approx(0.3, abs=0.03)


def test_a_level_is_judged_by_the_time_since_the_intended_start(tmp_path: Path) -> None:
    visit = judged(tmp_path, delay_ms=300.0)
    assert visit.drowned
    assert visit.p95_ms is not None
    assert visit.p95_ms > 300


def test_the_answer_is_in_arrivals_per_second(tmp_path: Path) -> None:
    result = capacity_of(load_evidence(written(tmp_path).write()))
    assert "At least 40 arrivals/s; the search did not come to its end." in result.line
    said = "\n".join(closing_lines(result, tmp_path))
    assert "arr./s" in said
    assert "users who wait for their answers" in said
