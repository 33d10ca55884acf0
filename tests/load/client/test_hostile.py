"""The client against servers that mean it harm: a named error in time, little memory, no connection left, one count."""

import gzip
import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest

from journal.outcomes import Outcome
from journal.profile import Profile
from load.client.connection import Connection
from load.client.decoding import Decoder, decode
from load.client.errors import (
    BadAnswer,
    ConnectionCut,
    NotDecodable,
    RequestError,
    SurplusBytes,
    TimedOut,
    TooLarge,
)
from load.client.origin import Limits, Origin
from load.http import Client, Session
from load.logbook import Logbook
from load.recorder import Recorder
from tests.load.client.visitors import counted, recorded_at
from tests.load.hostile import HostileServer, answer, reset, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
TIMEOUT_S = 0.5
LIMITS = Limits(total_s=TIMEOUT_S, header_bytes=16_384, body_bytes=100_000)
SLACK_S = 3.0
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MEMORY_BYTES = 4_000_000


def says(*parts: bytes, end: Callable[[socket.socket], object] = lambda c: c.recv(1)):
    def handle(server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        for part in parts:
            connection.sendall(part)
        end(connection)

    return handle


def repeats(first: bytes, block: bytes, total_bytes: int = 1 << 30):
    """Sends up to 1 GiB, as long as somebody takes it."""

    def handle(server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(first)
        for _ in range(total_bytes // len(block)):
            connection.sendall(block)
        connection.recv(1)

    return handle


def drips(first: bytes, block: bytes):
    def handle(server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(first)
        while True:
            connection.sendall(block)
            time.sleep(0.01)

    return handle


HOSTILE = {
    "a header that never ends": (drips(HEAD, b"X-More: 1\r\n"), TimedOut),
    "a first line that never ends": (drips(b"HTTP/1.1 200 O", b"K"), TimedOut),
    "a gigabyte of headers": (repeats(HEAD, b"X-More: " + b"a" * 1000 + b"\r\n"), TooLarge),
    "a gigabyte in one header": (repeats(HEAD + b"X-More: ", b"a" * 1024), TooLarge),
    "a gigabyte of body": (repeats(HEAD + b"\r\n", b"a" * 65_536), TooLarge),
    "a gigabyte that is announced": (repeats(HEAD + b"Content-Length: 1073741824\r\n\r\n", b"a" * 65_536), TooLarge),
    "a gigabyte in chunks": (repeats(CHUNKED, b"10000\r\n" + b"a" * 65_536 + b"\r\n"), TooLarge),
    "a gigabyte of chunk extension": (repeats(CHUNKED + b"5;", b"a" * 65_536), RequestError),
    "a gigabyte of trailers": (repeats(CHUNKED + b"0\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"), RequestError),
    "interim answers without end": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), RequestError),
    "a body shorter than announced, then the end": (
        says(HEAD + b"Content-Length: 10\r\n\r\nhalf", end=lambda c: None),
        ConnectionCut,
    ),
    "a body shorter than announced, then silence": (says(HEAD + b"Content-Length: 10\r\n\r\nhalf"), TimedOut),
    "a body longer than announced": (says(HEAD + b"Content-Length: 4\r\n\r\nhalf and more"), SurplusBytes),
    "two answers to one request": (says(answer() + answer()), SurplusBytes),
    "a body after the answer to no body": (says(b"HTTP/1.1 204 No\r\n\r\nbody"), SurplusBytes),
    "a chunk size that is no number": (says(CHUNKED + b"zz\r\nab\r\n"), BadAnswer),
    "a negative chunk size": (says(CHUNKED + b"-5\r\nabcde\r\n"), BadAnswer),
    "a chunk size beyond 64 bits": (says(CHUNKED + b"fffffffffffffffff\r\nab\r\n"), BadAnswer),
    "a chunk longer than its size": (says(CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n"), BadAnswer),
    "chunks that end in the middle": (says(CHUNKED + b"5\r\nab", end=lambda c: None), ConnectionCut),
    "two lengths": (says(HEAD + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}"), BadAnswer),
    "a length that is no number": (says(HEAD + b"Content-Length: two\r\n\r\n{}"), BadAnswer),
    "a length beyond 64 bits": (says(HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}"), BadAnswer),
    "a NUL in a header": (says(HEAD + b"X-Nul: \0\r\nContent-Length: 2\r\n\r\n{}"), BadAnswer),
    "a change of protocol": (
        says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
        BadAnswer,
    ),
    "a reset in the middle": (says(HEAD + b"Content-Length: 10\r\n\r\nhalf", end=reset), ConnectionCut),
    "a reset before any answer": (says(end=reset), ConnectionCut),
    "silence after the request": (says(), TimedOut),
}


def wait_until_gone(server: HostileServer, within_s: float = 5.0) -> None:
    ends_s = time.monotonic() + within_s
    while server.open_connections and time.monotonic() < ends_s:
        time.sleep(0.005)
    assert server.open_connections == 0


@pytest.mark.parametrize(("handle", "error"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_is_a_named_error_in_time_with_little_memory_and_leaves_no_connection(handle, error):
    with serving(handle) as server:
        connection = Connection(Origin.of(server.url), LIMITS)
        tracemalloc.start()
        began_s = time.monotonic()
        with pytest.raises(error):
            connection.exchange(GET)
        elapsed_s = time.monotonic() - began_s
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert elapsed_s < TIMEOUT_S + SLACK_S
        assert most_bytes < MEMORY_BYTES
        assert not connection.is_open
        wait_until_gone(server)
        assert (server.connections, len(server.requests)) == (1, 1)


BOMB = answer(gzip.compress(bytes(100_000_000)), headers="Content-Encoding: gzip\r\n")


@pytest.mark.parametrize(
    ("handle", "error"),
    [*HOSTILE.values(), (says(BOMB), TooLarge)],
    ids=[*HOSTILE, "a small body that claims to be large"],
)
def test_a_user_who_gets_a_hostile_answer_has_one_failure_in_the_accounts(handle, error):
    with serving(handle) as server:
        limits = {"total_timeout": TIMEOUT_S, "max_header_bytes": 16_384, "max_body_bytes": 100_000}
        user, logbook, _ = recorded_at(server.url, **limits)
        tracemalloc.start()
        response = user.client.get("/x")
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(response.error, error)
        assert most_bytes < MEMORY_BYTES
        assert counted(logbook) == {("GET /x", response.error.outcome): 1}
        assert error is RequestError or response.error.outcome is error.outcome
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("handle", "outcome"),
    [
        (says(HEAD + b"Content-Length: 4\r\n\r\nhalf and more"), Outcome.WRONG_ANSWER),
        (says(CHUNKED + b"zz\r\nab\r\n"), Outcome.WRONG_ANSWER),
        (says(HEAD + b"Content-Length: 10\r\n\r\nhalf", end=reset), Outcome.CUT),
        (says(), Outcome.TIMEOUT),
    ],
    ids=["surplus", "bad chunk", "reset", "silence"],
)
def test_a_hostile_answer_is_counted_once_as_what_it_is(handle, outcome):
    with serving(handle) as server:
        logbook = Logbook(Recorder("w", (200_000,)))
        session = Session(Client(server.url, Profile(name="t", request_timeout_s=TIMEOUT_S)), logbook, "j")
        assert session.call("GET", "/").outcome is outcome
        counts, failures = logbook.recorder.close(), logbook.take_failures()
        seen = [
            (kind, ended.count)
            for frame in counts
            for e in frame.endpoints.values()
            for kind, ended in e.outcomes.items()
        ]
        assert (seen, [failure.outcome for failure in failures]) == ([(outcome, 1)], [outcome.name])
        assert sum(e.started for frame in counts for e in frame.endpoints.values()) == len(server.requests) == 1


def test_surplus_bytes_that_come_later_never_become_an_answer():
    def handle(server: HostileServer, connection: socket.socket) -> None:
        number = server.connections
        while server.read_request(connection):
            connection.sendall(answer(b"%d" % number))
            if number == 1:
                connection.sendall(answer(b"poison"))

    with serving(handle) as server:
        connection = Connection(Origin.of(server.url), LIMITS)
        try:
            connection.exchange(GET)
        except SurplusBytes:  # both came at once
            assert not connection.is_open
        else:
            assert connection._wire is not None
            while connection._wire.is_fresh():
                time.sleep(0.005)
        assert connection.exchange(GET).body == b"2"


def test_a_small_body_that_claims_to_be_large_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(gzip.compress(bytes(100_000_000)))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decode(bomb, "gzip, gzip", 1_000_000)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < MEMORY_BYTES


def test_gzip_files_that_are_strung_together_are_one_body_wherever_it_is_cut():
    body = gzip.compress(b"one, ") + gzip.compress(b"two") + b"\0\0\x1f\x8b"
    for cut in range(len(body)):
        decoder = Decoder("gzip", 1_000)
        assert decoder.feed(body[:cut]) + decoder.feed(body[cut:]) == b"one, two"
        decoder.finish()


def test_a_second_gzip_file_that_is_cut_short_is_missed():
    with pytest.raises(NotDecodable):
        decode(gzip.compress(b"one") + gzip.compress(b"two")[:-1], "gzip", 1_000)


def test_a_bomb_in_a_second_gzip_file_is_too_large():
    with pytest.raises(TooLarge):
        decode(gzip.compress(b"one") + gzip.compress(bytes(100_000)), "gzip", 1_000)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (gzip.compress(b"cut short")[:-9], "gzip"), (b"x", "zstd"), (b"x", "gzip")],
    ids=["other bytes", "cut short", "never asked for", "one byte"],
)
def test_a_body_that_is_not_in_its_encoding_is_named(body, encoding):
    with pytest.raises(NotDecodable):
        decode(body, encoding, 1_000)
