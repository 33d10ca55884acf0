import socket
import ssl
import subprocess
import time

import pytest

from journal.histogram import bucket_index
from journal.outcomes import Endpoint, Kind, Outcome
from journal.profile import Profile
from load.checks import Expect
from load.http import RUN_HEADER, Answer, Client, Session
from load.logbook import MAX_FAILURES_PER_S, Logbook
from load.recorder import Recorder
from tests.load.hostile import HostileServer, answer, serving

PROFILE = Profile(name="test", request_timeout_s=2.0)


def always(reply: bytes):
    def handle(server: HostileServer, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(reply)

    return handle


def session_for(url: str, profile: Profile = PROFILE) -> tuple[Session, Logbook]:
    logbook = Logbook(Recorder("worker-0", (200_000,)))
    return Session(Client(url, profile, {RUN_HEADER: "r1"}), logbook, "tests"), logbook


def counted(logbook: Logbook) -> dict[tuple[str, Outcome], int]:
    totals: dict[tuple[str, Outcome], int] = {}
    for frame in logbook.recorder.close():
        for endpoint, seen in frame.endpoints.items():
            for outcome, ended in seen.outcomes.items():
                totals[endpoint.name, outcome] = totals.get((endpoint.name, outcome), 0) + ended.count
    return totals


@pytest.mark.parametrize(
    ("reply", "expect", "outcome"),
    [
        (answer(b'{"id": "x"}'), Expect(200, id=str), Outcome.OK),
        (answer(b"{}", status=401), Expect(401), Outcome.OK),
        (answer(b"{}", status=401), Expect(200), Outcome.CLIENT_ERROR),
        (answer(b"{}", status=404), Expect(403), Outcome.CLIENT_ERROR),
        (answer(b"{}", status=429), Expect(200), Outcome.LIMITED),
        (answer(b"{}", status=500), Expect(200), Outcome.SERVER_ERROR),
        (answer(b"{}", status=503), Expect(401), Outcome.SERVER_ERROR),
        (answer(b"{}", status=302, headers="Location: /there\r\n"), Expect(200), Outcome.WRONG_ANSWER),
        (answer(b"{}", status=201), Expect(200), Outcome.WRONG_ANSWER),
        (answer(b"<html>"), Expect(200), Outcome.WRONG_ANSWER),
        (answer(b"[1]"), Expect(200), Outcome.WRONG_ANSWER),
        (answer(b'{"id": 5}'), Expect(200, id=str), Outcome.WRONG_ANSWER),
        (answer(b'{"n": true}'), Expect(200, n=int), Outcome.WRONG_ANSWER),
        (answer(b'{"status": "lost"}'), Expect(200, status="open"), Outcome.WRONG_ANSWER),
        (answer(b"{}"), Expect(200, task_id=str), Outcome.WRONG_ANSWER),
    ],
)
def test_an_answer_is_judged_by_what_was_expected_of_it(reply, expect, outcome):
    with serving(always(reply)) as server:
        session, logbook = session_for(server.url)
        assert session.call("GET", "/x", expect=expect).outcome is outcome
        assert counted(logbook) == {("GET /x", outcome): 1}
        assert len(server.requests) == 1


def test_a_request_carries_the_run_the_token_and_its_body_at_the_path_of_the_profile():
    profile = Profile(name="test", paths={"/v1/things/{id}": "/v2/things/{id}/all"})
    with serving(always(answer())) as server:
        session, logbook = session_for(server.url, profile)
        session.call("POST", "/v1/things/{id}", path={"id": "a/b"}, token="abc", body={"n": 1})
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v2/things/a%2Fb/all HTTP/1.1\r\n")
        assert {b"x-gameday-run: r1", b"Authorization: Bearer abc", b"Content-Length: 8"} <= set(head.split(b"\r\n"))
        assert body == b'{"n": 1}'
        assert list(counted(logbook)) == [("POST /v1/things/{id}", Outcome.OK)]


def test_a_request_of_any_kind_carries_its_query_and_its_headers_each_once():
    with serving(always(answer(b"[]"))) as server:
        session, logbook = session_for(server.url)
        headers = {"accept": "text/csv", "Content-Type": "text/plain", "X-Name": "Łukasz", "X-Bad": "a\r\nX-Evil: 1"}
        session.judged(
            "PUT",
            "/a",
            lambda reply: Answer(Outcome.OK, reply.status),
            name="a put",
            content=b"\x00raw",
            query={"q": "a b&c"},
            headers=headers,
        )
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"PUT /a?q=a+b%26c HTTP/1.1"
        names = [line.split(b":")[0].lower() for line in lines[1:]]
        assert sorted(names) == sorted(
            [b"host", b"user-agent", b"accept", b"content-type", b"content-length", b"x-name", RUN_HEADER.encode()]
        )
        assert {b"accept: text/csv", b"Content-Type: text/plain", "X-Name: Łukasz".encode()} <= set(lines)
        assert body == b"\x00raw"
        assert counted(logbook) == {("a put", Outcome.OK): 1}


def test_what_is_not_load_carries_no_run_header():
    with serving(always(answer())) as server:
        Client(server.url, PROFILE).send("GET", "/")
        assert RUN_HEADER.encode() not in server.requests[0]


def test_a_promise_that_is_broken_is_an_answer_and_a_violation_with_its_example():
    with serving(always(answer(b"{}"))) as server:
        session, logbook = session_for(server.url)
        for _ in range(7):
            session.refused("no-foreign-data", "GET", "/secret", status=403, example="eve read task 7")
        found = logbook.invariants["no-foreign-data"]
        assert (found.checked, found.violated, found.examples[0]) == (7, 7, "eve read task 7: answered 200")
        assert len(found.examples) == 5
        assert counted(logbook) == {("GET /secret", Outcome.OK): 7}


def test_a_promise_that_is_kept_is_counted_and_one_that_could_not_be_tested_is_not():
    for status, checked, outcome in [
        (403, 1, Outcome.OK),
        (500, 0, Outcome.SERVER_ERROR),
        (404, 0, Outcome.CLIENT_ERROR),
    ]:
        with serving(always(answer(b"{}", status=status))) as server:
            session, logbook = session_for(server.url)
            session.refused("no-foreign-data", "GET", "/secret", status=403, example="")
            assert sum(found.checked for found in logbook.invariants.values()) == checked
            assert sum(found.violated for found in logbook.invariants.values()) == 0
            assert counted(logbook) == {("GET /secret", outcome): 1}


def test_failures_are_kept_by_name_up_to_a_limit_and_all_of_them_are_counted():
    with serving(always(answer(b'{"detail": "no"}', status=500))) as server:
        session, logbook = session_for(server.url)
        total = 2 * MAX_FAILURES_PER_S + 50
        for _ in range(total):
            session.call("GET", "/x")
        failures = logbook.take_failures()
        assert len(failures) + logbook.unnamed_failures == total
        assert MAX_FAILURES_PER_S <= len(failures) < total
        assert failures[0].detail == "500 instead of 200: no"
        assert failures[0].endpoint == Endpoint(Kind.REQUEST, "tests", "GET /x")
        assert counted(logbook) == {("GET /x", Outcome.SERVER_ERROR): total}


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_the_profile_says_otherwise(self_signed):
    def handle(server, plain):
        with self_signed.wrap_socket(plain, server_side=True) as connection:
            while server.read_request(connection):
                connection.sendall(answer())

    with serving(handle) as server:
        url = server.url.replace("http", "https").replace("127.0.0.1", "localhost")
        strict, _ = session_for(url)
        refused = strict.call("GET", "/")
        assert refused.outcome is Outcome.REFUSED
        assert "certificate" in refused.detail.lower()
        assert server.requests == []
        lenient, _ = session_for(url, Profile(name="test", verify_tls=False))
        assert lenient.call("GET", "/").outcome is Outcome.OK


def test_response_times_run_from_the_intended_start_for_the_first_request_of_a_pass_and_from_sending_for_the_others():
    with serving(always(answer(b"{}"))) as server:
        session, logbook = session_for(server.url)
        session.call("GET", "/closed")
        late_ns = 30_000_000_000
        session.intended_at_ns = time.time_ns() - late_ns
        session.call("GET", "/first")
        session.call("GET", "/second")
        found = {
            endpoint.name: ended.histograms
            for frame in logbook.recorder.close()
            for endpoint, seen in frame.endpoints.items()
            for ended in seen.outcomes.values()
        }
        assert "response" not in found["GET /closed"]
        assert min(found["GET /first"]["response"]) >= bucket_index(late_ns // 1000)
        assert found["GET /second"]["response"] == found["GET /second"]["service"]
        assert all("lag" in histograms for histograms in found.values())
