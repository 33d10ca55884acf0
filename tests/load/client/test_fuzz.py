"""Any bytes in any pieces: the client gives a whole answer or a named error, and agrees with httpx on what it reads."""

import gzip
import socket
import zlib
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from load.client.answer import Parsing
from load.client.connection import Connection
from load.client.errors import NotDecodable, RequestError
from load.client.origin import Limits, Origin
from tests.load.client.visitors import user_at
from tests.load.hostile import HostileServer, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMITS = Limits(total_s=5.0, header_bytes=4096, body_bytes=4096)

token = st.text("abcXYZ019-_", min_size=1, max_size=8).map(str.encode)
value = st.text('abc ,;="/\t.09', max_size=20).map(str.strip).map(str.encode)
body = st.binary(max_size=200)


def chunked(pieces: list[bytes], extension: bytes, trailers: bytes) -> bytes:
    parts = [b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces if piece]
    return b"".join(parts) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


@st.composite
def valid_answers(draw: st.DrawFn) -> tuple[bytes, bool]:
    """The bytes of an answer that keeps the rules, and whether it ends with its connection."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    status = draw(st.sampled_from([200, 201, 204, 302, 304, 404, 429, 500, 503]))
    fields = b"".join(b"X-%s: %s\r\n" % field for field in draw(st.lists(st.tuples(token, value), max_size=5)))
    head = interim + b"HTTP/1.1 %d %s\r\n%s" % (status, draw(st.sampled_from([b"OK", b"", b"Not So"])), fields)
    if status in {204, 304}:
        return head + b"\r\n", False
    payload = draw(body)
    match draw(st.sampled_from(["length", "chunked", "close"])):
        case "length":
            return head + b"Content-Length: %d\r\n\r\n%s" % (len(payload), payload), False
        case "chunked":
            cut = draw(st.integers(0, len(payload)))
            extension = draw(st.sampled_from([b"", b";a=b", b";x"]))
            trailers = draw(st.sampled_from([b"", b"X-After: 1\r\n"]))
            content = chunked([payload[:cut], payload[cut:]], extension, trailers)
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + content, False
        case _:
            return head + b"Connection: close\r\n\r\n" + payload, True


def pieces(whole: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({cut % (len(whole) + 1) for cut in cuts} | {0, len(whole)})
    for start, end in pairwise(places):
        yield whole[start:end]


def parsed(parts: Iterator[bytes], *, closed: bool) -> Parsing:
    parsing = Parsing(LIMITS)
    for part in parts:
        parsing.feed(part)
    if closed and not parsing.complete:
        parsing.at_end()
    return parsing


@given(valid_answers(), st.lists(st.integers(0, 1000), max_size=10))
def test_an_answer_is_read_the_same_however_its_bytes_are_split(generated, cuts):
    whole, closes = generated
    once = parsed(iter([whole]), closed=closes)
    split = parsed(pieces(whole, cuts), closed=closes)
    assert once.complete
    assert split.complete
    assert (once.status, once.head, once.take(), once.keep_alive) == (
        split.status,
        split.head,
        split.take(),
        split.keep_alive,
    )


@given(st.one_of(st.binary(max_size=300), valid_answers().map(lambda generated: generated[0])), st.data())
def test_broken_bytes_give_a_named_error_or_an_answer_and_nothing_else(whole, data):
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 5))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    broken = broken[: data.draw(st.integers(0, len(broken)))]
    try:
        parsing = parsed(pieces(bytes(broken), data.draw(st.lists(st.integers(0, 400), max_size=5))), closed=True)
    except RequestError:
        return
    assert parsing.complete
    assert 200 <= parsing.status <= 999
    assert parsing.body_bytes <= len(broken)


class Repeater:
    """A server that answers each connection with the bytes of the moment, and closes it."""

    reply = b""

    def handle(self, server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(self.reply)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


@pytest.fixture(scope="module")
def repeater() -> Iterator[tuple[Repeater, str]]:
    repeater = Repeater()
    with serving(repeater.handle) as server:
        yield repeater, server.url


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(valid_answers())
def test_httpx_reads_the_same_answer_from_the_same_bytes(repeater, generated):
    said, url = repeater
    said.reply, _ = generated
    theirs = httpx.get(url)
    connection = Connection(Origin.of(url), LIMITS)
    ours = connection.exchange(GET)
    connection.close()
    assert (ours.status, ours.body) == (theirs.status_code, theirs.content)
    wanted = {name: theirs.headers.get_list(name) for name in theirs.headers}
    assert {name: ours.headers.get_all(name) for name in ours.headers} == wanted


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


RAW = "deflate without its wrapper"
CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, RAW: raw_deflate}


@st.composite
def encoded_answers(draw: st.DrawFn) -> bytes:
    """A body in up to three encodings, whole or broken, of known length or in chunks."""
    payload = draw(st.one_of(st.binary(max_size=300), st.text("ab ", max_size=3000).map(str.encode)))
    names = draw(st.lists(st.sampled_from([*CODINGS, "identity"]), max_size=3))
    for name in names:
        payload = CODINGS.get(name, bytes)(payload)
    payload = payload[: draw(st.sampled_from([None, None, None, -1, 5]))] + draw(st.sampled_from([b"", b"", b"\0\0"]))
    value = draw(st.sampled_from([", ", ","])).join(name.replace(RAW, "deflate") for name in names)
    field = b"Content-Encoding: %s\r\n" % value.encode() if names else b""
    if draw(st.booleans()):
        return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (field, len(payload), payload)
    cut = draw(st.integers(0, len(payload))) if RAW not in names else 0  # httpx wants raw deflate in one piece
    head = b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n" % field
    return head + chunked([payload[:cut], payload[cut:]], b"", b"")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(encoded_answers())
def test_httpx_decodes_the_same_body_or_refuses_it_too(repeater, reply):
    said, url = repeater
    said.reply = reply
    user, _ = user_at(url)
    ours = user.client.get("/")
    user.client.close()
    try:
        theirs = httpx.get(url).content
    except httpx.DecodingError:
        assert isinstance(ours.error, NotDecodable)
        return
    assert ours.content == theirs or isinstance(ours.error, NotDecodable)
