"""The user that takes FastHttpUser's place: its interface, and what Locust hears of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from locust import task
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.exception import CatchResponseError, LocustError, StopTest

from load.client.errors import BadStatus, ConnectionCut
from load.client.user import HttpUser
from tests.load.client.visitors import Api, echo, user_at
from tests.load.hostile import answer, serving


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


def test_an_address_of_ipv6_is_reached_and_stands_in_brackets_in_the_header():
    with serving(Api(e=echo).handle, "::1") as server:
        user, heard = user_at(server.url)
        request = user.client.get("/e").content
        assert f"Host: {server.url.removeprefix('http://')}\r\n".encode() in request
        assert heard[0]["url"] == f"{server.url}/e"


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
    environment = Environment(user_classes=[kind])
    with pytest.raises(StopTest, match=said):
        kind(environment)
    assert environment.process_exit_code == 2, "nothing was sent, so nothing failed; Locust itself would exit with 0"


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
