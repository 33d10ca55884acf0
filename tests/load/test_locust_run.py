"""Real Locust processes against a real target: what they write down must be what the target saw."""

import signal
import urllib.request

import numpy as np
import pytest

from analysis.judge import judge
from journal.columns import FrameColumns, read_columns
from journal.failures import read_failures
from journal.outcomes import Kind, Outcome
from journal.readings import read_readings
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, read_timeline
from tests.load.conftest import LOCUSTFILES, Locusts, Target, eventually, free_port


def events_of(run: RunDirectory, kind: EventKind) -> list[Event]:
    return [event for event in read_timeline(run.timeline)[0] if event.kind is kind]


def phases(run: RunDirectory) -> list[str]:
    return [event.data["phase"] for event in events_of(run, EventKind.PHASE)]


def await_phase(run: RunDirectory, phase: str) -> None:
    eventually(lambda: phase in phases(run), 60, f"phase {phase}")


def account(columns: FrameColumns) -> tuple[int, int, int]:
    """Requests sent, ended with a whole answer, and left open at the end."""
    rows = [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.REQUEST]
    refused = int(columns.count[rows][:, Outcome.REFUSED].sum())
    answered = int(sum(columns.count[rows][:, outcome].sum() for outcome in Outcome if outcome.answered))
    return int(columns.started[rows].sum()) - refused, answered, int(columns.in_flight[rows, -1].sum())


def test_a_run_with_two_workers_writes_down_exactly_what_the_target_saw(target: Target, make_run, locusts: Locusts):
    run, metrics_port = make_run(target.url, users=20, duration_s=6, then_users=6), free_port()
    before = target.counters()
    locusts.conducted(run, 2, "--metrics-port", str(metrics_port))
    await_phase(run, "load")
    eventually(lambda: "gameday_users 20.0" in scrape(metrics_port), 10, "20 users in the metrics")
    text = scrape(metrics_port)
    assert 'gameday_phase{phase="load"} 1.0' in text
    assert "gameday_bad_share" in text
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")

    columns, after = read_columns(run.frames), target.counters()
    sent, answered, unfinished = account(columns)
    assert sent == answered == after["load_started"] - before["load_started"] > 100
    assert after["load_finished"] - before["load_finished"] == sent
    assert unfinished == 0
    assert [(worker.complete, worker.missing) for worker in columns.workers] == [(True, ()), (True, ())]
    assert columns.damages == ()
    assert set(columns.reporting[1:-1].tolist()) == {2}
    assert columns.users.max() == 20
    assert 6 in columns.users.tolist()
    changes = [event.data for event in events_of(run, EventKind.USERS)]
    assert [(change["stage"], change["users"]) for change in changes] == [(0, 20), (1, 6)]
    handshakes = columns.count[[endpoint.name.startswith("WS /") for endpoint in columns.endpoints]].sum()
    assert after["websocket_opened"] - before["websocket_opened"] == handshakes > 0

    assert phases(run) == ["warm-up", "load", "drain", "invariants", "ended"]
    assert read_failures(run.failures) == ([], [])
    invariants = {event.data["name"]: event.data for event in events_of(run, EventKind.INVARIANT)}
    assert {data["violated"] for data in invariants.values()} == {0}
    assert set(invariants) == {
        "task-completed-once",
        "token-supply-conserved",
        "no-foreign-data",
        "login-needs-password",
    }
    assert all(data["checked"] > 0 for name, data in invariants.items() if name != "login-needs-password")
    assert events_of(run, EventKind.WARNING) == []
    calibrated = {event.data["worker"]: event for event in events_of(run, EventKind.CALIBRATION)}
    assert set(calibrated) == {"worker-0", "worker-1"}
    assert all(event.data["ceiling_per_s"] > event.data["expected_per_s"] > 1 for event in calibrated.values())
    warm_up = next(event for event in events_of(run, EventKind.PHASE) if event.data["phase"] == "warm-up")
    assert all(event.at_ns <= warm_up.at_ns for event in calibrated.values())

    readings = read_readings(run.readings)[0]
    assert {series.subject for series in readings} == {"worker-0", "worker-1", "master"}
    assert all((series.cpu_limit_cores > 0).all() for series in readings)
    generator = {
        endpoint.name: row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.GENERATOR
    }
    assert set(generator) == {"entering", "loop lag", "think"}
    lag = [generator["loop lag"]]
    assert len(columns.histogram(lag, name="lag")) > 300
    assert np.isnan(columns.histogram(lag, name="service").quantile_us(0.5))
    assert f"{sent} " in locusts.log("master")  # Locust's own summary has the same total


