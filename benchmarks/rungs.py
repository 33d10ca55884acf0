"""Our client taken apart: `python -m benchmarks.rungs RUNG URL`, where each rung does what the one below does and more.

`calls` makes only the system calls; `wire` makes them on gevent's loop, a greenlet for each connection; `connection`
parses the answers and times them; `session` is `self.client` without Locust around it. Each runs until it is ended.
`parts` runs single steps by themselves and prints what each takes in µs.
"""

import locust  # noqa: F401, I001  # first, as it patches the rest
import argparse
import json
import select
import socket
import time
import timeit
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import gevent
import greenlet
from gevent.monkey import get_original

from journal.outcomes import Endpoint, Kind, Outcome
from load.client.answer import Parsing
from load.client.books import Uncounted
from load.client.connection import Connection
from load.client.dialing import dial
from load.client.encoding import Encoder, Prepared
from load.client.origin import Limits
from load.client.reactor import reactor
from load.client.response import Counts, Response
from load.client.session import HttpSession
from load.client.stamps import SPACE, ask_for_stamps
from load.distributed.clock import RunClock
from load.recorder import Recorder

LIMITS = Limits(connect_s=60.0, read_s=60.0, total_s=300.0)
FAR_NS = 300_000_000_000
TIMED_EVERY = 8
REPEATS, CALLS = 7, 20_000


class NoBook:
    """Counts nothing."""

    listeners = ()

    def series(self, method: str, name: str) -> Counts:  # noqa: ARG002  # all alike
        return Uncounted()

    def ended(self, response: Response, outcome: Outcome, exception: Exception | None) -> None: ...


def encoder(url: str) -> Encoder:
    """What makes requests to this address into bytes."""
    return Encoder(url, {}, verify_tls=True, ca_file="")


def request_to(url: str) -> Prepared:
    """The request that every rung sends, with the cookie that the server has set."""
    prepared = encoder(url).prepare("GET", "/item")
    prepared.whole = prepared.head + b"Cookie: session=abc123\r\n\r\n"
    return prepared


# Rungs


class Calls:
    """One send, one look whether the connection is still there and one receive for each request, as the client does."""

    def __init__(self, url: str, users: int) -> None:
        self._request = request_to(url).whole
        self._epoll = get_original("select", "epoll")()
        self._sockets: dict[int, tuple[socket.socket, select.poll]] = {}
        self.spent_ns: Counter[str] = Counter()
        self.timed = 0
        for _ in range(users):
            self._connect(url)

    def _connect(self, url: str) -> None:
        parts = urlsplit(url)
        connection = get_original("socket", "socket")(socket.AF_INET, socket.SOCK_STREAM)
        connection.connect((parts.hostname, parts.port))
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask_for_stamps(connection)
        poller = get_original("select", "poll")()
        poller.register(connection, select.POLLIN)
        self._epoll.register(connection, select.EPOLLIN)
        self._sockets[connection.fileno()] = connection, poller
        connection.send(self._request)

    def run(self, ends_s: float) -> None:
        """Every eighth batch is timed, so that the clock is no part of what is measured."""
        batch = 0
        while time.monotonic() < ends_s:
            ready = [self._sockets[number] for number, _ in self._epoll.poll(1.0)]
            batch += 1
            if batch % TIMED_EVERY:
                self._serve(ready)
            else:
                self._serve_timed(ready)

    def _serve(self, ready: list[tuple[socket.socket, select.poll]]) -> None:
        for connection, _ in ready:
            connection.recvmsg(65_536, SPACE)
        for _, poller in ready:
            poller.poll(0)
        for connection, _ in ready:
            connection.send(self._request)

    def _serve_timed(self, ready: list[tuple[socket.socket, select.poll]]) -> None:
        at_ns = [time.perf_counter_ns()]
        for connection, _ in ready:
            connection.recvmsg(65_536, SPACE)
        at_ns.append(time.perf_counter_ns())
        for _, poller in ready:
            poller.poll(0)
        at_ns.append(time.perf_counter_ns())
        for connection, _ in ready:
            connection.send(self._request)
        at_ns.append(time.perf_counter_ns())
        self.timed += len(ready)
        for name, began_ns, ended_ns in zip(("recvmsg", "poll", "send"), at_ns, at_ns[1:], strict=False):
            self.spent_ns[name] += ended_ns - began_ns


