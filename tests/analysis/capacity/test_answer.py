"""What a search says in the end: the line, the exit code, the table, the page and its charts."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.capacity.chart import level_spec, panels
from analysis.capacity.judge import capacity_at, capacity_of
from analysis.capacity.level import LevelState, Visit
from analysis.capacity.page import capacity_page
from analysis.capacity.result import Capacity, CapacityResult, read_result, write_result
from analysis.capacity.terminal import closing_lines
from analysis.capacity.words import sentence
from analysis.charts.canvas import NARROW, WIDE
from analysis.evidence import load_evidence
from analysis.verdict import Estimate
from journal.capacity import HeldFault, Search
from journal.manifest import write_manifest
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, FaultState

BEGIN_NS = (1_700_000_000 + 10) * 10**9
SEARCH = Search(start=10, most=500)
CALM = {"kill_at_s": None, "throttle_at_s": None}
Synthetic = Callable[..., RunDirectory]


def visit(n: int, state: LevelState, *, share: float = 0.99) -> Visit:
    estimate = Estimate(value=share, low=share - 0.005, high=min(1.0, share + 0.005))
    return Visit(
        n=n,
        state=state,
        reason=f"{n} users are {state}",
        begin_s=float(n),
        seconds=24,
        users=float(n),
        rate_per_s=min(2.0 * n, 100.0),
        mean_ms=40.0,
        p95_ms=90.0,
        good_share=estimate,
        subject="GET /auth/me",
        subject_share=estimate,
        unexplained=0.01,
    )


def searched(truth: int, levels: tuple[int, ...], fault: str = "", search: Search = SEARCH) -> Capacity:
    visits = [visit(n, LevelState.PASS) if n <= truth else visit(n, LevelState.FAIL, share=0.6) for n in levels]
    return capacity_at(search, fault, visits)


WHOLE = searched(57, (10, 20, 40, 80, 60, 50, 55, 60, 55))


def measured(users: int, begin_s: int, end_s: int, fault_id: str = "") -> tuple[EventKind, float, dict]:
    window = {"begin_ns": BEGIN_NS + begin_s * 10**9, "end_ns": BEGIN_NS + end_s * 10**9}
    data = {"level": 0, "users": users, "state": "measured", "fault_id": fault_id, **window}
    return EventKind.LEVEL, float(end_s), data


def judged(run: RunDirectory, search: Search) -> CapacityResult:
    write_manifest(run.manifest, replace(run.read_manifest(), capacity=search))
    return capacity_of(load_evidence(run))


def test_a_whole_search_says_its_interval_and_that_it_was_repeated() -> None:
    assert WHOLE.found
    assert sentence(WHOLE) == "55 users are within the SLO, 60 are not (each seen twice)."


@pytest.mark.parametrize(
    ("truth", "levels", "said"),
    [
        (57, (10, 20, 40, 80), "40 users are within the SLO, 80 are not (the search did not come to its end; not con"),
        (0, (10, 5, 2, 1, 1), "Not even 1 user is within the SLO (each seen twice)."),
        (900, (10, 20), "At least 20 users; the search did not come to its end."),
        (900, (10, 20, 40, 80, 160, 320, 500, 500), "At least 500 users; no more were to be tried."),
        (0, (), "Nothing is known yet."),
    ],
)
def test_what_is_not_known_is_said(truth: int, levels: tuple[int, ...], said: str) -> None:
    assert sentence(searched(truth, levels)).startswith(said)


def test_the_generator_is_named_where_it_was_the_limit() -> None:
    visits = [visit(10, LevelState.PASS), *[visit(20, LevelState.UNFIT)] * 3, visit(10, LevelState.PASS)]
    found = capacity_at(SEARCH, "throttle-redis", visits)
    assert found.finished
    assert sentence(found) == (
        "With throttle-redis held: at least 10 users; the generator was the limit, not the target."
    )


@pytest.mark.parametrize(
    ("at_least", "most", "code", "begin"),
    [
        (None, 50, 3, "? INCONCLUSIVE. At least 50 users; no more were to be tried."),
        (50, 50, 0, "✓ CAPACITY. At least 50 users"),
        (60, 60, 3, "? INCONCLUSIVE. At least 50 users; the search did not come to its end."),
    ],
)
def test_the_exit_code_says_whether_what_was_asked_for_is_known(
    synthetic: Synthetic, at_least: int | None, most: int, code: int, begin: str
) -> None:
    levels = [measured(50, 1, 30), measured(50, 35, 64)]
    run = synthetic(**CALM, extra_events=levels)
    result = judged(run, Search(start=50, most=most, at_least=at_least))
    assert result.exit_code == code, result.line
    assert result.line.startswith(begin)


def test_a_failure_that_was_not_confirmed_is_no_answer(synthetic: Synthetic) -> None:
    run = synthetic(**CALM, slow={"GET /auth/me": 0.5}, extra_events=[measured(50, 1, 30)])
    assert judged(run, Search(start=50, most=500, resolution=1.0, at_least=60)).exit_code == 3


@pytest.mark.parametrize(("fault", "code"), [(None, 0), (HeldFault(experiment="throttle-redis"), 3)])
def test_the_answer_is_whole_when_that_with_the_fault_is_known_too(
    synthetic: Synthetic, fault: HeldFault | None, code: int
) -> None:
    levels = [measured(50, 1, 30), measured(50, 35, 64)]
    run = synthetic(**CALM, slow={"GET /auth/me": 0.5}, extra_events=levels)
    assert judged(run, Search(start=50, most=500, resolution=1.0, fault=fault)).exit_code == code


def test_a_level_that_was_cut_short_is_none(synthetic: Synthetic) -> None:
    kind, at_s, data = measured(50, 1, 30)
    run = synthetic(**CALM, extra_events=[(kind, at_s, {**data, "state": "cut short"})])
    assert judged(run, Search(start=50, most=50)).line == "? INCONCLUSIVE. Nothing is known yet."


@pytest.mark.parametrize("at_least", [50, 60])
def test_a_target_that_carries_fewer_than_asked_for_fails(synthetic: Synthetic, at_least: int) -> None:
    levels = [measured(50, 1, 30), measured(50, 35, 64)]
    run = synthetic(**CALM, slow={"GET /auth/me": 0.5}, extra_events=levels)
    result = judged(run, Search(start=50, most=500, resolution=1.0, at_least=at_least))
    assert result.exit_code == 1
    assert result.line.startswith(f"✗ FAIL. It does not carry {at_least}. Not even 50 users are within the SLO")


@pytest.mark.parametrize(
    ("run", "code", "said"),
    [
        ({"violated": {"no-foreign-data": ["task 1"]}}, 1, "no-foreign-data was violated 1 time."),
        ({"missing_frames": (20, 21)}, 3, "The record is in doubt"),
        ({"target_forgets": 5}, 3, "The record is in doubt"),
        ({"interrupted_at_s": 69.0}, 130, "! INTERRUPTED. What is known so far:"),
        ({"guard_at_s": 69.0}, 4, "! ABORTED. A guard"),
    ],
    ids=["invariant", "frames", "accounts", "interrupted", "guard"],
)
def test_what_spoils_the_answer_is_said_first(synthetic: Synthetic, run: dict, code: int, said: str) -> None:
    levels = [measured(50, 1, 30), measured(50, 35, 64)]
    result = judged(synthetic(**CALM, **run, extra_events=levels), Search(start=50, most=50, at_least=50))
    assert result.exit_code == code
    assert said in result.line


def test_a_fault_that_was_not_reverted_is_graver_than_all_else(synthetic: Synthetic) -> None:
    told = {"fault_id": "L1", "experiment": "throttle-redis"}
    states = [(EventKind.FAULT, 33.0, {**told, "state": FaultState.EFFECTIVE})]
    states += [(EventKind.FAULT, 66.0, {**told, "state": FaultState.NOT_REVERTED})]
    run = synthetic(**CALM, extra_events=[measured(50, 1, 30), measured(50, 35, 64, "L1"), *states])
    result = judged(run, Search(start=50, most=50, fault=HeldFault(experiment="throttle-redis")))
    assert result.exit_code == 6
    assert result.line.startswith("! NOT REVERTED. L1; run gameday recover")
    assert [found.fault for found in result.capacities] == ["", "throttle-redis"]
    assert [[visit.state for visit in found.visits] for found in result.capacities] == [["pass"], ["pass"]]


def example(synthetic: Synthetic) -> tuple[RunDirectory, CapacityResult]:
    run = synthetic(**CALM, extra_events=[measured(50, 1, 30)])
    held = searched(22, (10, 20, 40, 30, 25, 23, 21, 22, 23, 22), "throttle-redis")
    return run, replace(judged(run, SEARCH), capacities=(WHOLE, held))


def test_the_result_can_be_written_and_read_again(synthetic: Synthetic, tmp_path: Path) -> None:
    _, result = example(synthetic)
    write_result(tmp_path / "capacity.json", result)
    assert read_result(tmp_path / "capacity.json") == result


def test_the_terminal_shows_a_row_for_each_visit_in_order_of_users(synthetic: Synthetic) -> None:
    _, result = example(synthetic)
    lines = closing_lines(result, Path("run/capacity.html"))
    users = [int(line.split()[1]) for line in lines if re.match(r" [✓✗] ", line)]
    assert users[:9] == sorted(found.n for found in WHOLE.visits)
    assert len(users) == 19
    assert all(len(line) <= 80 for line in lines[1:-2])


def test_the_page_is_whole_without_network_or_script(synthetic: Synthetic) -> None:
    run, result = example(synthetic)
    page = capacity_page(run.read_manifest(), result)
    assert result.line in page
    assert page.count('<svg class="plot wide"') == page.count('<svg class="plot narrow"') == 3
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="https?:', page)
    assert page.count('data-label="Decided by"') == 19


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_visit_is_a_mark_in_every_chart(synthetic: Synthetic, canvas, number: int) -> None:
    _, result = example(synthetic)
    layers = level_spec(panels(200, 0.95)[number], result.capacities, canvas)["layer"]
    count = {layer["name"]: len(layer["data"]["values"]) for layer in layers}
    assert (count["pass_healthy"], count["fail_healthy"]) == (6, 3)
    assert (count["pass_held"], count["fail_held"]) == (5, 5)
    assert (count["interval_healthy"], count["interval_held"]) == (1, 1)
    fields = {channel["field"] for layer in layers for channel in layer["encoding"].values()}
    assert all(fields & set(value) for layer in layers for value in layer["data"]["values"])
