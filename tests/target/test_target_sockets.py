"""The target's WebSockets, spoken to by real clients."""

import json

import pytest
import websocket
from websocket import WebSocketBadStatusException


def connect(target, path: str, client=None) -> websocket.WebSocket:
    headers = [f"Authorization: Bearer {client.tokens['access_token']}"] if client else []
    return websocket.create_connection(f"ws{target.url.removeprefix('http')}{path}", header=headers, timeout=10)


def receive(socket: websocket.WebSocket, kind: str) -> dict:
    while True:
        message = json.loads(socket.recv())
        if message["type"] == kind:
            return message


def register(client, agent_id: str) -> None:
    assert client.post("/mas/api/v1/agents/register", json={"agent_id": agent_id, "skills": ["talk"]}).is_success


FRONT_END = "/mas/api/v1/agents/ws/frontend/browser-1"


def test_a_front_end_is_pushed_metrics_each_second(healthy, user):
    socket = connect(healthy, FRONT_END, user)
    updates = [receive(socket, "metrics_update") for _ in range(3)]
    socket.close()
    assert [update["sequence"] for update in updates] == [0, 1, 2]
    assert all(update["priority"] == "normal" and not update["stale"] for update in updates)
    assert updates[-1]["data"].keys() == {"agents", "workers", "tasks"}
    spread_s = (updates[2]["sent_at_ns"] - updates[0]["sent_at_ns"]) / 1e9
    assert spread_s >= 1.9


def test_a_ping_is_answered_with_its_nonce(healthy, user):
    socket = connect(healthy, FRONT_END, user)
    socket.send(json.dumps({"type": "ping", "nonce": 42}))
    pong = receive(socket, "pong")
    socket.close()
    assert (pong["nonce"], pong["priority"]) == (42, "high")


@pytest.mark.parametrize("text", ["nonsense", '{"type": "unknown"}', '{"type": "message", "to": "x"}', "[]"])
def test_a_message_that_is_not_understood_is_answered_with_an_error(healthy, user, text):
    socket = connect(healthy, FRONT_END, user)
    socket.send(text)
    assert receive(socket, "error")["detail"]
    socket.close()


def test_the_token_may_be_in_the_query(healthy, user):
    socket = connect(healthy, f"{FRONT_END}?token={user.tokens['access_token']}")
    assert receive(socket, "metrics_update")["sequence"] == 0
    socket.close()


@pytest.mark.parametrize("path", [FRONT_END, f"{FRONT_END}?token=nonsense", "/ws/aia-writer"])
def test_a_handshake_without_a_valid_token_is_refused(healthy, path):
    with pytest.raises(WebSocketBadStatusException) as refused:
        connect(healthy, path)
    assert refused.value.status_code == 403


def test_an_agents_socket_is_for_its_owner_alone(healthy, user, other_user):
    register(user, "shy")
    for agent_id in ("shy", "unknown", "aia-writer"):
        with pytest.raises(WebSocketBadStatusException) as refused:
            connect(healthy, f"/ws/{agent_id}", other_user)
        assert refused.value.status_code == 403


def test_messages_reach_the_other_agent_and_are_acknowledged(healthy, user, other_user):
    register(user, "alice")
    register(other_user, "bob")
    # several sockets of alice, so that both replicas are on the way
    senders = [connect(healthy, "/ws/alice", user) for _ in range(6)]
    bob = connect(healthy, "/ws/bob", other_user)
    for number, alice in enumerate(senders):
        alice.send(json.dumps({"type": "message", "to": "bob", "content": {"n": number}, "priority": "critical"}))
        ack, message = receive(alice, "ack"), receive(bob, "message")
        assert ack["delivered"] == 1
        assert message["message_id"] == ack["message_id"]
        assert (message["from"], message["content"], message["priority"]) == ("alice", {"n": number}, "critical")
    for socket in (*senders, bob):
        socket.close()


def test_a_message_to_nobody_is_acknowledged_with_zero(healthy, user):
    register(user, "lonely")
    socket = connect(healthy, "/ws/lonely", user)
    socket.send(json.dumps({"type": "message", "to": "nobody-there", "content": "hello?"}))
    assert receive(socket, "ack")["delivered"] == 0
    socket.close()