def wire(url: str) -> None:
    """A rung: bytes sent and received, nothing understood."""
    prepared = request_to(url)
    own = dial(prepared.place.origin, reactor(), time.monotonic_ns() + FAR_NS, {})
    deadline_ns = time.monotonic_ns() + FAR_NS
    while True:
        own.is_fresh()
        own.send(prepared.whole, deadline_ns)
        own.receive(deadline_ns)


def connection(url: str) -> None:
    """A rung: the answer is parsed, and the connection kept."""
    prepared = request_to(url)
    own = Connection(prepared.place.origin, LIMITS)
    while True:
        own.exchange(prepared.whole)


def session(url: str) -> None:
    """A rung: `client.get` with its headers and cookies, unrecorded."""
    own = HttpSession(encoder(url), LIMITS, NoBook())
    while True:
        own.get("/item")


USERS: dict[str, Callable[[str], None]] = {"wire": wire, "connection": connection, "session": session}


# Parts


def answer_of(url: str) -> bytes:
    """One answer of the server, as it came."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as asking:
        asking.sendall(request_to(url).whole)
        return asking.recv(65_536)


def us(step: Callable[[], object]) -> float:
    """The time of one step in µs: the least of the repeats."""
    return 1e6 * min(timeit.repeat(step, number=CALLS, repeat=REPEATS)) / CALLS


def parsing(answer: bytes) -> float:
    """The answer parsed, in µs."""
    parser = Parsing(LIMITS)

    def step() -> bytes:
        parser.begin(without_body=False)
        parser.feed(answer)
        return parser.take()

    return us(step)


def header(url: str, answer: bytes) -> float:
    """What a header costs that has been seen before, and sets a cookie."""
    own = HttpSession(encoder(url), LIMITS, NoBook())
    own.get("/item")
    request = request_to(url)
    response = Response(request)
    response.head = answer[: answer.index(b"\r\n\r\n") + 2]
    for _ in range(2):
        own._look_into(request, response)  # noqa: SLF001  # the step of its own
    return us(lambda: own._look_into(request, response))  # noqa: SLF001


def switches() -> float:
    """There and back between two greenlets, as between a user and the hub."""

    def other() -> None:
        while True:
            back.switch()

    back, there = greenlet.getcurrent(), greenlet.greenlet(other)
    return us(there.switch)


def recording() -> float:
    """A good answer recorded, in µs."""
    recorder = Recorder("w", (200_000,), RunClock().time)
    series = recorder.series(Endpoint(Kind.REQUEST, "j", "GET /item"))

    def step() -> None:
        at_ns = time.time_ns()
        series.start(at_ns)
        series.answered(123_456, 7_890, at_ns)

    return us(step)


def sealing() -> float:
    """The share of one request in the sealing of its second, in µs."""
    clock_s = [1_000.0]
    recorder = Recorder("w", (200_000,), lambda: clock_s[0])
    series = recorder.series(Endpoint(Kind.REQUEST, "j", "GET /item"))
    for number in range(2 * CALLS):
        series.start(1_000_000_000_000)
        series.answered(50_000 + 37 * number, 7 * number, 1_000_000_000_000)
    clock_s[0] = 1_002.0
    began_s = time.perf_counter()
    recorder.seal(50)
    return 1e6 * (time.perf_counter() - began_s) / (2 * CALLS)


def parts_of(url: str) -> dict[str, float]:
    """What single steps take by themselves, in µs."""
    answer = answer_of(url)
    calls = Calls(url, 50)
    calls.run(time.monotonic() + 2.0)
    by_call = {name: spent_ns / 1000 / calls.timed for name, spent_ns in calls.spent_ns.items()}
    return {
        **by_call,
        "parse": parsing(answer),
        "switches": switches(),
        "header": header(url, answer),
        "yield": us(lambda: gevent.sleep(0)),
        "record": recording(),
        "seal": sealing(),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rung", choices=["calls", *USERS, "parts"])
    parser.add_argument("url")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    if options.rung == "parts":
        print(json.dumps(parts_of(options.url)))
    elif options.rung == "calls":
        Calls(options.url, options.users).run(time.monotonic() + options.seconds)
    else:
        for _ in range(options.users):
            gevent.spawn(USERS[options.rung], options.url)
        gevent.sleep(options.seconds)


if __name__ == "__main__":
    main()
