"""A killed worker of which the tally was collected: the loss is known exactly, in seconds and in requests."""

from collections.abc import Callable

import pytest

from analysis.judge import judge
from analysis.verdict import Verdict
from journal.columns import read_columns
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Timeline
from tests.analysis.conftest import NS, T0_S, WARM_UP_S

LOST_AT_S = 50
ENDED, OPEN, CUT = 31, 4, 2


def with_tally(run: RunDirectory, *, ended: int = ENDED, cut: int = CUT, still_open: int = OPEN) -> Verdict:
    """The verdict on a run whose worker-1 died 2 s after its last frame with so many requests on no record."""
    (worker,) = [worker for worker in read_columns(run.frames).workers if worker.name == "worker-1"]
    timeline = Timeline(run.timeline)
    timeline.write(
        EventKind.TALLY,
        at_ns=(T0_S + WARM_UP_S + LOST_AT_S + 2) * NS + NS // 2,
        worker="worker-1",
        started=worker.started + ended + cut + still_open,
        answered=worker.answered + ended,
        cut=worker.cut + cut,
    )
    timeline.close()
    return judge(run)[1]


@pytest.fixture
def lost(synthetic: Callable[..., RunDirectory]) -> RunDirectory:
    return synthetic(worker_lost_at_s=LOST_AT_S)


def counted_by_target(run: RunDirectory, verdict: Verdict, finished: int) -> Verdict:
    """The verdict when the target finished so many of the requests that were sent."""
    timeline = Timeline(run.timeline)
    at_ns = (T0_S + WARM_UP_S + 80) * NS
    counts = {"started": 7 + verdict.accounts.sent, "finished": 7 + finished}
    timeline.write(EventKind.COUNTERS, at_ns=at_ns, when="after", **counts)
    timeline.close()
    return judge(run)[1]


def test_the_accounts_add_up_to_the_last_request_of_a_killed_worker(lost: RunDirectory) -> None:
    accounts = with_tally(lost).accounts
    assert accounts.sent == accounts.answered + accounts.cut + accounts.unfinished + accounts.lost
    assert (accounts.lost, accounts.unfinished) == (ENDED + CUT, OPEN)


def test_the_loss_is_told_in_seconds_and_requests_and_leaves_the_run_open(lost: RunDirectory) -> None:
    verdict = with_tally(lost)
    assert verdict.exit_code == 3
    told = "worker worker-1 did not end in order: killed at 0:52; 33 requests of its last 2 s ended without a record"
    assert any(name.startswith(told) for name in verdict.missing)
    assert "of the load phase (70 s), 2 s are not wholly on record" in verdict.missing


@pytest.mark.parametrize(("behind", "agrees"), [(0, True), (OPEN, True), (-1, False)])
def test_the_target_agrees_when_it_finished_what_the_tally_leaves_room_for(
    lost: RunDirectory, behind: int, agrees: bool
) -> None:
    verdict = with_tally(lost)
    assert counted_by_target(lost, verdict, verdict.accounts.sent - behind).accounts.agrees is agrees


def test_the_target_disagrees_beyond_what_was_cut_or_open_anywhere(lost: RunDirectory) -> None:
    accounts = with_tally(lost).accounts
    most = accounts.cut + accounts.unfinished + CUT
    assert counted_by_target(lost, judge(lost)[1], accounts.sent - most).accounts.agrees is True
    assert counted_by_target(lost, judge(lost)[1], accounts.sent - most - 1).accounts.agrees is False


def test_without_a_tally_a_worker_owes_frames_only_until_it_was_missed(lost: RunDirectory) -> None:
    timeline = Timeline(lost.timeline)
    at_ns = (T0_S + WARM_UP_S + LOST_AT_S + 6) * NS
    timeline.write(EventKind.WORKER, at_ns=at_ns, worker="worker-1", state="lost")
    timeline.close()
    verdict = judge(lost)[1]
    assert "of the load phase (70 s), 6 s are not wholly on record" in verdict.missing
    assert verdict.accounts.lost == pytest.approx(6 * 54, rel=0.2)
    assert any("it was missed at 0:56, 6 s later" in name for name in verdict.missing)


@pytest.mark.parametrize(
    "data", [{}, {"started": "many", "answered": 1, "cut": 0}, {"started": -1, "answered": 0, "cut": 0}]
)
def test_a_tally_that_is_none_is_passed_over(lost: RunDirectory, data: dict[str, object]) -> None:
    timeline = Timeline(lost.timeline)
    timeline.write(EventKind.TALLY, worker="worker-1", **data)
    timeline.close()
    assert judge(lost)[1].accounts.agrees is None


def with_clock(run: RunDirectory, *offs_ms: float, error_ms: float = 0.4) -> Verdict:
    timeline = Timeline(run.timeline)
    for number, off_ms in enumerate(offs_ms):
        at_ns = (T0_S + WARM_UP_S + 10 * number) * NS
        data = {"offset_ms": -off_ms, "off_ms": off_ms, "error_ms": error_ms}
        timeline.write(EventKind.CLOCK, at_ns=at_ns, worker="worker-1", **data)
    timeline.close()
    return judge(run)[1]


def test_a_clock_that_was_wrong_from_the_start_was_put_right_before_anything_was_counted(
    synthetic: Callable[..., RunDirectory],
) -> None:
    verdict = with_clock(synthetic(), 7300.0, 20.0)
    assert (verdict.state, verdict.missing) == ("pass", ())


@pytest.mark.parametrize(
    ("offs_ms", "error_ms", "told"),
    [
        ((0.0, 900.0), 0.4, "worker-1's clock was found 0.9 s off at 0:10: seconds before are misplaced"),
        ((0.0, -2500.0), 0.4, "worker-1's clock was found 2.5 s off at 0:10: seconds before are misplaced"),
        ((0.0,), 800.0, "worker-1's clock is known only to ±0.8 s (measured at 0:00)"),
    ],
)
def test_a_clock_that_ran_away_or_is_not_known_leaves_the_run_open(
    synthetic: Callable[..., RunDirectory], offs_ms: tuple[float, ...], error_ms: float, told: str
) -> None:
    verdict = with_clock(synthetic(), *offs_ms, error_ms=error_ms)
    assert (verdict.exit_code, verdict.missing) == (3, (told,))