def test_a_plan_that_asks_too_much_of_a_worker_is_warned_of_before_the_load(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, users=100_000, spawn_rate_per_s=2.0, duration_s=2)
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")
    (warning,) = events_of(run, EventKind.WARNING)
    assert "requests/s of this worker, which can do" in warning.data["message"]


def test_a_plan_may_leave_the_calibration_out(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, users=2, duration_s=2, calibration_s=0)
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")
    assert events_of(run, EventKind.CALIBRATION) == []


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


LISTENER = """
from locust import events

seen = []

@events.request.add_listener
def listen(request_type, name, response_time, response_length, exception, start_time, **_):
    seen.append((request_type, name, exception))

@events.quitting.add_listener
def tell(environment, **_):
    print("heard", len(seen), "of", environment.stats.num_requests, seen[-1])
"""


def test_who_listens_to_the_request_event_hears_of_each_request_and_the_statistics_count_it_once(
    target: Target, make_run, locusts: Locusts
):
    run = make_run(target.url, duration_s=3)
    (locusts.folder / "listener.py").write_text(LISTENER)
    files = f"{LOCUSTFILES},{locusts.folder / 'listener.py'}"
    locusts.start("locust", "--run-dir", str(run.path), "--only-summary", files=files)
    assert locusts.ended("locust") == 0, locusts.log("locust")
    sent, _, _ = account(read_columns(run.frames))
    assert f"heard {sent} of {sent} (" in locusts.log("locust")


def test_a_promise_that_no_journey_of_the_mix_puts_to_the_test_is_not_owed(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, users=4, duration_s=4, mix={"live_page": 1})
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")
    assert [(one.name, one.state) for one in judge(run)[1].invariants] == [("token-supply-conserved", "pass")]


def test_a_terminated_master_drains_checks_and_ends_in_order(target: Target, make_run, locusts: Locusts):
    run, before = make_run(target.url, duration_s=300), target.counters()
    locusts.conducted(run)
    await_phase(run, "load")
    locusts.signal("master", signal.SIGTERM)
    assert [locusts.ended(name, 30) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0]
    assert phases(run) == ["warm-up", "load", "drain", "invariants", "ended"]
    sent, answered, unfinished = account(read_columns(run.frames))
    assert (sent, unfinished) == (answered, 0)
    assert sent == target.counters()["load_started"] - before["load_started"]


def test_a_run_goes_on_without_a_worker_that_leaves_and_one_that_is_killed(target: Target, make_run, locusts: Locusts):
    run, before = make_run(target.url, duration_s=9), target.counters()
    locusts.conducted(run, workers=3)
    await_phase(run, "load")
    locusts.signal("worker-0", signal.SIGTERM)
    locusts.signal("worker-1", signal.SIGKILL)
    assert locusts.ended("worker-0", 30) == 0
    assert "ended" not in phases(run)
    assert [locusts.ended(name) for name in ("master", "worker-2")] == [0, 0]
    states = [event.data["state"] for event in events_of(run, EventKind.WORKER)]
    assert sorted(states) == ["joined", "joined", "joined", "left", "left", "lost"]
    columns = read_columns(run.frames)
    assert sorted(worker.complete for worker in columns.workers) == [False, True, True]
    assert 0 < account(columns)[0] <= target.counters()["load_started"] - before["load_started"]
    checked = [event for event in events_of(run, EventKind.INVARIANT) if event.data["name"] == "task-completed-once"]
    assert len({event.data["worker"] for event in checked}) == 2


def test_whoever_is_left_alone_ends_by_itself(target: Target, make_run, make_locusts):
    masterless, workerless = make_locusts("masterless"), make_locusts("workerless")
    runs = [make_run(target.url, duration_s=300, name=name) for name in ("run-1", "run-2")]
    masterless.conducted(runs[0])
    workerless.conducted(runs[1])
    for run in runs:
        await_phase(run, "load")
    masterless.signal("master", signal.SIGKILL)
    for name in ("worker-0", "worker-1"):
        workerless.signal(name, signal.SIGKILL)
    assert workerless.ended("master", 40) == 70
    assert phases(runs[1])[-1] == "ended"
    assert [event.data["message"] for event in events_of(runs[1], EventKind.WARNING)] == ["all workers are gone"]
    # about ten seconds after the death of their master, which was some seconds ago
    assert [masterless.ended(name, 20) for name in ("worker-0", "worker-1")] == [70, 70]


