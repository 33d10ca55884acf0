"""WebSockets against servers that shake hands well or badly, and then send whatever they like."""

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic_ns, time_ns

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from load.client.errors import (
    BadAnswer,
    BadFrame,
    BadStatus,
    ConnectionCut,
    NotConnected,
    RequestError,
    SocketClosed,
    TimedOut,
    TooLarge,
)
from load.client.origin import Origin
from load.client.websocket import MAX_HEADER_BYTES, WebSocket
from tests.load.conftest import eventually
from tests.load.hostile import HostileServer, reset, serving

LIMIT = 1000
PATIENCE_S = 0.5
Speak = Callable[[socket.socket], None]


def accept_of(request: bytes) -> str:
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request)[1]
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def shake_hands(server: HostileServer, connection: socket.socket, extra: str = "", accept: str = "") -> None:
    proof = accept or accept_of(server.read_request(connection))
    lines = ["HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {proof}"]
    connection.sendall("\r\n".join([*lines, *([extra] if extra else []), "", ""]).encode())


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True, rsv: int = 0, masked: bool = False) -> bytes:
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = masked << 7
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    return head + (b"\x00\x00\x00\x00" if masked else b"") + payload


def saying(data: bytes) -> Speak:
    """Sends these bytes, and waits for the client to go."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(data)
        while connection.recv(4096):
            pass

    return speak


@contextmanager
def spoken_to(speak: Speak, **limits: float) -> Iterator[tuple[HostileServer, WebSocket]]:
    """A server that shakes hands, then does what a test wants; and a WebSocket to it."""

    def handle(server: HostileServer, connection: socket.socket) -> None:
        shake_hands(server, connection)
        speak(connection)

    with serving(handle) as server:
        opened = WebSocket.connect(Origin.of(server.url), "/", {}, within_s=5.0, max_bytes=LIMIT)
        try:
            yield server, opened
        finally:
            opened.close()
        eventually(lambda: server.open_connections == 0, 5, "the end of the connection")


def soon(seconds: float = 5.0) -> int:
    return monotonic_ns() + round(seconds * 1e9)


CLOSE_1011 = frame(struct.pack("!H", 1011) + "zu müde".encode(), opcode=8)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (frame(b"x", masked=True), BadFrame, "not masked"),
        (frame(b"x", rsv=4), BadFrame, "rsv"),
        (frame(b"x", opcode=3), BadFrame, "opcode"),
        (frame(b"x", opcode=11), BadFrame, "opcode"),
        (frame(b"x", opcode=0), BadFrame, "rules"),
        (frame(b"x", fin=False) + frame(b"y"), BadFrame, "rules"),
        (frame(b"x", opcode=9, fin=False), BadFrame, "rules"),
        (frame(b"x" * 126, opcode=9), BadFrame, "one short frame"),
        (frame(b"x" * 126, opcode=10), BadFrame, "one short frame"),
        (frame(b"\xff\xfe"), BadFrame, "UTF-8"),
        (frame(b"\x03", opcode=8), BadFrame, "close"),
        (CLOSE_1011, SocketClosed, "closed by the target with 1011: zu müde"),
        (frame(b"", opcode=8), SocketClosed, "closed by the target with 1005"),
        (bytes([0x81, 127]) + struct.pack("!Q", 2**62), TooLarge, "4611686018427387904 bytes"),
        (frame(b"x" * (LIMIT + 1)), TooLarge, "larger than 1000"),
        (frame(b"x" * 600, fin=False) + frame(b"y" * 600, opcode=0), TooLarge, "a message is larger"),
        (frame(b"", fin=False) + frame(b"", opcode=0, fin=False) * 50 + frame(b"z" * 1001, opcode=0), TooLarge, "1001"),
    ],
)
def test_what_breaks_the_protocol_is_a_named_error_and_ends_the_connection(data: bytes, error: type, said: str) -> None:
    with spoken_to(saying(data)) as (_, opened):
        with pytest.raises(error) as caught:
            opened.receive(soon())
        assert type(caught.value) is error
        assert said in str(caught.value)


def half_a_frame(connection: socket.socket) -> None:
    connection.sendall(frame(b"x" * 50)[:20])


def half_and_silence(connection: socket.socket) -> None:
    saying(frame(b"x" * 50)[:20])(connection)


def pings_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(frame(b"?", opcode=9) * 100)


@pytest.mark.parametrize(
    ("speak", "error"),
    [
        (half_a_frame, ConnectionCut),
        (reset, ConnectionCut),
        (lambda connection: None, ConnectionCut),
        (half_and_silence, TimedOut),
        (pings_for_ever, TimedOut),
    ],
    ids=["half a frame", "reset", "end", "silence", "endless pings"],
)
def test_what_stops_coming_or_never_ends_is_a_named_error_in_time(speak: Speak, error: type) -> None:
    with spoken_to(speak) as (_, opened), pytest.raises(error):
        opened.receive(soon(PATIENCE_S))


def test_a_message_in_fragments_is_whole_and_pings_between_them_are_answered() -> None:
    seen: list[bytes] = []

    def speak(connection: socket.socket) -> None:
        connection.sendall(frame("Bücher".encode()[:2], fin=False) + frame(b"how are you", opcode=9))
        seen.append(connection.recv(4096))
        connection.sendall(frame("Bücher".encode()[2:], opcode=0) + frame(b"\x00\xff", opcode=2))
        connection.recv(4096)

    with spoken_to(speak) as (_, opened):
        assert opened.receive(soon()) == "Bücher"
        assert opened.receive(soon()) == b"\x00\xff"
    pong = seen[0]
    mask, payload = pong[2:6], pong[6:]
    assert pong[0] == 0x8A
    assert bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) == b"how are you"


def test_closing_is_said_and_awaited() -> None:
    seen: list[bytes] = []

    def speak(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        connection.sendall(frame(b"late") + frame(struct.pack("!H", 1000), opcode=8))

    with spoken_to(speak):
        pass
    assert seen[0][0] == 0x88


def test_the_time_of_a_message_ends_with_its_arrival_however_late_it_is_read() -> None:
    sent = threading.Event()

    def speak(connection: socket.socket) -> None:
        connection.sendall(frame(b"x"))
        sent.set()
        connection.recv(1)

    with spoken_to(speak) as (_, opened):
        began = time_ns(), monotonic_ns()
        eventually(sent.is_set, 5, "the message")
        there_us = (monotonic_ns() - began[1]) / 1000
        gevent.sleep(0.2)
        opened.receive(soon())
        assert opened.since_us(*began) <= there_us + 5000
        later = time_ns(), monotonic_ns()
        assert opened.since_us(*later) == 0


HANDSHAKES = {
    "302": (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", BadAnswer, "302"),
    "200": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", BadAnswer, "200"),
    "403": (b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n", BadStatus, "403"),
    "503": (b"HTTP/1.1 503 No\r\n\r\n", BadStatus, "503"),
    "no http": (b"SSH-2.0-OpenSSH\r\n\r\n", BadAnswer, "SSH"),
    "endless header": (b"X: y\r\n" * (MAX_HEADER_BYTES // 3), TooLarge, "header"),
    "silence": (b"", TimedOut, "no handshake within 0.5 s"),
    "half": (b"HTTP/1.1 101 Switch\r\n", TimedOut, "no handshake"),
}


@pytest.mark.parametrize(("data", "error", "said"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_handshake_that_is_answered_otherwise_is_a_named_error(data: bytes, error: type, said: str) -> None:
    def handle(server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        saying(data)(connection)

    with serving(handle) as server:
        with pytest.raises(error, match=said):
            WebSocket.connect(Origin.of(server.url), "/", {}, within_s=PATIENCE_S)
        eventually(lambda: server.open_connections == 0, 5, "the end of the connection")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accept": "bm9uc2Vuc2U="}, "prove"),
        ({"extra": "Sec-WebSocket-Extensions: permessage-deflate"}, "nobody asked for"),
        ({"extra": "Sec-WebSocket-Protocol: chat"}, "nobody asked for"),
    ],
)
def test_a_handshake_that_proves_nothing_or_agrees_to_too_much_is_refused(changes: dict[str, str], said: str) -> None:
    def handle(server: HostileServer, connection: socket.socket) -> None:
        if "accept" in changes:
            server.read_request(connection)
        shake_hands(server, connection, **changes)
        connection.recv(1)

    with serving(handle) as server, pytest.raises(BadAnswer, match=said):
        WebSocket.connect(Origin.of(server.url), "/", {}, within_s=5.0)


def test_a_header_cannot_smuggle_a_line_in() -> None:
    with spoken_to(lambda connection: None) as (server, _):
        url = server.url

        def handle(server: HostileServer, connection: socket.socket) -> None:
            shake_hands(server, connection)

        with serving(handle) as other:
            WebSocket.connect(Origin.of(other.url), "/", {"X-A": "b\r\nX-C: d", "X-E": "f"}, within_s=5.0).close()
            assert b"X-C" not in other.requests[0]
            assert b"X-E: f" in other.requests[0]
    with pytest.raises(NotConnected):
        WebSocket.connect(Origin.of(url), "/", {}, within_s=PATIENCE_S)


frames = st.builds(
    frame,
    st.binary(max_size=140),
    opcode=st.sampled_from([0, 1, 2, 8, 9, 10, 3, 15]),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1]),
    masked=st.sampled_from([False, False, False, True]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=300), st.lists(frames, max_size=12).map(b"".join)))
def test_any_bytes_whatever_are_messages_and_then_a_named_error(data: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    with spoken_to(speak) as (_, opened), pytest.raises(RequestError):
        all(len(opened.receive(soon())) <= LIMIT for _ in range(len(data) + 1))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.text(max_size=80) | st.binary(max_size=80), st.integers(1, 4)), max_size=6), st.data())
def test_what_another_library_writes_is_read_as_it_was_meant(messages, data: st.DataObject) -> None:
    written = b""
    for message, parts in messages:
        payload = message.encode() if isinstance(message, str) else message
        first = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        size = max(1, -(-len(payload) // parts))
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        for number, piece in enumerate(pieces):
            one = Frame(Opcode.CONT if number else first, piece, fin=number == len(pieces) - 1)
            written += one.serialize(mask=False)
            if data.draw(st.booleans()):
                written += Frame(Opcode.PING, b"!").serialize(mask=False)

    with spoken_to(saying(written + frame(struct.pack("!H", 1001), opcode=8))) as (_, opened):
        assert [opened.receive(soon()) for _ in messages] == [message for message, _ in messages]
        with pytest.raises(SocketClosed, match="1001"):
            opened.receive(soon())
