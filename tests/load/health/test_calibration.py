"""A worker finds out what it can do at most, and leaves nothing behind."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from journal.errors import HarnessDefect
from journal.plan import Arrivals, ArrivalStage, Load, Plan, Stage, ThinkTime
from journal.profile import Profile
from load.expectation import expected_per_s, warning
from load.health import calibration
from load.health.calibration import FEWEST_REQUESTS, calibrate, null_target
from load.health.null_server import ANSWER
from tests.load.conftest import eventually
from tests.load.control_group import group_of

PROFILE = Profile(name="test")
HEAD = b"GET /calibration HTTP/1.1\r\nHost: null\r\n\r\n"


def null_servers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if any("null_server" in word for word in child.cmdline())]


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    with null_target() as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as made:
        yield made


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := connection.recv(65_536)):
        data += more
    return data


def test_the_null_target_answers_a_request_once_it_is_whole(connection: socket.socket) -> None:
    connection.sendall(HEAD[:10])
    connection.sendall(HEAD[10:] + HEAD + HEAD[:5])
    assert received(connection, 2 * len(ANSWER)) == 2 * ANSWER
    connection.sendall(HEAD[5:])
    assert received(connection, len(ANSWER)) == ANSWER


def test_the_null_target_ends_with_the_with_block() -> None:
    with null_target():
        assert len(null_servers()) == 1
    eventually(lambda: not null_servers(), 10, "the end of the null target")


def test_a_calibration_finds_ceiling_and_floor_and_leaves_no_process() -> None:
    found = calibrate(PROFILE, seconds=0.4)
    assert found.requests > 100
    assert found.ceiling_per_s > 100
    assert 0 < found.cores <= 1
    assert 0 < found.service_p50_ms <= found.service_p99_ms
    assert null_servers() == []


def test_the_ceiling_is_no_higher_than_a_quota_lets_it_be() -> None:
    free = calibrate(PROFILE, seconds=0.4)
    with group_of(cores=0.25) as group:
        procs = group / "cgroup.procs"
        procs.write_text("0")
        limited = calibrate(PROFILE, seconds=0.4)
    assert (limited.cores, free.cores > 0.25) == (0.25, True)
    assert limited.ceiling_per_s < free.ceiling_per_s


def test_however_short_a_calibration_it_takes_some_requests() -> None:
    assert calibrate(PROFILE, seconds=1e-6).requests >= FEWEST_REQUESTS


def test_a_ceiling_is_not_reckoned_from_too_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "LONGER_S", 0.0)
    with pytest.raises(HarnessDefect, match="which are too few"):
        calibrate(PROFILE, seconds=1e-6)
    assert null_servers() == []


def test_a_null_target_that_does_not_answer_in_time_is_named_and_ended() -> None:
    with pytest.raises(HarnessDefect, match="the null target did not answer: "):
        calibrate(Profile(name="test", request_timeout_s=1e-6), seconds=0.2)
    assert null_servers() == []


def plan(users: int, workers: int = 2, think_s: float = 1.0, **mix: int) -> Plan:
    think = ThinkTime(min_s=think_s, max_s=think_s)
    stages = (Stage(users=1, duration_s=5), Stage(users=users, duration_s=10))
    return Plan(name="p", load=Load(stages=stages, workers=workers, think_time=think, mix=mix or {"auth": 1}))


Declared = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def declared() -> Declared:
    done = subprocess.run([sys.executable, "-P", "-m", "load.forecast"], check=True, capture_output=True, timeout=60)
    journeys: Declared = json.loads(done.stdout)["journeys"]
    return journeys


def test_each_worker_is_expected_to_do_its_share_of_the_highest_stage(declared: Declared) -> None:
    alone = expected_per_s(plan(100, workers=1), declared, 0.0)
    assert alone is not None
    assert expected_per_s(plan(100, workers=4), declared, 0.0) == pytest.approx(alone / 4)
    assert expected_per_s(plan(100, workers=1, think_s=2.0), declared, 0.0) == pytest.approx(alone / 2)
    assert expected_per_s(plan(100, workers=1), declared, 1.0) < alone
    assert 50 < alone < 200  # a user who thinks for a second does about one request a second


def test_a_pass_takes_its_pauses_its_waiting_and_its_requests() -> None:
    kinds = {"GET /": "REQUEST", "task": "WORKFLOW"}
    declared = {"auth": {"operations": {"GET /": 2.0, "task": 1.0}, "kinds": kinds, "thinks": 1.0, "waiting_s": 3.0}}
    assert expected_per_s(plan(100, workers=1, think_s=1.0), declared, 0.5) == pytest.approx(
        2 * 100 / (1 + 3 + 2 * 0.5)
    )


def test_of_arrivals_each_worker_is_expected_to_do_its_share_of_the_highest_rate(declared: Declared) -> None:
    stages = (ArrivalStage(rate_per_s=10, duration_s=5), ArrivalStage(rate_per_s=40, duration_s=5))
    arrivals = Arrivals(process="constant", stages=stages)
    load = Load(arrivals=arrivals, workers=2, mix={"auth": 1})
    per_pass = sum(declared["auth"]["operations"].values())
    assert expected_per_s(Plan(name="p", load=load), declared, 0.0) == pytest.approx(20 * per_pass)


def test_a_journey_that_declares_nothing_leaves_the_expectation_open(declared: Declared) -> None:
    assert expected_per_s(plan(10, auth=1, unknown=1), declared, 0.0) is None
    assert warning(None, 100.0) == ""


def test_a_plan_that_asks_for_more_than_four_fifths_of_the_ceiling_is_warned_of() -> None:
    assert warning(79.0, 100.0) == ""
    assert warning(85.0, 100.0).startswith("the plan may ask 85 requests/s of this worker, which can do 100 (85%)")
