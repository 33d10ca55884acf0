"""Workers count in the master's time, however wrong their own clocks are."""

import random
import signal
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.columns import read_columns
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, read_timeline
from load.distributed.clock import RunClock
from tests.load.conftest import Locusts, Target, eventually

NS = 1_000_000_000
AHEAD_S = 7.3


class Pair:
    """A worker's clock that is ahead of its master's, and a way between them that takes a while each time."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.now_s, self.ahead_s = 1_700_000_000.0, ahead_s
        self.clock = RunClock(lambda: self.now_s + self.ahead_s)

    def ask(self, there_s: float, back_s: float) -> None:
        question = self.clock.question()
        self.now_s += there_s
        answer = {**question, "at_ns": int(self.now_s * NS)}
        self.now_s += back_s
        self.clock.take(answer)

    @property
    def wrong_s(self) -> float:
        return self.clock.time() - self.now_s


ways = st.lists(st.tuples(st.floats(0.0001, 2.0), st.floats(0.0001, 2.0)), min_size=1, max_size=8)


@given(st.floats(-5000, 5000), ways)
def test_the_error_is_never_more_than_is_said(ahead_s: float, delays: list[tuple[float, float]]):
    pair = Pair(ahead_s)
    for there_s, back_s in delays:
        pair.ask(there_s, back_s)
    correction = pair.clock.correct()
    assert correction is not None
    assert abs(pair.wrong_s) <= 2 * correction.error_ns / NS + 1e-5
    assert correction.error_ns / NS <= min(there_s + back_s for there_s, back_s in delays) / 2 + 1e-5


def test_of_several_answers_the_quickest_counts():
    pair = Pair(AHEAD_S)
    for there_s, back_s in ((0.9, 0.1), (0.001, 0.001), (0.0, 2.0)):
        pair.ask(there_s, back_s)
    assert pair.clock.answers == 3
    correction = pair.clock.correct()
    assert correction is not None
    assert correction.offset_ns == pytest.approx(-AHEAD_S * NS, abs=5_000)
    assert correction.off_ns == correction.offset_ns
    assert pair.clock.correct() is None


def test_noise_is_not_followed_and_a_clock_that_was_set_is():
    pair, chance = Pair(AHEAD_S), random.Random(3)
    pair.ask(0.001, 0.001)
    pair.clock.correct()
    for _ in range(50):
        pair.ask(chance.uniform(0.0005, 0.003), chance.uniform(0.0005, 0.003))
        correction = pair.clock.correct()
        assert correction is not None
        assert correction.off_ns == 0
    pair.ahead_s -= 2.5
    pair.ask(0.001, 0.002)
    found = pair.clock.correct()
    assert found is not None
    assert found.off_ns / NS == pytest.approx(2.5, abs=0.002)
    assert abs(pair.wrong_s) < 0.002


def test_an_answer_from_before_its_question_is_worth_nothing():
    pair = Pair()
    question = pair.clock.question()
    pair.ahead_s = -10
    pair.clock.take({**question, "at_ns": int(pair.now_s * NS)})
    assert pair.clock.correct() is None


def clocks(run: RunDirectory) -> dict[str, Event]:
    events = [event for event in read_timeline(run.timeline)[0] if event.kind is EventKind.CLOCK]
    return {event.data["worker"]: event for event in events}


def test_a_worker_whose_clock_is_seconds_ahead_counts_in_the_same_seconds_as_the_others(
    target: Target, make_run, locusts: Locusts, monkeypatch: pytest.MonkeyPatch
):
    """The wrong clock is real for all of the worker's process: it is put in place before anything else runs."""
    run = make_run(target.url, users=8, duration_s=60)
    start = ("--worker", "--master-host", "127.0.0.1", "--master-port", str(locusts.port))
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(locusts.folder), prepend=":")
        patch.setenv("JOB_COMPLETION_INDEX", "1")
        (locusts.folder / "sitecustomize.py").write_text(
            textwrap.dedent(
                f"""
                import time
                seconds, nanoseconds = time.time, time.time_ns
                time.time = lambda: seconds() + {AHEAD_S}
                time.time_ns = lambda: nanoseconds() + int({AHEAD_S} * 1e9)
                """
            )
        )
        locusts.start("worker-1", *start)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    locusts.start("worker-0", *start)
    master = ["--master", "--master-bind-port", str(locusts.port), "--expect-workers", "2", "--only-summary"]
    locusts.start("master", *master, "--run-dir", str(run.path))
    eventually(lambda: read_columns(run.frames).users.max(initial=0) == 8, 60, "all users")
    seconds = read_columns(run.frames).users.size
    eventually(lambda: read_columns(run.frames).users.size > seconds + 5, 20, "some more seconds")
    locusts.signal("master", signal.SIGTERM)
    assert [locusts.ended(name, 30) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log(
        "worker-1"
    )
    columns = read_columns(run.frames)
    assert set(columns.reporting[2:-2].tolist()) == {2}
    last = [worker.last_second for worker in columns.workers]
    assert max(last) - min(last) <= 2
    found = clocks(run)
    assert found["worker-1"].data["offset_ms"] == pytest.approx(-AHEAD_S * 1000, abs=50)
    assert abs(found["worker-0"].data["offset_ms"]) < 50
    assert all(event.data["error_ms"] < 50 for event in found.values())
