import socket
import ssl
from collections.abc import Callable

import pytest

from journal.outcomes import Outcome
from load.client.connection import Connection, Sessions
from load.client.errors import CertificateRefused, ConnectionNotOpened, RequestError, TlsRefused
from load.client.origin import Limits, Origin
from tests.load.client.certificates import Authority
from tests.load.client.visitors import counted, recorded_at
from tests.load.hostile import HostileServer, answer, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority")).create()


def encrypted(context: ssl.SSLContext, *, then: Callable[[ssl.SSLSocket], object] = lambda c: None):
    """Serves TLS, and counts what arrives through it."""

    def handle(server: HostileServer, plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as connection:
            while server.read_request(connection):
                connection.sendall(answer(b'{"secret": 1}'))
                then(connection)

    return handle


def secured(server: HostileServer, authority: Authority | None, sessions: Sessions | None = None, host="localhost"):
    url = server.url.replace("http://127.0.0.1", f"https://{host}")
    origin = Origin.of(url, ca_file=authority.file if authority else "")
    return Connection(origin, Limits(total_s=5.0), sessions)


def test_a_certificate_of_an_authority_that_is_trusted_is_accepted_and_answers_are_stamped(authority):
    with serving(encrypted(authority.server())) as server:
        connection = secured(server, authority)
        answers = [connection.exchange(GET) for _ in range(3)]
        assert [reply.body for reply in answers] == [b'{"secret": 1}'] * 3
        assert all(reply.stamped for reply in answers)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "days", "trusted", "said"),
    [
        ("elsewhere", 2, True, "(?i)hostname mismatch"),
        ("localhost", -1, True, "expired"),
        ("localhost", 2, False, "issuer"),
    ],
    ids=["wrong name", "expired", "unknown authority"],
)
def test_a_certificate_that_proves_nothing_is_refused_by_name_and_nothing_is_sent(authority, name, days, trusted, said):
    with serving(encrypted(authority.server(name, days=days))) as server:
        connection = secured(server, authority if trusted else None)
        with pytest.raises(CertificateRefused, match=said):
            connection.exchange(GET)
        assert not connection.is_open
        assert server.requests == []


@pytest.mark.parametrize(
    ("name", "days", "trusted"),
    [("elsewhere", 2, True), ("localhost", -1, True), ("localhost", 2, False)],
    ids=["wrong name", "expired", "unknown authority"],
)
def test_a_user_whose_server_proves_nothing_has_one_refusal_in_the_accounts(authority, name, days, trusted):
    with serving(encrypted(authority.server(name, days=days))) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        user, logbook, _ = recorded_at(url, ca_file=authority.file if trusted else "")
        assert isinstance(user.client.get("/x").error, CertificateRefused)
        assert counted(logbook) == {("GET /x", Outcome.REFUSED): 1}
        assert server.requests == []


def test_any_certificate_is_accepted_where_nobody_is_to_check(authority):
    with serving(encrypted(authority.server("elsewhere", days=-1))) as server:
        url = server.url.replace("http", "https")
        connection = Connection(Origin.of(url, verify_tls=False), Limits(total_s=5.0))
        assert connection.exchange(GET).status == 200


def test_the_name_of_the_target_is_told_to_the_server(authority):
    context, asked = authority.server(), []
    context.sni_callback = lambda connection, name, context: asked.append(name)
    with serving(encrypted(context)) as server:
        secured(server, authority).exchange(GET)
    assert asked == ["localhost"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_taken_up_by_the_next_connection(authority, version):
    context = authority.server()
    context.minimum_version = context.maximum_version = version
    with serving(encrypted(context)) as server:
        sessions: Sessions = {}
        resumed = []
        for _ in range(2):
            connection = secured(server, authority, sessions)
            connection.exchange(GET)
            resumed.append(connection._wire.resumed)
            connection.close()
        assert resumed == [False, True]


def test_an_encrypted_connection_that_was_closed_while_idle_is_replaced(authority):
    def close(connection: ssl.SSLSocket) -> None:
        connection.unwrap()

    with serving(encrypted(authority.server(), then=close)) as server:
        connection = secured(server, authority)
        for expected in (1, 2):
            assert connection.exchange(GET).status == 200
            assert server.connections == expected
            while connection._wire.is_fresh():
                pass


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (lambda server, plain: plain.sendall(b"HTTP/1.1 400 Plain HTTP only\r\n\r\n"), TlsRefused),
        (lambda server, plain: plain.recv(1), ConnectionNotOpened),
        (lambda server, plain: [plain.recv(4096) for _ in iter(lambda: plain.recv(1), b"")], ConnectionNotOpened),
    ],
    ids=["plain HTTP", "closed at once", "silence"],
)
def test_a_server_that_does_not_speak_tls_is_a_named_error_in_time(handle, error):
    with serving(handle) as server:
        url = server.url.replace("http", "https")
        with pytest.raises(error):
            Connection(Origin.of(url), Limits(total_s=0.5)).exchange(GET)


def test_opening_a_connection_has_a_time_of_its_own():
    with serving(lambda server, plain: [plain.recv(4096) for _ in iter(lambda: plain.recv(1), b"")]) as server:
        connection = Connection(Origin.of(server.url.replace("http", "https")), Limits(connect_s=0.2, total_s=60.0))
        with pytest.raises(ConnectionNotOpened, match="no TLS handshake in time"):
            connection.exchange(GET)
        assert 200_000_000 <= connection.elapsed_ns < 20_000_000_000


def test_a_file_of_authorities_that_is_none_is_named(tmp_path):
    with serving(lambda server, plain: plain.recv(1)) as server:
        missing = Origin.of(server.url.replace("http", "https"), ca_file=str(tmp_path / "nothing.pem"))
        with pytest.raises(RequestError, match=r"nothing\.pem cannot be used"):
            Connection(missing, Limits(total_s=5.0)).exchange(GET)
