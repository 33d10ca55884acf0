"""What becomes of answers: redirects, cookies, encoded bodies, bodies that are read while they arrive."""

import gzip
import zlib

import pytest

from load.client.errors import NotDecodable, RedirectRefused, TooLarge
from tests.load.client.visitors import Api, echo, moved, user_at
from tests.load.hostile import answer, serving


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


def test_a_header_that_comes_again_sets_its_cookie_again_when_the_user_has_thrown_it_away():
    with serving(Api(set=answer(b"", headers="Set-Cookie: id=1\r\n"), echo=echo).handle) as server:
        user, _ = user_at(server.url)
        for _ in range(2):
            for _ in range(3):
                user.client.get("/set")
            assert b"Cookie: id=1\r\n" in user.client.get("/echo").content
            user.client.cookiejar.clear()


def test_a_cookie_that_two_answers_set_in_turn_changes_each_time():
    values = iter((b"a", b"b", b"a", b"b"))
    replies = {"set": lambda _: answer(b"", headers=f"Set-Cookie: id={next(values).decode()}\r\n"), "echo": echo}
    with serving(Api(**replies).handle) as server:
        user, _ = user_at(server.url)
        for expected in (b"a", b"b", b"a", b"b"):
            user.client.get("/set")
            assert b"Cookie: id=" + expected + b"\r\n" in user.client.get("/echo").content


def test_a_cookie_is_kept_alive_by_the_same_header_again():
    with serving(Api(set=answer(b"", headers="Set-Cookie: id=1; Max-Age=30\r\n")).handle) as server:
        user, _ = user_at(server.url)
        expires_s = set()
        for _ in range(3):
            user.client.get("/set")
            (cookie,) = user.client.cookiejar
            expires_s.add(cookie.expires)
            cookie.expires -= 10
        assert max(expires_s) - min(expires_s) <= 2  # set anew each time, not 10 and 20 s earlier


def test_each_of_several_encoded_answers_with_the_same_header_is_decoded():
    encoded = gzip.compress(b"plain text", mtime=0)
    with serving(Api(z=answer(encoded, headers="Content-Encoding: gzip\r\n")).handle) as server:
        user, _ = user_at(server.url)
        assert [user.client.get("/z").content for _ in range(3)] == [b"plain text"] * 3


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
