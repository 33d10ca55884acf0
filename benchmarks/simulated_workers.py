"""`python -m benchmarks.simulated_workers PORT WORKERS SERIES REQUESTS`: many workers in one process, real in all else.

They say over real, fenced connections what workers say, in the same seconds: heartbeats, every second a frame in which
each series has so many requests, Locust's own statistics every three, questions for the time. Only the load itself is
missing. The secret is taken from the environment. It ends when the master tells it to.
"""

import os
import sys
import time
from dataclasses import asdict
from typing import Any

import msgpack
import zmq
from locust import __version__
from locust.stats import RequestStats

from benchmarks.made_seconds import path_of, seconds_of_load
from journal.environment import load_secret
from journal.frames import EndpointSecond, Frame, encode
from journal.outcomes import Endpoint
from journal.readings import Reading
from load.distributed.fence import master_keys
from load.distributed.messages import ACK, ASSIGNMENT, CLOCK, COMMAND, HELLO, REPORT, RESULT
from load.distributed.reporter import Parcel, Unacknowledged

HEARTBEAT_S, STATISTICS_S, CLOCK_S = 1.0, 3.0, 10.0


def locust_statistics(series: int, requests: int) -> dict[str, Any]:
    """What Locust's own workers report of so much load."""
    statistics = RequestStats()
    for number in range(series):
        for time_ms in range(3 * requests):
            statistics.log_request("GET", path_of(number), 20 + time_ms % 200, 500)
    total = statistics.total.serialize()
    return {"stats": statistics.serialize_stats(), "stats_total": total, "errors": {}, "current_cpu_usage": 40.0}


class SimulatedWorker:
    """One worker's connection and what it keeps in mind."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], port: int, number: int, key: bytes) -> None:
        self.number = number
        self.node_id = f"simulated_{number:04d}_{os.getpid()}"
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, self.node_id.encode())
        if key:
            self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
            self.socket.curve_serverkey = key
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.name, self.state = "", "ready"
        self.ended = False
        self.users: dict[str, int] = {}
        self.waiting = Unacknowledged(time.monotonic)
        self._sequence = 0
        self.say("client_ready", __version__)

    def say(self, kind: str, data: Any) -> None:
        """One message in Locust's form."""
        self.socket.send(msgpack.dumps((kind, data, self.node_id)), zmq.NOBLOCK)

    def hear(self) -> None:
        """All messages that have come."""
        while self.socket.poll(0):
            kind, data, _ = msgpack.loads(self.socket.recv(), raw=False, strict_map_key=False)
            self._take(kind, data)

    def _take(self, kind: str, data: Any) -> None:
        if kind == ACK:
            self.waiting.remove(data["sequence"])
        elif kind == ASSIGNMENT:
            self.name = self.name or data["worker"]
        elif kind == "spawn":
            self.users, self.state = data["user_classes_count"], "running"
            self.say("spawning", None)
            self.say("spawning_complete", {"user_classes_count": self.users, "user_count": sum(self.users.values())})
        elif kind == COMMAND:
            self.say(RESULT, {"command": data["command"], "data": {}})
        elif kind == "quit":
            self.ended = True

    def report(self, second: int, endpoints: dict[Endpoint, EndpointSecond], reading: dict[str, Any]) -> None:
        """The frame of one second, and once more those that were not acknowledged in time."""
        self._sequence += 1
        frame = encode(Frame(self.name, self._sequence, second, sum(self.users.values()), endpoints))
        parcel = Parcel(self._sequence, frame, last=False, readings=[reading])
        again = self.waiting.overdue()
        self.waiting.add(parcel)
        for each in (parcel, *again):
            self.say(REPORT, each.encode())


class Crowd:
    """All workers, served by one loop."""

    def __init__(self, port: int, workers: int, series: int, requests: int) -> None:
        secret = load_secret()
        key = master_keys(secret)[0] if secret else b""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        context.set(zmq.MAX_SOCKETS, 4 * workers + 100)
        self.workers = [SimulatedWorker(context, port, number, key) for number in range(workers)]
        self._seconds = seconds_of_load(series, requests)
        self._statistics = locust_statistics(series, requests)
        self._poller = zmq.Poller()
        self._by_socket = {worker.socket: worker for worker in self.workers}
        for worker in self.workers:
            self._poller.register(worker.socket, zmq.POLLIN)

    def run(self) -> None:
        """Until the master has told all of them to quit."""
        second = int(time.time()) + 1
        while not all(worker.ended for worker in self.workers):
            for socket, _ in self._poller.poll(max(1, int((second + 1.02 - time.time()) * 1000))):
                self._by_socket[socket].hear()
            if time.time() >= second + 1.02:
                self._tell(second)
                second += 1

    def _tell(self, second: int) -> None:
        """What all workers say right after a second has passed."""
        for worker in self.workers:
            if not worker.name:
                worker.say(HELLO, {"index": worker.number})
                continue
            worker.say("heartbeat", {"state": worker.state, "current_cpu_usage": 40.0, "current_memory_usage": 9 << 20})
            worker.report(second, self._seconds[(second + worker.number) % len(self._seconds)], _reading(worker.name))
            if (second + worker.number) % STATISTICS_S == 0:
                statistics = {"user_classes_count": worker.users, "user_count": sum(worker.users.values())}
                worker.say("stats", {**self._statistics, **statistics})
            if (second + worker.number) % CLOCK_S == 0:
                for _ in range(4):
                    worker.say(CLOCK, {"asked_ns": time.time_ns()})


def _reading(name: str) -> dict[str, Any]:
    reading = Reading(
        at_ns=time.time_ns(),
        subject=name,
        role="generator",
        incarnation="1@1",
        rss_bytes=9 << 20,
        uss_bytes=0,
        cpu_s=1.0,
        threads=3,
        descriptors=99,
    )
    return asdict(reading)


if __name__ == "__main__":
    Crowd(*map(int, sys.argv[1:5])).run()
