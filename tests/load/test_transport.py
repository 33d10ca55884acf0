from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest

from journal.outcomes import Outcome
from load.transport import Connection, Origin
from tests.load.hostile import answer, reset, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(url: str, timeout_s: float = 5.0) -> Connection:
    return Connection(Origin.of(url), timeout_s)


def always(reply: bytes):
    def handle(server, connection):
        while server.read_request(connection):
            connection.sendall(reply)

    return handle


def once(reply: bytes, end=lambda connection: None):
    """Answers the first request of each connection with some bytes, then ends it."""

    def handle(server, connection):
        if server.read_request(connection):
            connection.sendall(reply)
            end(connection)

    return handle


def test_a_whole_answer_is_ok_and_the_connection_is_used_again():
    with serving(always(answer(b'{"a": 1}', headers="X-Served-By: api-0@7\r\n"))) as server:
        connection = connect(server.url)
        first, second = connection.exchange("GET", GET), connection.exchange("GET", GET)
        assert (first.outcome, first.status, first.body) == (Outcome.OK, 200, b'{"a": 1}')
        assert 0 < second.service_us < 5_000_000
        assert server.connections == 1


def test_the_replica_behind_a_connection_is_known_from_its_last_answer_and_forgotten_with_the_connection():
    with serving(once(answer(headers="X-Served-By: api-0@7\r\n"), reset)) as server:
        connection = connect(server.url)
        assert connection.exchange("GET", GET).served_by == ""
        wait_until_closed_by_peer(connection)
        assert connection.exchange("GET", GET).served_by == ""

    def cut_the_second(server, connection):
        if server.read_request(connection):
            connection.sendall(answer(headers="X-Served-By: api-1@8\r\n"))
        if server.read_request(connection):
            reset(connection)

    with serving(cut_the_second) as server:
        connection = connect(server.url)
        connection.exchange("GET", GET)
        lost = connection.exchange("GET", GET)
        assert (lost.outcome, lost.served_by) == (Outcome.CUT, "api-1@8")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("end", [reset, lambda connection: connection.close()], ids=["reset", "closed"])
def test_a_request_whose_connection_breaks_is_sent_exactly_once(method, end):
    def break_it(server, connection):
        if server.read_request(connection):
            end(connection)

    with serving(break_it) as server:
        request = f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        assert connect(server.url).exchange(method, request).outcome is Outcome.CUT
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_request_on_a_connection_that_was_used_before_is_sent_exactly_once(method):
    def answer_then_break(server, connection):
        if server.read_request(connection):
            connection.sendall(answer())
        if server.read_request(connection):
            reset(connection)

    with serving(answer_then_break) as server:
        connection = connect(server.url)
        request = f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        outcomes = [connection.exchange(method, request).outcome for _ in range(4)]
        assert outcomes == [Outcome.OK, Outcome.CUT, Outcome.OK, Outcome.CUT]
        assert len(server.requests) == 4


def test_a_connection_that_was_closed_while_idle_is_replaced_without_a_failure():
    with serving(once(answer())) as server:
        connection = connect(server.url)
        for expected in range(1, 4):
            assert connection.exchange("GET", GET).outcome is Outcome.OK
            assert server.connections == expected
            wait_until_closed_by_peer(connection)


def wait_until_closed_by_peer(connection: Connection) -> None:
    with gevent.Timeout(5):
        while connection._socket is not None and not connection._closed_by_peer(connection._socket):
            gevent.sleep(0.005)


@pytest.mark.parametrize(
    "part",
    [b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"H"],
    ids=["head", "body", "first byte"],
)
def test_an_answer_that_ends_too_early_is_cut(part):
    with serving(once(part)) as server:
        assert connect(server.url).exchange("GET", GET).outcome is Outcome.CUT


def test_bytes_that_are_no_http_are_a_wrong_answer():
    with serving(once(b"SSH-2.0-OpenSSH_9.9\r\n")) as server:
        assert connect(server.url).exchange("GET", GET).outcome is Outcome.WRONG_ANSWER


def test_silence_is_a_time_out_and_the_late_answer_is_never_taken_for_the_next():
    def answer_the_second_connection(server, connection):
        number = server.connections
        if server.read_request(connection) and number > 1:
            connection.sendall(answer(b'{"mine": true}'))
        server.read_request(connection)

    with serving(answer_the_second_connection) as server:
        connection = connect(server.url, timeout_s=0.2)
        lost = connection.exchange("GET", GET)
        assert (lost.outcome, lost.service_us >= 200_000) == (Outcome.TIMEOUT, True)
        assert connection.exchange("GET", GET).body == b'{"mine": true}'
        assert server.connections == 2


def test_nobody_listening_is_refused():
    with serving(once(b"")) as server:
        url = server.url
    assert connect(url).exchange("GET", GET).outcome is Outcome.REFUSED


def test_an_announcing_answer_is_not_the_answer():
    with serving(once(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b'{"b": 2}', status=201))) as server:
        reply = connect(server.url).exchange("GET", GET)
        assert (reply.status, reply.body) == (201, b'{"b": 2}')


def test_a_user_stopped_in_the_middle_leaves_no_answer_behind():
    def slow_then_quick(server, connection):
        number = server.connections
        if server.read_request(connection) and number > 1:
            connection.sendall(answer(b'{"second": 1}'))
        server.read_request(connection)

    with serving(slow_then_quick) as server:
        connection = connect(server.url)
        user = gevent.spawn(connection.exchange, "GET", GET)
        with gevent.Timeout(5):
            while not server.requests:
                gevent.sleep(0.005)
        user.kill()
        assert connection.exchange("GET", GET).body == b'{"second": 1}'


def test_more_than_a_thousand_descriptors_do_not_matter():
    with serving(always(answer())) as server, ExitStack() as held:
        for _ in range(1100):
            held.enter_context(Path("/dev/null").open())
        connection = connect(server.url)
        assert [connection.exchange("GET", GET).outcome for _ in range(3)] == [Outcome.OK] * 3
        assert connection._socket is not None
        assert connection._socket.fileno() > 1024
        assert server.connections == 1
