"""Health and login: what the target says is taken at its word, and failures become ours."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from journal.errors import ProfileError, TargetUnreachable
from journal.profile import Credentials
from probes.health import health_status, is_healthy, is_ready
from probes.http_calls import Trust, call
from probes.login import ClientCredentials, account_login_ms, client_login_ms, find_client_credentials, login_ms
from tests.probes.conftest import Answers

TOKEN = {"access_token": "t", "refresh_token": "r", "token_type": "bearer", "expires_in": 900}


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Something that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ((200, {"status": "healthy"}), True),
        ((200, {"status": "degraded"}), True),
        ((200, {"status": "unhealthy"}), False),
        ((200, {"status": "Healthy!"}), False),
        ((200, {"status": ["healthy"]}), False),
        ((200, ["healthy"]), False),
        ((200, "healthy"), False),
        ((503, {"status": "healthy"}), False),
        ((404, ""), False),
    ],
)
def test_only_healthy_or_degraded_is_healthy(server: Answers, answer: tuple[int, object], healthy: bool) -> None:
    server.script["GET /health"] = answer
    assert is_healthy(server.url + "/") is healthy


def test_the_status_is_reported_as_it_is(server: Answers) -> None:
    server.script["GET /health"] = (503, {"status": "on fire"})
    assert health_status(server.url) == "on fire"


@pytest.mark.parametrize(("code", "ready"), [(200, True), (204, False), (302, False), (503, False)])
def test_only_200_is_ready(server: Answers, code: int, ready: bool) -> None:
    server.script["GET /ready"] = (code, {})
    assert is_ready(server.url) is ready


def test_a_target_that_does_not_answer_in_time_is_unreachable(silent_url: str) -> None:
    with pytest.raises(TargetUnreachable, match=r"no answer within 0\.1 s"):
        health_status(silent_url, timeout_s=0.1)
    assert not is_healthy(silent_url, timeout_s=0.1)
    assert not is_ready(silent_url, timeout_s=0.1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificate with openssl")
def test_a_certificate_that_nobody_vouches_for_is_not_taken(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listening = threading.Thread(target=greet, args=(context, listener))
        listening.start()
        with pytest.raises(TargetUnreachable, match=r"(?i)certificate"):
            health_status(f"https://localhost:{listener.getsockname()[1]}")
        listening.join()


def greet(context: ssl.SSLContext, listener: socket.socket) -> None:
    with suppress(ssl.SSLError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.recv(1)


def test_what_is_no_url_is_a_mistake_of_the_profile() -> None:
    with pytest.raises(ProfileError, match="is no URL"):
        health_status("aia.example.org")


def test_probes_carry_no_header_of_the_load(server: Answers) -> None:
    is_healthy(server.url)
    assert "x-gameday-run" not in server.asked[0][1]


def test_a_client_login_sends_the_form_and_takes_a_positive_time(server: Answers) -> None:
    server.script["POST /auth/token"] = (200, TOKEN)
    assert client_login_ms(server.url, ClientCredentials("me", "s&cret")) > 0
    assert parse_qs(server.asked[0][2].decode())["client_secret"] == ["s&cret"]


def test_an_account_login_sends_the_password_as_json(server: Answers) -> None:
    server.script["POST /auth/login"] = (200, TOKEN)
    assert account_login_ms(server.url, "a@example.org", "pw") > 0
    assert b'"password":"pw"' in server.asked[0][2].replace(b" ", b"")


@pytest.mark.parametrize("answer", [(401, {"detail": "no"}), (200, {}), (200, "welcome"), (200, []), (500, TOKEN)])
def test_a_login_without_a_token_is_none(server: Answers, answer: tuple[int, object]) -> None:
    server.script["POST /auth/token"] = answer
    with pytest.raises(TargetUnreachable, match="without a token") as failure:
        client_login_ms(server.url, ClientCredentials("me", "s3cret"))
    assert "s3cret" not in str(failure.value)


def test_credentials_come_from_the_environment_or_from_beside_the_state_file(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIA_CLIENT_ID", raising=False)
    with pytest.raises(ProfileError, match="AIA_CLIENT_SECRET"):
        find_client_credentials(Credentials(), tmp_path / "state.json")
    (tmp_path / "client-credentials").write_text("file-id\nfile-secret\n")
    assert find_client_credentials(Credentials(), tmp_path / "state.json").client_id == "file-id"
    monkeypatch.setenv("AIA_CLIENT_ID", "env-id")
    monkeypatch.setenv("AIA_CLIENT_SECRET", "env-secret")
    assert find_client_credentials(Credentials(), tmp_path / "state.json").client_id == "env-id"
    server.script["POST /auth/token"] = (200, TOKEN)
    assert login_ms(server.url, str(tmp_path / "state.json")) > 0
    assert b"client_id=env-id" in server.asked[0][2]


def test_a_secret_does_not_show_when_credentials_are_printed() -> None:
    assert "hidden" not in repr(ClientCredentials("me", "hidden"))


def test_readiness_is_asked_at_the_path_of_the_profile_and_without_one_any_answer_will_do(server: Answers) -> None:
    server.script["GET /healthz"] = (200, {})
    assert is_ready(server.url, path="/healthz")
    assert not is_ready(server.url, path="/nothing")
    assert is_ready(server.url, path="")
    assert not is_ready("http://127.0.0.1:9", path="")


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="ca_file"):
        call("GET", "https://127.0.0.1:9", trust=Trust(ca_file=str(tmp_path / "nothing.pem")))
    assert not is_ready("https://127.0.0.1:9", trust=Trust(verify=False))
