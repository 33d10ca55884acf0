"""Input that no honest client sends: it is refused in words, and never answered with 500."""

import json

import pytest
import websocket

JSON = {"content-type": "application/json"}
REQUEST_PATHS = (
    "/auth/register",
    "/auth/login",
    "/auth/refresh",
    "/api/v1/mcp/process",
    "/process",
    "/mas/api/v1/agents/register",
    "/mas/api/v1/agents/tasks/submit",
    "/mas/api/v1/workflows/create",
    "/economic/distribute",
    "/governance/propose",
    "/governance/vote",
    "/performance/record",
    "/reports/structured",
)
BODIES = (
    b"",
    b"[]",
    b"null",
    b"{",
    b'{"a": NaN}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"\\ud800": "\\ud800"}',
    b'{"": 1e999}',
)


@pytest.mark.parametrize("path", REQUEST_PATHS)
def test_a_body_of_the_wrong_kind_is_refused(user, path):
    codes = [user.post(path, content=body, headers=JSON).status_code for body in BODIES]
    assert set(codes) <= {400, 422}


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e999", "-1", '"\\ud800"', "99999999999999999999"])
def test_an_amount_that_is_no_amount_is_refused(user, amount):
    answer = user.post("/economic/distribute", content=f'{{"amount": {amount}}}', headers=JSON)
    assert answer.status_code == 422


def test_texts_with_lone_surrogates_or_control_characters_do_no_harm(user):
    for text in ('"\\ud800"', '"\\u0000"', '"]]>\\u2028"'):
        answer = user.post("/api/v1/mcp/process", content=f'{{"prompt": {text}}}', headers=JSON)
        assert answer.status_code in {202, 422}
        answer = user.post("/mas/api/v1/workflows/create", content=f'{{"template": {text}}}', headers=JSON)
        assert answer.status_code == 422


def test_a_refusal_does_not_repeat_the_password(healthy):
    answer = healthy.client().post("/auth/register", json={"email": "x", "password": "secret-word"})
    assert answer.status_code == 422
    assert "secret-word" not in answer.text


@pytest.mark.parametrize("header", ["Bearer", "Basic abc", "Bearer a b", "bearer é", "Bearer " + "x" * 5000])
def test_an_odd_authorization_header_is_refused(healthy, header):
    answer = healthy.client().get("/auth/me", headers={"authorization": header.encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize("form", [b"", b"client_id", b"%ff=%ff&client_id=a&client_secret=%ff", b"&&&=&"])
def test_an_odd_form_is_refused(healthy, form):
    assert healthy.client().post("/auth/token", content=form).status_code in {401, 422}


def test_a_binary_frame_is_understood_or_answered_with_an_error(healthy, user):
    url = f"ws{healthy.url.removeprefix('http')}/mas/api/v1/agents/ws/frontend/x?token={user.tokens['access_token']}"
    socket = websocket.create_connection(url, timeout=10)
    socket.send_binary(b'{"type": "ping", "nonce": 1}')
    socket.send_binary(b"\xff\x00")
    kinds = {json.loads(socket.recv())["type"] for _ in range(3)}
    socket.close()
    assert kinds == {"metrics_update", "pong", "error"}


def test_nothing_above_was_an_error_of_the_target(healthy):
    """Runs last in this file: the replicas have logged no traceback."""
    logs = [log.read_text() for log in (healthy.state_file.parent / "logs").glob("*.log")]
    assert logs
    assert not any("Traceback" in log for log in logs)