def test_a_worker_waits_for_its_master_and_takes_the_index_that_its_job_gave_it(
    target: Target, make_run, locusts: Locusts, monkeypatch: pytest.MonkeyPatch
):
    run = make_run(target.url, duration_s=3)
    for number, index in enumerate(("1", "0", "0")):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
        locusts.start(f"worker-{number}", "--worker", "--master-host", "127.0.0.1", "--master-port", str(locusts.port))
    eventually(lambda: all(locusts.log(f"worker-{n}") for n in range(3)), 30, "the workers have started")
    locusts.start(
        *("master", "--master", "--master-bind-port", str(locusts.port), "--expect-workers", "3"),
        *("--only-summary", "--run-dir", str(run.path)),
    )
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1", "worker-2")] == [0, 0, 0, 0]
    joined = [event.data["worker"] for event in events_of(run, EventKind.WORKER) if event.data["state"] == "joined"]
    assert sorted(joined) == ["worker-0", "worker-1", "worker-2"]
    assert [worker.complete for worker in read_columns(run.frames).workers] == [True] * 3


def test_plain_locust_makes_a_run_directory_and_exits_by_its_verdict(target: Target, locusts: Locusts):
    locusts.start("locust", "-u", "4", "-r", "4", "-t", "3s", "-H", target.url, "--only-summary")
    code = locusts.ended("locust")
    (path,) = (locusts.folder / "runs").iterdir()
    assert code == 3, locusts.log("locust")  # three seconds decide nothing
    assert (path / "verdict.json").exists()
    assert "INCONCLUSIVE" in locusts.log("locust")
    assert [worker.complete for worker in read_columns(path / "frames.bin").workers] == [True]


ELSEWHERE = """\
import platform

platform.system = lambda: "Plan9"
"""


def test_where_the_kernel_gives_no_stamps_manifest_and_reports_say_so(target: Target, locusts: Locusts, monkeypatch):
    (locusts.folder / "sitecustomize.py").write_text(ELSEWHERE)
    monkeypatch.setenv("PYTHONPATH", str(locusts.folder))
    locusts.start("locust", "-u", "2", "-r", "2", "-t", "3s", "-H", target.url, "--only-summary")
    assert locusts.ended("locust") == 3, locusts.log("locust")
    (path,) = (locusts.folder / "runs").iterdir()
    assert RunDirectory(path).read_manifest().clock.source == "perf_counter"
    assert "kernel stamps no received data here" in locusts.log("locust")
    for report in ("report.html", "report.md"):
        assert "kernel stamps no received data here" in (path / report).read_text()
    assert "perf_counter: service times contain the delay" in (path / "report.html").read_text()
    columns = read_columns(path / "frames.bin")
    rows = [row for row, endpoint in enumerate(columns.endpoints) if endpoint.kind is Kind.REQUEST]
    assert len(columns.histogram(rows, name="service")) > 0
    assert len(columns.histogram(rows, name="lag")) == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-u", "1"], 2, "no target is given"),
        (["-H", "localhost:1"], 2, "is no base URL"),
        (["-H", "http://127.0.0.1:9", "-u", "0"], 2, "a run needs users"),
        (["--run-dir", "nowhere"], 2, "there is no such run directory"),
        (["-H", "http://127.0.0.1:9", "-u", "1", "-t", "5s"], 5, "nobody answers"),
        (["--master", "--expect-workers-max-wait", "1", "-H", "http://127.0.0.1:9"], 70, "0 of 1 workers joined"),
    ],
)
def test_bad_input_ends_with_a_message_and_its_exit_code(locusts: Locusts, options, code, message):
    locusts.start("locust", "--master-bind-port", str(locusts.port), *options)
    assert locusts.ended("locust") == code, locusts.log("locust")
    assert message in locusts.log("locust")
    assert "Traceback" not in locusts.log("locust")
