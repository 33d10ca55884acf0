import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest

from load.client import dialing
from load.client.connection import Connection
from load.client.errors import (
    BadAnswer,
    ConnectionCut,
    ConnectionNotOpened,
    RequestError,
    SurplusBytes,
    TimedOut,
    TooLarge,
    UnknownHost,
)
from load.client.origin import Limits, Origin
from load.client.reactor import reactor
from tests.load.hostile import answer, reset, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(url: str, timeout_s: float = 5.0) -> Connection:
    return Connection(Origin.of(url), Limits(total_s=timeout_s))


def ending(connection: Connection, request: bytes = GET, *, without_body: bool = False) -> type[RequestError] | None:
    """The error that the exchange ends with, None for a whole answer."""
    try:
        connection.exchange(request, without_body=without_body)
    except RequestError as error:
        return type(error)
    return None


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


def test_a_whole_answer_is_returned_and_the_connection_is_used_again():
    with serving(always(answer(b'{"a": 1}', headers="X-Served-By: api-0@7\r\n"))) as server:
        connection = connect(server.url)
        first, second = connection.exchange(GET), connection.exchange(GET)
        assert (first.status, first.body, first.headers["x-served-by"]) == (200, b'{"a": 1}', "api-0@7")
        assert 0 < second.service_ns < 5_000_000_000
        assert server.connections == 1


def test_the_answer_before_is_known_on_its_connection_and_forgotten_with_it():
    with serving(once(answer(headers="X-Served-By: api-0@7\r\n"), reset)) as server:
        connection = connect(server.url)
        assert connection.exchange(GET).head_before == b""
        wait_until_closed_by_peer(connection)
        assert connection.exchange(GET).head_before == b""

    def cut_the_second(server, connection):
        if server.read_request(connection):
            connection.sendall(answer(headers="X-Served-By: api-1@8\r\n"))
        if server.read_request(connection):
            reset(connection)

    with serving(cut_the_second) as server:
        connection = connect(server.url)
        connection.exchange(GET)
        assert ending(connection) is ConnectionCut
        assert b"api-1@8" in connection.head_before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("end", [reset, lambda connection: connection.close()], ids=["reset", "closed"])
def test_a_request_whose_connection_breaks_is_sent_exactly_once(method, end):
    def break_it(server, connection):
        if server.read_request(connection):
            end(connection)

    with serving(break_it) as server:
        request = f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        assert ending(connect(server.url), request, without_body=method == "HEAD") is ConnectionCut
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
        assert [ending(connection, request) for _ in range(4)] == [None, ConnectionCut, None, ConnectionCut]
        assert len(server.requests) == 4


def test_a_connection_that_was_closed_while_idle_is_replaced_without_a_failure():
    with serving(once(answer())) as server:
        connection = connect(server.url)
        for expected in range(1, 4):
            assert ending(connection) is None
            assert server.connections == expected
            wait_until_closed_by_peer(connection)


def wait_until_closed_by_peer(connection: Connection) -> None:
    with gevent.Timeout(5):
        while connection._wire is not None and connection._wire.is_fresh():
            gevent.sleep(0.005)


@pytest.mark.parametrize(
    "part",
    [b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"H"],
    ids=["head", "body", "first byte"],
)
def test_an_answer_that_ends_too_early_is_cut(part):
    with serving(once(part)) as server:
        assert ending(connect(server.url)) is ConnectionCut


def test_an_answer_without_length_ends_with_its_connection():
    with serving(once(b"HTTP/1.1 200 OK\r\n\r\nto the end")) as server:
        connection = connect(server.url)
        assert connection.exchange(GET).body == b"to the end"
        assert not connection.is_open


def test_bytes_that_are_no_http_are_a_bad_answer():
    with serving(once(b"SSH-2.0-OpenSSH_9.9\r\n")) as server:
        assert ending(connect(server.url)) is BadAnswer


