"""Real workers of an open model against a real target: what was planned is what the frames account for."""

import signal

import numpy as np

from journal.arrival_schedule import ArrivalSchedule
from journal.columns import FrameColumns, read_columns
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, Kind, Outcome
from journal.plan import Arrivals, ArrivalStage
from journal.plan_shapes import Shape
from journal.recorded_arrivals import pack
from journal.run_directory import RunDirectory
from journal.timeline import LOST_AFTER_S, EventKind, read_timeline
from tests.load.conftest import Locusts, Target, eventually

NS = 1_000_000_000


def arrivals_of(rate_per_s: float, duration_s: float, **settings: object) -> Arrivals:
    stage = ArrivalStage(rate_per_s=rate_per_s, duration_s=duration_s, shape=Shape(kind="ramp", to=2 * rate_per_s))
    defaults = {"max_in_flight": 40, "spawn_rate_per_s": 40.0}
    return Arrivals(process="poisson", stages=(stage,), **{**defaults, **settings})  # type: ignore[arg-type]


def events_of(run: RunDirectory, kind: EventKind) -> list[dict]:
    return [dict(event.data) for event in read_timeline(run.timeline)[0] if event.kind is kind]


def due(columns: FrameColumns, endpoint) -> np.ndarray:
    if endpoint not in columns.endpoints:
        return np.zeros(columns.users.size, dtype=np.int64)
    return columns.started[columns.endpoints.index(endpoint)]


def planned(run: RunDirectory, columns: FrameColumns) -> np.ndarray:
    plan = run.read_manifest().plan
    assert plan.load.arrivals is not None
    begin_ns = events_of(run, EventKind.ARRIVALS)[0]["begin_ns"]
    end_ns = begin_ns + round(plan.load.duration_s * NS)
    schedule = ArrivalSchedule(plan.load.arrivals, plan.seed)
    return schedule.per_second(begin_ns, columns.first_second, columns.users.size, end_ns)


def begun(columns: FrameColumns) -> int:
    return int(columns.count[columns.endpoints.index(ARRIVALS), Outcome.OK].sum())


def test_two_workers_start_every_planned_arrival_once_and_record_response_times(
    target: Target, make_run, locusts: Locusts
):
    run, before = make_run(target.url, arrivals=arrivals_of(10, 8)), target.counters()
    locusts.conducted(run, 2)
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")
    columns, after = read_columns(run.frames), target.counters()
    assert due(columns, DROPPED_ARRIVALS).sum() == 0
    assert begun(columns) == due(columns, ARRIVALS).sum() == planned(run, columns).sum() > 80

    rows = [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.REQUEST]
    sent = int(columns.started[rows].sum())
    assert sent == after["load_started"] - before["load_started"] > 200
    answered = columns.count[rows][:, Outcome.OK].sum()
    assert len(columns.histogram(rows, name="service")) == len(columns.histogram(rows, name="response")) == answered
    # a report begins with a pause of 100 ms or more, which is no part of its first request's response time
    after_pause = [row for row in rows if columns.endpoints[row].name == "POST /api/v1/mcp/process"]
    usual_us = [columns.histogram(after_pause, name=name).quantile_us(0.5) for name in ("service", "response")]
    assert usual_us[0] <= usual_us[1] < usual_us[0] + 100_000

    assert [event["phase"] for event in events_of(run, EventKind.PHASE)] == [
        *("warm-up", "load", "drain", "invariants", "ended")
    ]
    (split,) = events_of(run, EventKind.ARRIVALS)
    assert (split["first"], split["workers"]) == (0, ["worker-0", "worker-1"])
    violated = {event["name"]: event["violated"] for event in events_of(run, EventKind.INVARIANT)}
    assert set(violated.values()) == {0}


def test_recorded_arrivals_are_started_in_the_seconds_of_the_recording(target: Target, make_run, locusts: Locusts):
    offsets_us = np.sort(np.random.default_rng(4).integers(0, 6_000_000, 60))
    offsets_us = np.r_[offsets_us[offsets_us < 2_000_000], offsets_us[offsets_us >= 4_000_000]]  # a pause in between
    recorded = Arrivals(process="recorded", recording=pack(offsets_us), max_in_flight=60, spawn_rate_per_s=60.0)
    run = make_run(target.url, arrivals=recorded)
    locusts.conducted(run, 2)
    assert locusts.ended("master") == 0, locusts.log("master")
    columns = read_columns(run.frames)
    assert begun(columns) == due(columns, ARRIVALS).sum() == planned(run, columns).sum() == offsets_us.size > 30
    assert due(columns, DROPPED_ARRIVALS).sum() == 0
    begin_ns = events_of(run, EventKind.ARRIVALS)[0]["begin_ns"]
    seconds = (begin_ns + offsets_us * 1000) // NS - columns.first_second
    assert due(columns, ARRIVALS).tolist() == np.bincount(seconds, minlength=columns.users.size).tolist()


def test_arrivals_that_find_no_user_are_dropped_and_counted(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, arrivals=arrivals_of(30, 6, max_in_flight=4))
    locusts.conducted(run, 2)
    assert locusts.ended("master") == 0, locusts.log("master")
    columns = read_columns(run.frames)
    dropped = int(due(columns, DROPPED_ARRIVALS).sum())
    assert dropped > 50
    assert begun(columns) + dropped == planned(run, columns).sum()
    assert columns.users.max() == 4


def test_the_share_of_a_killed_worker_goes_to_the_others_and_what_it_missed_is_known(
    target: Target, make_run, locusts: Locusts
):
    run = make_run(target.url, arrivals=arrivals_of(8, 32))
    locusts.conducted(run, 3)
    eventually(lambda: "load" in [event["phase"] for event in events_of(run, EventKind.PHASE)], 60, "the load")
    locusts.signal("worker-1", signal.SIGKILL)
    assert locusts.ended("master", 90) == 0, locusts.log("master")
    first, *later = events_of(run, EventKind.ARRIVALS)
    assert len(first["workers"]) == 3
    assert [len(event["workers"]) for event in later] == [2]
    columns = read_columns(run.frames)
    taken = due(columns, ARRIVALS) + due(columns, DROPPED_ARRIVALS)
    missing = planned(run, columns) - taken
    begin_s = first["begin_ns"] / NS - columns.first_second
    again = int(begin_s + later[0]["from_s"]) + 1
    assert missing[again + 1 :].sum() == 0
    assert 0 < missing.sum() < 16 * 3
    assert np.flatnonzero(missing > 0)[0] > again - LOST_AFTER_S - 12


def test_a_held_up_worker_drops_what_it_was_granted_and_starts_nothing_twice(
    target: Target, make_run, locusts: Locusts
):
    run = make_run(target.url, arrivals=arrivals_of(8, 36))
    locusts.conducted(run, 2)
    eventually(lambda: "load" in [event["phase"] for event in events_of(run, EventKind.PHASE)], 60, "the load")
    locusts.signal("worker-0", signal.SIGSTOP)
    eventually(lambda: len(events_of(run, EventKind.ARRIVALS)) > 1, 30, "the other worker takes all")
    locusts.signal("worker-0", signal.SIGCONT)
    eventually(lambda: len(events_of(run, EventKind.ARRIVALS)) > 2, 30, "it takes part again")
    assert locusts.ended("master", 90) == 0, locusts.log("master")
    columns = read_columns(run.frames)
    taken = due(columns, ARRIVALS) + due(columns, DROPPED_ARRIVALS)
    assert taken.sum() == planned(run, columns).sum()
    assert due(columns, DROPPED_ARRIVALS).sum() > 0
