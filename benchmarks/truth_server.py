"""A server that delays each answer by a known amount and keeps its own record: `python -m benchmarks.truth_server`.

The truth of a request is from its arrival at the kernel, by the kernel's stamp, to the moment before its answer is
handed back; what the server itself adds to the delay is so part of the truth. On SIGTERM it prints the percentiles.
"""

import argparse
import contextlib
import heapq
import json
import select
import signal
import socket
import struct
import time

SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"status": "ok", "n": 123}'


class TruthServer:
    """Answers each request after a fixed delay, and keeps how long each one really took."""

    def __init__(self, port: int, delay_ms: float) -> None:
        self._delay_ns = round(delay_ms * 1e6)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, socket.socket] = {}
        self._due: list[tuple[int, int, int]] = []
        self.truth_ns: list[int] = []
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            wait_s = (self._due[0][0] - time.time_ns()) / 1e9 if self._due else 0.2
            for descriptor, _ in self._poll.poll(max(0.0, wait_s)):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read(descriptor)
            self._answer()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                self._connections[connection.fileno()] = connection
                self._poll.register(connection, select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        connection = self._connections[descriptor]
        try:
            data, ancillary, _, _ = connection.recvmsg(65_536, 64)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(descriptor)
            self._connections.pop(descriptor).close()
        elif data.endswith(b"\r\n\r\n"):
            seconds, rest_ns = TIMESPEC.unpack(ancillary[0][2]) if ancillary else divmod(time.time_ns(), 10**9)
            arrived_ns = seconds * 10**9 + rest_ns
            heapq.heappush(self._due, (arrived_ns + self._delay_ns, arrived_ns, descriptor))

    def _answer(self) -> None:
        while self._due and self._due[0][0] <= time.time_ns():
            _, arrived_ns, descriptor = heapq.heappop(self._due)
            connection = self._connections.get(descriptor)
            if connection is not None:
                with contextlib.suppress(OSError):
                    sent_ns = time.time_ns()
                    connection.send(ANSWER)
                    self.truth_ns.append(sent_ns - arrived_ns)


def main() -> None:
    """Serves until it is told to end, then prints what it knows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    options = parser.parse_args()
    server = TruthServer(options.port, options.delay_ms)

    def stop(*_: object) -> None:
        server.stopped = True

    signal.signal(signal.SIGTERM, stop)
    server.run()
    truth_ns = sorted(server.truth_ns)
    found = {f"p{share}_ms": truth_ns[int(len(truth_ns) * share / 100)] / 1e6 for share in (50, 99)} if truth_ns else {}
    print(json.dumps({"count": len(truth_ns), **found}), flush=True)


if __name__ == "__main__":
    main()
