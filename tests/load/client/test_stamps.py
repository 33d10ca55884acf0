"""When an answer arrived, by whose clock, and what is believed when clocks disagree."""

import socket
import threading
import time

import pytest

from load.client import connection as module
from load.client import stamps
from load.client.answer import Answer
from load.client.connection import Connection
from load.client.origin import Limits, Origin
from tests.load.hostile import HostileServer, answer, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def always(server: HostileServer, connection: socket.socket) -> None:
    while server.read_request(connection):
        connection.sendall(answer())


def connect(server: HostileServer) -> Connection:
    connection = Connection(Origin.of(server.url), Limits(total_s=5.0))
    connection.exchange(GET)
    return connection


def test_an_answer_that_is_read_late_is_timed_by_its_arrival_and_the_rest_is_lag():
    arrived = threading.Event()

    def handle(server, connection):
        while server.read_request(connection):
            connection.sendall(answer())
            arrived.set()

    with serving(handle) as server:
        connection = connect(server)
        arrived.clear()
        connection.send(GET)
        assert arrived.wait(5)
        time.sleep(0.05)  # the generator is busy with something else
        while not connection._parsing.complete:
            connection._receive()
        late = Answer()
        connection._received(connection._parsing, late)
        assert late.stamped
        assert late.lag_ns >= 50_000_000
        assert late.service_ns + late.lag_ns >= 50_000_000 > late.service_ns


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 0.5, -0.5])
def test_a_wall_clock_that_is_set_meanwhile_is_not_believed(step_s, monkeypatch):
    with serving(always) as server:
        connection = connect(server)
        real_ns = time.time_ns
        # as if the clock had been set between the sending, which asks here, and the kernel's stamp
        monkeypatch.setattr(module, "time_ns", lambda: real_ns() - round(step_s * 1e9))
        before = stamps.count.unstamped
        reply = connection.exchange(GET)
        assert not reply.stamped
        assert 0 < reply.service_ns < 400_000_000
        assert reply.lag_ns == 0
        assert stamps.count.unstamped == before + 1


@pytest.mark.parametrize("outside", [lambda c: c.began_ns - 1, lambda c: c._wire.read_ns + 1], ids=["before", "after"])
def test_a_stamp_from_before_the_sending_or_after_the_reading_is_not_believed(outside):
    with serving(always) as server:
        connection = connect(server)
        connection.send(GET)
        while not connection._parsing.complete:
            connection._receive()
        connection._wire.stamp_ns = outside(connection)
        reply = Answer()
        connection._received(connection._parsing, reply)
        assert (reply.stamped, reply.lag_ns) == (False, 0)
        assert reply.service_ns > 0


def test_without_the_kernels_stamps_the_time_of_reading_is_taken(monkeypatch):
    monkeypatch.setattr(stamps.platform, "system", lambda: "Plan9")
    assert stamps.are_refused()
    with serving(always) as server:
        connection = connect(server)
        reply = connection.exchange(GET)
        assert (reply.stamped, reply.lag_ns) == (False, 0)
        assert 0 < reply.service_ns < 5_000_000_000


@pytest.mark.parametrize(
    ("stamped", "unstamped", "said"), [(9_900, 100, False), (9_899, 101, True), (0, 9, False), (0, 10, True)]
)
def test_a_worker_whose_answers_went_without_stamps_says_so_at_its_end(stamped, unstamped, said, monkeypatch):
    monkeypatch.setattr(stamps, "count", stamps.StampCount(stamped, unstamped))
    assert bool(stamps.complaint()) is said
    if said:
        assert f"no stamp for {unstamped} of {stamped + unstamped:,} answers" in stamps.complaint()


def test_this_system_stamps():
    assert not stamps.are_refused()
    with serving(always) as server:
        assert all(connect(server).exchange(GET).stamped for _ in range(3))
