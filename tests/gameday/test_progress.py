"""What is shown and guarded while a run goes on, from the growing files of its directory."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gameday.capacity.measuring import Measuring
from gameday.guard import breach
from gameday.live_view import WIDTH, LiveView
from gameday.plain_view import PlainView, clock
from gameday.progress import Progress, describe
from journal.frame_file import FrameWriter
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_index
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan import Guards, Load, Plan, Slo, Stage
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, FaultState, Phase, Timeline

BEGAN_S = 1_700_000_000
PLAN = Plan(name="shown", load=Load(stages=(Stage(users=10, duration_s=60),), warm_up_s=10))
ENDPOINT = Endpoint(Kind.REQUEST, "auth", "GET /auth/me")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def write_second(
    run: RunDirectory, number: int, *, good: int, errors: int, slow: int = 0, worker: str = "worker-0"
) -> None:
    """One worker's frame of the n-th second of the load, with `slow` of the good ones over the threshold."""
    service = {bucket_index(20_000): good - slow, bucket_index(400_000): slow}
    outcomes = {Outcome.OK: OutcomeSecond(good, {200_000: slow}, {"service": service})}
    if errors:
        outcomes[Outcome.SERVER_ERROR] = OutcomeSecond(errors)
    seen = {ENDPOINT: EndpointSecond(good + errors, 0, outcomes)}
    writer = FrameWriter(run.frames)
    writer.append(Frame(worker, number + 1, BEGAN_S + number, 10, seen))
    writer.close()


def write_event(run: RunDirectory, kind: EventKind, **data: object) -> None:
    timeline = Timeline(run.timeline)
    timeline.write(kind, at_ns=BEGAN_S * 10**9, **data)
    timeline.close()


def test_counts_of_the_load_phase_follow_the_file_as_it_grows(run: RunDirectory) -> None:
    progress = Progress(run, Slo())
    write_event(run, EventKind.PHASE, phase=Phase.LOAD)
    write_second(run, 0, good=10, errors=1, slow=2)
    progress.refresh()
    write_second(run, 1, good=5, errors=0)
    progress.refresh()
    tally = progress.journeys["auth"]
    assert (tally.samples, tally.bad) == (16, 3)
    assert progress.errors == {("server error", ENDPOINT.name): 1}
    assert progress.users == {"worker-0": 10}


def test_nobody_is_with_a_lost_worker_until_it_comes_back(run: RunDirectory) -> None:
    progress = Progress(run, Slo())
    write_second(run, 0, good=1, errors=0)
    progress.refresh()
    write_event(run, EventKind.WORKER, worker="worker-0", state="lost")
    progress.refresh()
    assert (progress.users, progress.under_way) == ({}, {})
    write_event(run, EventKind.WORKER, worker="worker-0", state="joined", silent_s=9.0)
    write_second(run, 9, good=1, errors=0)
    progress.refresh()
    assert progress.users == {"worker-0": 10}


def test_a_level_waits_for_the_seconds_of_all_workers_but_the_lost(run: RunDirectory) -> None:
    measuring = Measuring(run)
    measuring.begin(BEGAN_S)
    for second, worker in ((0, "worker-0"), (0, "worker-1"), (1, "worker-0"), (2, "worker-0")):
        write_second(run, second, good=1, errors=0, worker=worker)
    measuring.refresh()
    assert measuring.whole_s == 1
    write_event(run, EventKind.WORKER, worker="worker-1", state="lost")
    measuring.refresh()
    assert measuring.whole_s == 3
    write_event(run, EventKind.WORKER, worker="worker-1", state="joined")
    measuring.refresh()
    assert measuring.whole_s == 1


def test_the_warm_up_is_shown_but_not_counted(run: RunDirectory) -> None:
    progress = Progress(run, Slo())
    write_event(run, EventKind.PHASE, phase=Phase.WARM_UP)
    write_second(run, 0, good=10, errors=0)
    progress.refresh()
    assert not progress.journeys
    assert progress.seconds[BEGAN_S].samples == 10


@pytest.mark.parametrize(("errors", "stopped"), [(4, False), (6, True)])
def test_the_guard_stops_a_run_only_above_its_limit(run: RunDirectory, errors: int, stopped: bool) -> None:
    progress = Progress(run, Slo())
    write_event(run, EventKind.PHASE, phase=Phase.LOAD)
    for number in range(12):
        write_second(run, number, good=10 - errors, errors=errors)
    progress.refresh()
    found = breach(Guards(max_bad_share=0.5, for_s=10), progress, BEGAN_S + 12)
    assert (found is not None) == stopped


def test_the_guard_waits_until_it_has_seen_its_whole_window(run: RunDirectory) -> None:
    progress = Progress(run, Slo())
    write_event(run, EventKind.PHASE, phase=Phase.LOAD)
    for number in range(5):
        write_second(run, number, good=0, errors=10)
    progress.refresh()
    assert breach(Guards(max_bad_share=0.5, for_s=10), progress, BEGAN_S + 6) is None


def filled(run: RunDirectory) -> Progress:
    progress = Progress(run, Slo())
    write_event(run, EventKind.PHASE, phase=Phase.LOAD)
    write_event(
        run,
        EventKind.FAULT,
        fault_id="F1",
        experiment="kill-api-pod",
        state=FaultState.EFFECTIVE,
        target="api-2 (pid 7)",
    )
    for number in range(60):
        write_second(run, number, good=100, errors=0, slow=8)
    progress.refresh()
    return progress


def test_the_live_view_fits_a_terminal_of_80_by_24(run: RunDirectory) -> None:
    view = LiveView(PLAN, "run-1", Console(file=io.StringIO()))
    lines = view.lines(filled(run), BEGAN_S + 60)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= WIDTH


def test_the_live_view_says_that_an_objective_is_missed(run: RunDirectory) -> None:
    text = "\n".join(LiveView(PLAN, "run-1", Console(file=io.StringIO())).lines(filled(run), BEGAN_S + 60))
    assert "SO FAR x FAIL" in text
    assert "x miss" in text
    assert "F1 kill-api-pod api-2 " in text


def test_the_plain_view_prints_each_event_once(run: RunDirectory) -> None:
    out = io.StringIO()
    view = PlainView(out)
    progress = Progress(run, Slo())
    write_event(run, EventKind.WARNING, message="something")
    view.refresh(progress, progress.refresh())
    view.refresh(progress, progress.refresh())
    assert out.getvalue().count("warning: something") == 1


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_can_be_described_whatever_it_lacks(kind: EventKind) -> None:
    assert isinstance(describe(Event(0, kind, {})), str)


def test_clock_reads_as_minutes_then_hours() -> None:
    assert (clock(75), clock(3_675)) == ("01:15", "1:01:15")
