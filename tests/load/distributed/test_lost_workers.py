"""Workers that are killed or held up in the middle of a run: what becomes of their users."""

import signal

import numpy as np
import pytest

from journal.columns import FrameColumns, read_columns
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, read_timeline
from tests.load.conftest import Locusts, Target, eventually

USERS = 12


def users_now(run: RunDirectory) -> int:
    """The users in the newest second of which all living workers have reported; 0 when there is none."""
    columns = read_columns(run.frames)
    return int(columns.users[-2]) if columns.users.size > 1 else 0


def await_users(run: RunDirectory, within_s: float = 30) -> None:
    eventually(lambda: users_now(run) == USERS, within_s, f"{USERS} users")


def worker_states(run: RunDirectory) -> list[str]:
    return [event.data["state"] for event in read_timeline(run.timeline)[0] if event.kind is EventKind.WORKER]


def in_the_middle(columns: FrameColumns) -> np.ndarray:
    """The users of each second from the first with all users to the last with as many."""
    full = np.flatnonzero(columns.users >= USERS)
    return columns.users[full[0] : full[-1] + 1]


def alone_with_all(columns: FrameColumns) -> bool:
    """Whether in some second one worker alone had all users."""
    return bool(((columns.users == USERS) & (columns.reporting == 1)).any())


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_users_of_a_worker_that_ends_move_to_the_others_and_never_dip_below_their_share(
    ending: signal.Signals, target: Target, make_run, locusts: Locusts
):
    run = make_run(target.url, users=USERS, duration_s=60)
    locusts.conducted(run, workers=3)
    await_users(run)
    locusts.signal("worker-1", ending)
    eventually(lambda: {"lost", "left"} & set(worker_states(run)), 20, "the worker's end is known")
    await_users(run)
    locusts.signal("master", signal.SIGTERM)
    assert locusts.ended("master", 30) == 0, locusts.log("master")
    columns = read_columns(run.frames)
    assert in_the_middle(columns).min() >= USERS * (1 - 1 / 3)
    gone = {worker.name: worker for worker in columns.workers}
    assert sorted(worker.complete for worker in gone.values())[1:] == [True, True]


def test_a_worker_that_was_held_up_keeps_its_users_and_the_others_give_theirs_back(
    target: Target, make_run, locusts: Locusts
):
    run = make_run(target.url, users=USERS, duration_s=90)
    locusts.conducted(run, workers=2)
    await_users(run)
    locusts.signal("worker-0", signal.SIGSTOP)
    eventually(lambda: "lost" in worker_states(run), 20, "the worker is missed")
    eventually(lambda: alone_with_all(read_columns(run.frames)), 20, "the other has all users")
    locusts.signal("worker-0", signal.SIGCONT)
    eventually(lambda: read_columns(run.frames).users.max() > USERS, 20, "the worker is back with its users")
    await_users(run)
    locusts.signal("master", signal.SIGTERM)
    assert [locusts.ended(name, 30) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0]
    columns = read_columns(run.frames)
    assert in_the_middle(columns).min() >= USERS / 2
    assert [(worker.complete, worker.missing) for worker in columns.workers] == [(True, ()), (True, ())]


def test_a_run_outlasts_a_moment_in_which_all_workers_are_silent(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, users=USERS, duration_s=60)
    locusts.conducted(run, workers=1)
    await_users(run)
    locusts.signal("worker-0", signal.SIGSTOP)
    eventually(lambda: "setting state to missing" in locusts.log("master"), 10, "Locust misses its worker")
    locusts.signal("worker-0", signal.SIGCONT)
    eventually(lambda: "self-healed" in locusts.log("master"), 10, "the worker is back")
    seconds = read_columns(run.frames).users.size
    eventually(lambda: read_columns(run.frames).users.size > seconds + 3, 10, "the run goes on")
    await_users(run)
    locusts.signal("master", signal.SIGTERM)
    assert [locusts.ended(name, 30) for name in ("master", "worker-0")] == [0, 0], locusts.log("master")
    assert read_columns(run.frames).workers[0].missing == ()
