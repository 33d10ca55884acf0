"""The WebSocket client against servers that shake hands and then misbehave."""

import base64
import hashlib
import json
import re
import socket
from contextlib import AbstractContextManager

import gevent
import pytest

from journal.errors import TargetUnreachable
from journal.outcomes import Outcome
from load.client.errors import PushMissing, SocketClosed
from load.context import RunContext
from load.websocket import WebSocketSession
from tests.load.conftest import eventually
from tests.load.hostile import HostileServer, answer, reset, serving
from tests.load.test_invariants import context_for

TEMPLATE = "/ws/{who}"


def shake_hands(server: HostileServer, connection: socket.socket) -> None:
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", server.read_request(connection))[1]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    lines = ["HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    connection.sendall("\r\n".join([*lines, "x-served-by: api-2@9", "", ""]).encode())


def say(connection: socket.socket, text: str) -> None:
    connection.sendall(bytes([0x81, len(text)]) + text.encode())


def read_text(connection: socket.socket) -> str:
    """One short masked text frame, as clients send them."""
    frame = connection.recv(4096)
    length, mask = frame[1] & 0x7F, frame[2:6]
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(frame[6 : 6 + length])).decode()


def session(context: RunContext) -> AbstractContextManager[WebSocketSession]:
    return WebSocketSession(context, "tests", TEMPLATE, {"who": "me"}).opened("abc")


def counted(context: RunContext) -> set[tuple[str, str]]:
    return {
        (endpoint.name, outcome.name)
        for frame in context.logbook.recorder.close()
        for endpoint, seen in frame.endpoints.items()
        for outcome in seen.outcomes
    }


def test_messages_are_awaited_by_type_and_pings_by_nonce():
    def handle(server, connection):
        shake_hands(server, connection)
        say(connection, '{"type": "noise"}')
        say(connection, '{"type": "metrics_update", "n": 1}')
        nonce = json.loads(read_text(connection))["nonce"]
        say(connection, '{"type": "pong", "nonce": "old"}')
        say(connection, json.dumps({"type": "pong", "nonce": nonce}))

    with serving(handle) as server:
        context = context_for(server.url)
        with session(context) as page:
            assert page.expect("metrics_update")["n"] == 1
            page.ping("7")
        assert b"GET /ws/me HTTP/1.1" in server.requests[0]
        assert b"Authorization: Bearer abc" in server.requests[0]
        assert b"x-gameday-run" not in server.requests[0]
    assert counted(context) == {("WS " + TEMPLATE, "OK"), ("WS metrics_update", "OK"), ("WS ping", "OK")}


@pytest.mark.parametrize(
    ("handle", "outcome"),
    [
        (
            lambda server, connection: server.read_request(connection) and connection.sendall(answer(status=403)),
            "CLIENT_ERROR",
        ),
        (
            lambda server, connection: server.read_request(connection) and connection.sendall(answer(status=429)),
            "LIMITED",
        ),
        (
            lambda server, connection: server.read_request(connection) and connection.sendall(answer(status=503)),
            "SERVER_ERROR",
        ),
        (lambda server, connection: server.read_request(connection) and reset(connection), "CUT"),
    ],
)
def test_a_handshake_that_fails_is_counted_by_how(handle, outcome):
    with serving(handle) as server:
        context = context_for(server.url)
        with pytest.raises(TargetUnreachable), session(context):
            pass
    assert counted(context) == {("WS " + TEMPLATE, outcome)}


def test_nobody_listening_is_refused():
    with serving(lambda server, connection: None) as server:
        url = server.url
    context = context_for(url)
    with pytest.raises(TargetUnreachable), session(context):
        pass
    assert counted(context) == {("WS " + TEMPLATE, "REFUSED")}


def speak_then(text: str, end):
    def handle(server, connection):
        shake_hands(server, connection)
        if text:
            say(connection, text)
        end(connection)

    return handle


