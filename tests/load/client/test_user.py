"""The user that takes FastHttpUser's place: its interface, what Locust hears of it, and what the recorder counts."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from locust import task
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.exception import CatchResponseError, LocustError, StopTest

from journal.outcomes import Endpoint, Kind, Outcome
from load.client.books import Events, Recorded
from load.client.encoding import Encoder
from load.client.errors import BadStatus, ConnectionCut, NotDecodable, RedirectRefused, RequestError, TooLarge
from load.client.user import HttpUser
from load.logbook import Logbook
from load.recorder import Recorder
from tests.load.hostile import HostileServer, answer, reset, serving


class Api:
    """Answers by path; `replies` maps a path to the bytes of its answer, or to a function of the request."""

    def __init__(self, **replies: bytes | Callable[[bytes], bytes]) -> None:
        self.replies = {"/" + path: reply for path, reply in replies.items()}

    def handle(self, server: HostileServer, connection: socket.socket) -> None:
        while request := server.read_request(connection):
            path = request.split(b" ")[1].decode().partition("?")[0]
            reply = self.replies.get(path, answer(b"no such thing", status=404))
            if reply == b"reset":
                reset(connection)
                return
            connection.sendall(reply(request) if callable(reply) else reply)


def user_at(url: str, base: type = HttpUser, **attributes: Any) -> tuple[Any, list[dict[str, Any]]]:
    """A user of a class with these attributes, and what Locust hears of its requests."""
    kind = type("Visitor", (base,), {"host": url, "tasks": [lambda user: None], **attributes})
    environment = Environment(user_classes=[kind])
    heard: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda **told: heard.append(told))
    return kind(environment), heard


def echo(request: bytes) -> bytes:
    return answer(request, headers="Content-Type: text/plain; charset=latin-1\r\nX-Twice: a\r\nX-Twice: b\r\n")


def test_an_answer_has_what_fast_http_users_read_from_it():
    with serving(Api(thing=answer(b'{"a": "\xc3\xa4"}', headers="X-Some: thing\r\n")).handle) as server:
        user, heard = user_at(server.url)
        response = user.client.get("/thing")
        assert (response.status_code, response.ok, response.error) == (200, True, None)
        assert (response.json(), response.text, response.content) == ({"a": "ä"}, '{"a": "ä"}', b'{"a": "\xc3\xa4"}')
        assert (response.headers["x-SOME"], response.url) == ("thing", f"{server.url}/thing")
        assert 0 < response.elapsed.total_seconds() < 5
        response.raise_for_status()
        assert [told["name"] for told in heard] == ["/thing"]
        assert (heard[0]["request_type"], heard[0]["response_length"], heard[0]["exception"]) == ("GET", 11, None)
        assert heard[0]["response"] is response
        assert heard[0]["response_time"] == pytest.approx(response.elapsed.total_seconds() * 1000, abs=0.001)


def bodies(base: type) -> list[tuple[str, str, bytes]]:
    """What a server sees of the same calls: method and target, content type, body."""
    with serving(Api(e=echo).handle) as server:
        user, _ = user_at(server.url, base)
        calls = [
            ("GET", {"params": {"q": "a b", "n": 1}}),
            ("POST", {"json": {"n": [1, None]}}),
            ("PUT", {"data": "text"}),
            ("PATCH", {"data": b"\x00\xff"}),
            ("DELETE", {}),
            ("OPTIONS", {}),
            ("POST", {"data": {"a": "1 2", "b": "ü"}}),
            ("GET", {"headers": {"X-Own": "1"}, "auth": ("me", "secret")}),
        ]
        for method, options in calls:
            user.client.request(method, "/e", **options)
        seen = []
        for request in server.requests:
            head, _, body = request.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            told = [fields.get(name, b"-").decode() for name in (b"x-own", b"authorization", b"content-length")]
            line = head.split(b"\r\n")[0].decode()
            kind = fields.get(b"content-type", b"-").decode()
            seen.append((f"{line} {told[:2]}", kind.partition(";")[0] if body else "-", body))
        return seen


def test_the_same_calls_send_the_same_requests_as_fast_http_users():
    ours, theirs = bodies(HttpUser), bodies(FastHttpUser)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[0].replace("%20", "+") == other[0].replace("%20", "+")
        assert mine[2] == other[2]
        assert mine[1] in {other[1], "-"}  # text without a type of its own gets none


def test_files_are_sent_as_a_form_in_parts():
    with serving(Api(e=echo).handle) as server:
        user, _ = user_at(server.url)
        files = {"one": ("a.txt", b"first", "text/plain"), "two": b"second"}
        body = user.client.post("/e", data={"field": "x"}, files=files).content
        head, _, parts = body.partition(b"\r\n\r\n")
        boundary = head.partition(b"boundary=")[2].split(b"\r\n")[0]
        assert parts.count(b"--" + boundary) == 4
        assert b'name="field"\r\n\r\nx\r\n' in parts
        assert b'name="one"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nfirst\r\n' in parts
        assert b'name="two"; filename="two"' in parts


@pytest.mark.parametrize(("status", "outcome"), [(404, "BadStatus"), (500, "BadStatus"), (204, None), (302, None)])
def test_a_status_of_400_or_more_is_a_failure_unless_the_user_says_otherwise(status, outcome):
    reply = f"HTTP/1.1 {status} X\r\n\r\n".encode() if status == 204 else answer(b"", status=status)
    with serving(Api(thing=reply).handle) as server:
        user, heard = user_at(server.url)
        response = user.client.get("/thing")
        assert response.ok == (status < 400)
        with user.client.get("/thing", name="other", catch_response=True) as judged:
            judged.success() if outcome else judged.failure("not what I wanted")
        kinds = [told["exception"] and type(told["exception"]).__name__ for told in heard]
        assert kinds == ([outcome, None] if outcome else [None, "CatchResponseError"])
        assert [told["name"] for told in heard] == ["/thing", "other"]


def test_a_block_that_decides_nothing_counts_as_the_answer_says_and_one_that_raises_passes_it_on():
    with serving(Api(good=answer(), bad=answer(status=503)).handle) as server:
        user, heard = user_at(server.url)
        for path in ("/good", "/bad"):
            with user.client.get(path, catch_response=True):
                pass
        with pytest.raises(ZeroDivisionError), user.client.get("/good", catch_response=True):
            _ = 1 / 0
        assert [type(told["exception"]) for told in heard] == [type(None), BadStatus, type(None)]


def test_success_and_failure_belong_into_a_block():
    with serving(Api(good=answer()).handle) as server:
        user, _ = user_at(server.url)
        for response in (user.client.get("/good"), user.client.get("/good", catch_response=True)):
            with pytest.raises(LocustError, match="catch_response"):
                response.failure("no")
            with pytest.raises(LocustError, match="catch_response"):
                response.success()


def test_requests_can_be_grouped_under_one_name():
    with serving(Api(a=answer(), b=answer()).handle) as server:
        user, heard = user_at(server.url)
        with user.client.rename_request("things"):
            user.client.get("/a")
            user.client.get("/b", name="own")
        user.client.get("/b")
        assert [told["name"] for told in heard] == ["things", "own", "/b"]


def test_a_target_that_gives_no_answer_is_an_error_of_the_response_never_an_exception():
    with serving(Api(gone=b"reset").handle) as server:
        user, heard = user_at(server.url)
        response = user.client.get("/gone")
        assert (response.status_code, response.content, response.text, response.ok) == (0, None, None, False)
        assert isinstance(response.error, ConnectionCut)
        with pytest.raises(ConnectionCut):
            response.raise_for_status()
        assert heard[0]["exception"] is response.error
        assert len(server.requests) == 1


def test_rest_calls_parse_json_and_count_what_is_none_as_a_failure():
    with serving(Api(good=answer(b'{"n": 1}'), bad=answer(b"<html>")).handle) as server:
        user, heard = user_at(server.url)
        with user.rest("GET", "/good") as response:
            assert response.js == {"n": 1}
        with user.rest("GET", "/bad") as response:
            assert response.js is None
        assert [type(told["exception"]) for told in heard] == [type(None), CatchResponseError]


def moved(to: str, status: int = 302) -> bytes:
    return answer(b"", status=status, headers=f"Location: {to}\r\n")


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 302, "PUT"),
        ("POST", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
    ],
)
def test_redirects_are_followed_as_browsers_do_and_told_once(method, status, then):
    def last(request: bytes) -> bytes:
        return answer(b"" if request.startswith(b"HEAD") else request)

    with serving(Api(old=moved("new?a=1#part", status), new=last).handle) as server:
        user, heard = user_at(server.url)
        response = user.client.request(method, "/old", data="body" if method == "POST" else None)
        assert response.status_code == 200
        second = server.requests[1]
        assert second.startswith(f"{then} /new?a=1 HTTP/1.1\r\n".encode())
        assert second.endswith(b"body") == (then == "POST")
        assert [(told["request_type"], told["name"]) for told in heard] == [(method, "/old")]


def test_redirects_are_not_followed_when_that_is_asked():
    with serving(Api(old=moved("/new")).handle) as server:
        user, heard = user_at(server.url)
        response = user.client.get("/old", allow_redirects=False)
        assert (response.status_code, response.headers["location"], heard[0]["exception"]) == (302, "/new", None)


@pytest.mark.parametrize("to", ["/loop", "ftp://x/", "http://[::1"], ids=["loop", "ftp", "broken"])
def test_a_redirect_that_leads_nowhere_is_a_named_error(to):
    with serving(Api(loop=moved(to)).handle) as server:
        user, heard = user_at(server.url, max_redirects=3)
        response = user.client.get("/loop")
        assert isinstance(response.error, RedirectRefused)
        assert heard[0]["exception"] is response.error
        assert len(server.requests) == (4 if to == "/loop" else 1)


def test_credentials_do_not_follow_a_redirect_to_another_origin():
    with serving(Api(there=echo).handle) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with serving(Api(here=moved(f"{elsewhere}/there"), stay=moved("/echo"), echo=echo).handle) as server:
            user, _ = user_at(server.url)
            assert b"authorization" in user.client.get("/stay", auth=("me", "x")).content.lower()
            user.client.cookiejar.clear()
            seen = user.client.get("/here", auth=("me", "x"), headers={"Cookie": "own=1"}).content
            assert b"authorization" not in seen.lower()
            assert b"cookie" not in seen.lower()


def test_cookies_are_kept_sent_back_and_replaced():
    numbers = iter(range(1, 100))

    def login(request: bytes) -> bytes:
        return answer(b"", headers=f"Set-Cookie: id={next(numbers)}; Path=/\r\nSet-Cookie: here=1; Path=/in\r\n")

    with serving(Api(**{"login": login, "echo": echo, "in/echo": echo}).handle) as server:
        user, _ = user_at(server.url)
        assert b"Cookie" not in user.client.get("/echo").content
        for expected in (b"id=1", b"id=2"):
            user.client.get("/login")
            assert b"Cookie: " + expected + b"\r\n" in user.client.get("/echo").content
        inner = user.client.get("/in/echo").content
        assert b"id=2" in inner
        assert b"here=1" in inner
        assert b"Cookie" not in user.client.get("/echo", headers={"X": "1"}).content.partition(b"id=2")[2]
        user.client.cookiejar.clear()
        assert b"Cookie" not in user.client.get("/echo").content


def test_a_cookie_that_has_expired_is_not_sent_any_more(monkeypatch):
    reply = answer(b"", headers="Set-Cookie: short=1; Max-Age=30\r\n")
    with serving(Api(login=reply, echo=echo).handle) as server:
        user, _ = user_at(server.url)
        user.client.get("/login")
        assert b"short=1" in user.client.get("/echo").content
        for cookie in user.client.cookiejar:
            cookie.expires = 1
        user.client.cookiejar.version += 1
        assert b"short=1" not in user.client.get("/echo").content


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        ("gzip", gzip.compress(b"plain")),
        ("deflate", zlib.compress(b"plain")),
        ("deflate", zlib.compress(b"plain")[2:-4]),
        ("deflate, gzip", gzip.compress(zlib.compress(b"plain"))),
        ("identity", b"plain"),
    ],
    ids=["gzip", "deflate", "raw deflate", "twice", "identity"],
)
def test_bodies_are_decoded(encoding, encoded):
    with serving(Api(x=answer(encoded, headers=f"CONTENT-Encoding: {encoding}\r\n")).handle) as server:
        user, _ = user_at(server.url)
        assert user.client.get("/x").text == "plain"


def test_a_body_that_decodes_to_too_much_or_to_nothing_is_a_failure():
    bomb = answer(gzip.compress(bytes(10_000_000)), headers="Content-Encoding: gzip\r\n")
    broken = answer(b"nothing", headers="Content-Encoding: gzip\r\n")
    with serving(Api(bomb=bomb, broken=broken).handle) as server:
        user, heard = user_at(server.url, max_body_bytes=1_000_000)
        responses = [user.client.get("/bomb"), user.client.get("/broken")]
        assert [type(response.error) for response in responses] == [TooLarge, NotDecodable]
        assert [response.content for response in responses] == [None, None]
        assert [told["exception"] for told in heard] == [response.error for response in responses]


def test_a_streamed_answer_is_read_while_it_arrives():
    reply = answer(b"data: 1\n\ndata: 2\n\n", headers="Content-Type: text/event-stream\r\n")
    with serving(Api(events=reply, lines=answer(b"a\nb\n\nc")).handle) as server:
        user, heard = user_at(server.url)
        response = user.client.get("/events", stream=True)
        assert len(heard) == 1
        assert [event.data for event in response.events()] == ["1", "2"]
        assert list(user.client.iter_lines("/lines")) == ["a", "b", "", "c"]
        assert "".join(user.client.get("/lines", stream=True).iter_content(2)) == "a\nb\n\nc"
        assert server.connections == 1


def test_default_headers_and_credentials_of_the_host_go_with_every_request():
    with serving(Api(e=echo).handle) as server:
        url = server.url.replace("http://", "http://us%40er:pass@")
        user, _ = user_at(url, default_headers={"X-All": "1", "user-agent": "mine"})
        for request in (user.client.get("/e").content, user.client.post("/e", json={}).content):
            assert b"X-All: 1\r\n" in request
            assert b"Authorization: Basic dXNAZXI6cGFzcw==" in request
            assert b"aia-gameday" not in request


def test_a_header_with_a_line_break_and_a_url_that_is_none_are_mistakes_of_the_user():
    user, _ = user_at("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="line break"):
        user.client.get("/", headers={"X": "a\r\nInjected: 1"})
    with pytest.raises(ValueError, match="no URL"):
        user_at("nonsense")[0].client.get("/")


def test_text_beyond_ascii_in_a_url_is_encoded():
    with serving(Api(**{"%C3%BC%20x": answer()}).handle) as server:
        user, _ = user_at(server.url)
        assert user.client.get("/ü x?q=ä").status_code == 200
        assert server.requests[0].startswith(b"GET /%C3%BC%20x?q=%C3%A4 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [({"host": None}, "no host"), ({"max_retries": 1}, "sent once"), ({"proxy_host": "x"}, "proxy_host")],
)
def test_what_it_does_not_do_is_refused_at_the_start(attributes, said):
    kind = type("Visitor", (HttpUser,), {"host": "http://x", "tasks": [lambda user: None], **attributes})
    with pytest.raises(StopTest, match=said):
        kind(Environment(user_classes=[kind]))


# In a run


def recorded_at(url: str, **attributes: Any) -> tuple[Any, Logbook, list[dict[str, Any]]]:
    user, heard = user_at(url, **attributes)
    logbook = Logbook(Recorder("w", (200_000,)))
    user.client._book = Recorded(SimpleNamespace(logbook=logbook), type(user), Events(user))
    return user, logbook, heard


def counted(logbook: Logbook) -> dict[tuple[str, Outcome], int]:
    found: dict[tuple[str, Outcome], int] = {}
    for frame in logbook.recorder.close():
        for endpoint, seen in frame.endpoints.items():
            assert endpoint.kind is Kind.REQUEST
            for outcome, ended in seen.outcomes.items():
                found[endpoint.name, outcome] = found.get((endpoint.name, outcome), 0) + ended.count
    return found


def test_in_a_run_requests_are_counted_by_name_and_outcome_and_locust_is_told_only_where_somebody_listens():
    replies = {"good": answer(), "limited": answer(status=429), "down": answer(status=503), "gone": b"reset"}
    with serving(Api(**replies, missing=answer(status=404)).handle) as server:
        user, logbook, heard = recorded_at(server.url)
        for path in (*replies, "missing"):
            user.client.get(f"/{path}")
        with user.client.get("/good", name="judged", catch_response=True) as response:
            response.failure("not so good")
        with user.client.get("/missing", name="judged", catch_response=True) as response:
            response.success()
        assert heard == []
        failures = logbook.take_failures()
        assert [failure.detail for failure in failures][-1] == "not so good"
        assert len(failures) == 5
        logbook.listeners.append(lambda *_: None)
        user.client.get("/good")
        assert [told["name"] for told in heard] == ["/good"]
        assert counted(logbook) == {
            ("GET /good", Outcome.OK): 2,
            ("GET /limited", Outcome.LIMITED): 1,
            ("GET /down", Outcome.SERVER_ERROR): 1,
            ("GET /gone", Outcome.CUT): 1,
            ("GET /missing", Outcome.CLIENT_ERROR): 1,
            ("GET judged", Outcome.WRONG_ANSWER): 1,
            ("GET judged", Outcome.OK): 1,
        }


def test_in_a_run_each_hop_of_a_redirect_counts_as_the_target_counts_it():
    with serving(Api(a=moved("/b"), b=moved("/c"), c=answer(), loop=moved("/loop")).handle) as server:
        user, logbook, _ = recorded_at(server.url, max_redirects=2)
        user.client.get("/a")
        user.client.get("/loop")
        found = counted(logbook)
        assert found == {
            ("GET /a", Outcome.OK): 1,
            ("GET /a (redirected)", Outcome.OK): 2,
            ("GET /loop", Outcome.OK): 1,
            ("GET /loop (redirected)", Outcome.OK): 1,
            ("GET /loop (redirected)", Outcome.WRONG_ANSWER): 1,
        }
        assert sum(found.values()) == len(server.requests)


def test_in_a_run_the_intended_start_gives_a_response_time():
    with serving(Api(good=answer()).handle) as server:
        user, logbook, _ = recorded_at(server.url)
        user.intended_at_ns = 1_000_000_000
        user.client.get("/good")
        assert user.intended_at_ns < 0
        user.client.get("/good")
        (seen,) = [seen for frame in logbook.recorder.close() for seen in frame.endpoints.values() if seen.outcomes]
        response = seen.outcomes[Outcome.OK].histograms["response"]
        assert sum(response.values()) == 2
        assert len(response) == 2


def test_no_request_of_a_run_goes_to_a_host_that_its_profile_does_not_allow():
    encoder = Encoder("http://target.test", {}, verify_tls=True, ca_file="", hosts=frozenset({"also.test"}))
    assert encoder.prepare("GET", "http://also.test/x").url == "http://also.test/x"
    request = encoder.prepare("GET", "/x")
    with pytest.raises(ValueError, match=r"other\.test' may not be loaded"):
        encoder.prepare("GET", "http://other.test/x")
    with pytest.raises(ValueError, match="may not be loaded"):
        encoder.redirected(request, "GET", "//other.test/x", keep_body=False)


def test_a_locustfile_moves_by_its_base_class():
    with serving(Api(good=answer(b'{"n": 1}')).handle) as server:
        names: dict[str, list[str]] = {}
        for base in (FastHttpUser, HttpUser):

            class Visitor(base):  # type: ignore[misc, valid-type]
                host = server.url

                @task
                def visit(self) -> None:
                    with self.client.get("/good", name="good", catch_response=True) as response:
                        if response.json()["n"] != 1:
                            response.failure(json.dumps(response.json()))

            environment = Environment(user_classes=[Visitor])
            environment.create_local_runner()
            Visitor(environment).visit()
            entry = environment.stats.total
            names[base.__name__] = [entry.num_requests, entry.num_failures, *environment.stats.entries]
        assert names["HttpUser"] == names["FastHttpUser"] == [1, 0, ("good", "GET")]


def test_the_locustfile_of_the_documents_runs():
    page = Path(__file__).parents[3] / "docs" / "moving-a-locustfile.md"
    source = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    found: dict[str, Any] = {}
    exec(source, found)
    with serving(Api(search=answer(b'{"hits": []}')).handle) as server:
        user, heard = user_at(server.url, found["Visitor"])
        found["Visitor"].search(user)
        assert [str(told["exception"]) for told in heard] == ["nothing found"]
        assert server.requests[0].startswith(b"GET /search?q=gameday HTTP/1.1")


def test_failures_of_a_request_are_endpoints_of_the_file_of_the_class():
    with serving(Api(gone=b"reset").handle) as server:
        user, logbook, _ = recorded_at(server.url)
        user.client.get("/gone")
        (failure,) = logbook.take_failures()
        assert failure.endpoint == Endpoint(Kind.REQUEST, type(user).__module__.rpartition(".")[2], "GET /gone")
        assert RequestError.__name__ not in failure.detail
