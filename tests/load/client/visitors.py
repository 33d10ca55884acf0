"""Users of a class of their own at a server that answers by path, and what they did in a run."""

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from locust.env import Environment

from journal.outcomes import Kind, Outcome
from load.client.books import Events, Recorded
from load.client.user import HttpUser
from load.logbook import Logbook
from load.recorder import Recorder
from tests.load.hostile import HostileServer, answer, reset


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


def moved(to: str, status: int = 302) -> bytes:
    return answer(b"", status=status, headers=f"Location: {to}\r\n")


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