@pytest.mark.parametrize(
    ("handle", "outcome"),
    [
        (speak_then("", reset), Outcome.CUT),
        (speak_then("", lambda connection: None), Outcome.CUT),
        (speak_then("not json", lambda connection: connection.recv(1)), Outcome.WRONG_ANSWER),
        (speak_then("[1]", lambda connection: connection.recv(1)), Outcome.WRONG_ANSWER),
        (speak_then('{"type": "noise"}', lambda connection: connection.recv(1)), Outcome.TIMEOUT),
    ],
    ids=["reset", "closed", "no json", "no object", "other messages only"],
)
def test_a_message_that_does_not_come_is_counted_by_why_and_names_its_replica(handle, outcome):
    with serving(handle) as server:
        context = context_for(server.url)
        with pytest.raises(TargetUnreachable), session(context) as page:
            page.expect("metrics_update")
    (failure,) = context.logbook.take_failures()
    assert (failure.outcome, failure.name, failure.served_by) == (outcome.name, "WS metrics_update", "api-2@9")
    assert ("WS metrics_update", outcome.name) in counted(context)


def test_a_push_that_stays_away_is_named_as_such_within_its_own_time():
    with serving(speak_then('{"type": "noise"}', lambda connection: connection.recv(1))) as server:
        context = context_for(server.url)
        with pytest.raises(PushMissing), session(context) as page:
            page.expect("metrics_update", within_s=0.3)
    (failure,) = context.logbook.take_failures()
    assert (failure.outcome, failure.detail) == ("TIMEOUT", "nothing of the kind within 0.3 s")


def test_a_code_with_which_the_target_closes_is_told():
    def handle(server, connection):
        shake_hands(server, connection)
        connection.sendall(bytes([0x88, 2]) + (1013).to_bytes(2, "big"))
        connection.recv(64)

    with serving(handle) as server:
        context = context_for(server.url)
        with pytest.raises(SocketClosed) as caught, session(context) as page:
            page.ping("1")
        eventually(lambda: server.open_connections == 0, 5, "the end of the connection")
    assert caught.value.code == 1013
    (failure,) = context.logbook.take_failures()
    assert (failure.outcome, failure.detail) == ("CUT", "closed by the target with 1013")


def counts(context: RunContext) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for frame in context.logbook.recorder.close():
        for endpoint, seen in frame.endpoints.items():
            for outcome, ended in seen.outcomes.items():
                key = (endpoint.name, outcome.name)
                found[key] = found.get(key, 0) + ended.count
    return found


def test_in_a_storm_a_question_is_asked_and_counted_again_and_a_wait_goes_on_after_the_return():
    asked, waiting = [], []

    def handle(server, connection):
        number = server.connections
        shake_hands(server, connection)
        if number == 3:
            say(connection, '{"type": "metrics_update"}')
        else:
            asked.append(json.loads(read_text(connection))["nonce"])
        if number == 2:
            say(connection, '{"type": "pong", "nonce": "1"}')
            waiting.append(number)
        connection.recv(64)  # until the storm, or the end

    with serving(handle) as server:
        context = context_for(server.url)
        with session(context) as page:
            storm = gevent.spawn(drop_when, page, lambda: asked)
            page.ping("1")
            storm.get()
            storm = gevent.spawn(drop_when, page, lambda: waiting)
            assert page.expect("metrics_update") == {"type": "metrics_update"}
            storm.get()
        eventually(lambda: server.open_connections == 0, 5, "the end of all connections")
    assert asked == ["1", "1"]
    assert counts(context) == {
        ("WS " + TEMPLATE, "OK"): 3,
        ("WS ping", "CUT"): 1,
        ("WS ping", "OK"): 1,
        ("WS metrics_update", "OK"): 1,
    }
    (failure,) = context.logbook.take_failures()
    assert failure.detail == "dropped by the storm S1"


def drop_when(page: WebSocketSession, look) -> None:
    while not look():
        gevent.sleep(0.01)
    assert page.drop("dropped by the storm S1")