def test_silence_is_a_time_out_and_the_late_answer_is_never_taken_for_the_next():
    def answer_the_second_connection(server, connection):
        number = server.connections
        if server.read_request(connection) and number > 1:
            connection.sendall(answer(b'{"mine": true}'))
        server.read_request(connection)

    with serving(answer_the_second_connection) as server:
        connection = connect(server.url, timeout_s=0.2)
        assert ending(connection) is TimedOut
        assert connection.elapsed_ns >= 200_000_000
        assert connection.exchange(GET).body == b'{"mine": true}'
        assert server.connections == 2


def test_nobody_listening_and_an_unknown_name_are_told_apart():
    with serving(once(b"")) as server:
        url = server.url
    assert ending(connect(url)) is ConnectionNotOpened
    assert ending(connect("http://nobody.invalid")) is UnknownHost


def test_of_several_addresses_the_first_that_takes_the_connection_is_used(monkeypatch):
    with serving(always(answer())) as server:
        port = int(server.url.rpartition(":")[2])
        asked = []

        def both(host, port, **_):
            asked.append(host)
            return [(socket.AF_INET6, 0, 0, "", ("::1", port)), (socket.AF_INET, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(dialing.resolving, "getaddrinfo", both)
        assert ending(connect(f"http://both.test:{port}")) is None
        assert (asked, server.connections) == (["both.test"], 1)


def test_an_address_that_says_nothing_leaves_time_for_the_next_one(monkeypatch):
    with serving(always(answer())) as server, socket.socket() as deaf, socket.socket() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting.connect(deaf.getsockname())  # there is room for one that nobody accepts, and for no more
        both = [deaf.getsockname(), ("127.0.0.1", int(server.url.rpartition(":")[2]))]
        found = [(socket.AF_INET, 0, 0, "", address) for address in both]
        monkeypatch.setattr(dialing.resolving, "getaddrinfo", lambda *_, **__: found)
        connection = Connection(Origin.of("http://both.test"), Limits(connect_s=1.0, total_s=20.0))
        assert ending(connection) is None
        assert connection.elapsed_ns >= 500_000_000
        monkeypatch.setattr(dialing.resolving, "getaddrinfo", lambda *_, **__: found[:1])
        assert ending(Connection(Origin.of("http://deaf.test"), Limits(connect_s=0.2))) is ConnectionNotOpened


def test_each_address_gets_an_equal_part_of_the_time_that_is_left(monkeypatch):
    found = [(socket.AF_INET, 0, 0, "", (f"127.0.0.{number}", 1)) for number in range(3)]
    now_ns, given_ns = [0], []

    def silent(family, address, reactor, deadline_ns):
        given_ns.append(deadline_ns - now_ns[0])
        now_ns[0] = deadline_ns
        raise TimedOut

    monkeypatch.setattr(dialing.resolving, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(dialing, "monotonic_ns", lambda: now_ns[0])
    monkeypatch.setattr(dialing, "_open", silent)
    with pytest.raises(ConnectionNotOpened):
        dialing.dial(Origin.of("http://three.test"), reactor(), 3_000_000_000, {})
    assert given_ns == [1_000_000_000] * 3


def test_an_announcing_answer_is_not_the_answer():
    announced = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with serving(once(announced + answer(b'{"b": 2}', status=201, headers="X-Last: yes\r\n"))) as server:
        reply = connect(server.url).exchange(GET)
        assert (reply.status, reply.body, dict(reply.headers)) == (
            201,
            b'{"b": 2}',
            {"content-length": "8", "x-last": "yes"},
        )


def test_the_answer_to_a_head_has_no_body_and_the_next_one_has():
    with serving(always(answer(b"12345").partition(b"12345")[0])) as server:
        connection = connect(server.url)
        heads = [connection.exchange(b"HEAD" + GET[3:], without_body=True) for _ in range(3)]
        assert [(head.status, head.headers["content-length"], head.body) for head in heads] == [(200, "5", b"")] * 3
        assert server.connections == 1


def test_a_body_after_the_answer_to_a_head_is_surplus():
    with serving(always(answer(b"12345"))) as server:
        connection = connect(server.url)
        assert ending(connection, b"HEAD" + GET[3:], without_body=True) is SurplusBytes
        assert not connection.is_open


@pytest.mark.parametrize(("beyond", "expected"), [(0, None), (1, TooLarge)])
@pytest.mark.parametrize("part", ["header", "body"])
def test_what_is_as_large_as_the_limit_is_taken_and_one_byte_more_is_not(part, beyond, expected):
    reply = answer(bytes(1000), headers="X-Fill: y\r\n")
    sizes = {"header_bytes": reply.index(b"\r\n\r\n"), "body_bytes": 1000}
    sizes[f"{part}_bytes"] -= beyond
    with serving(always(reply)) as server:
        assert ending(Connection(Origin.of(server.url), Limits(total_s=5.0, **sizes))) is expected


def test_a_user_stopped_in_the_middle_leaves_no_answer_behind():
    def slow_then_quick(server, connection):
        number = server.connections
        if server.read_request(connection) and number > 1:
            connection.sendall(answer(b'{"second": 1}'))
        server.read_request(connection)

    with serving(slow_then_quick) as server:
        connection = connect(server.url)
        user = gevent.spawn(connection.exchange, GET)
        with gevent.Timeout(5):
            while not server.requests:
                gevent.sleep(0.005)
        user.kill()
        assert connection.exchange(GET).body == b'{"second": 1}'


def test_more_than_a_thousand_descriptors_do_not_matter():
    with serving(always(answer())) as server, ExitStack() as held:
        for _ in range(1100):
            held.enter_context(Path("/dev/null").open())
        connection = connect(server.url)
        assert [ending(connection) for _ in range(3)] == [None] * 3
        assert connection._wire is not None
        assert connection._wire.fileno() > 1024
        assert server.connections == 1


def test_a_body_larger_than_the_buffers_of_the_kernel_is_sent_whole():
    body = bytes(range(256)) * 40_000
    with serving(always(answer())) as server:
        request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        assert ending(connect(server.url), request) is None
        assert server.requests == [request]


def test_a_time_of_its_own_bounds_each_silence():
    def drip(server, connection):
        server.read_request(connection)
        for byte in answer(b"slow but steady"):
            connection.sendall(bytes([byte]))
            pause.wait(0.01)
        while server.read_request(connection):
            pass

    pause = threading.Event()
    with serving(drip) as server:
        patient = Connection(Origin.of(server.url), Limits(read_s=0.5))
        assert patient.exchange(GET).body == b"slow but steady"
        assert ending(patient) is TimedOut


def test_a_time_of_its_own_bounds_a_silence_in_the_middle_too():
    with serving(once(answer(b"half of it")[:-5], lambda connection: connection.recv(1))) as server, gevent.Timeout(5):
        assert ending(Connection(Origin.of(server.url), Limits(read_s=0.1))) is TimedOut


def test_an_answer_that_drips_is_given_up_when_the_time_for_all_of_it_is_over():
    def drip(server, connection):
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-More: ")
        while True:
            connection.sendall(b"y")
            pause.wait(0.01)

    pause = threading.Event()
    with serving(drip) as server, gevent.Timeout(5):
        assert ending(Connection(Origin.of(server.url), Limits(read_s=3.0, total_s=0.2))) is TimedOut


def test_what_came_while_this_process_stood_still_is_read_and_the_next_request_has_a_time_of_its_own():
    came, pause = threading.Event(), threading.Event()

    def handle(server, connection):
        while server.read_request(connection):
            pause.wait(0.02)
            connection.sendall(answer())
            came.set()

    with serving(handle) as server:
        connection = connect(server.url)
        connection.send(GET)
        assert came.wait(5)
        connection._wire.expire()  # as its deadline does that passed meanwhile
        while not connection._parsing.complete:
            connection._receive()
        assert ending(connection) is None
        assert server.connections == 1


def test_after_its_time_an_answer_without_end_is_not_read_for_ever():
    with serving(once(b"HTTP/1.1 200 OK\r\n\r\n", lambda connection: connection.recv(1))) as server:
        connection = Connection(Origin.of(server.url), Limits(total_s=5.0))
        connection.send(GET)
        connection._receive()
        connection._wire.expire()
        connection._wire._receive = lambda *_: (b"more", [], 0, None)  # there is always more
        receiving = (connection._receive() for _ in range(1000))
        with pytest.raises(TimedOut):
            list(receiving)
        connection.close()
