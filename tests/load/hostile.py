"""A server of raw bytes for clients that must survive anything; a function of the test handles each connection."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[[socket.socket], None]


class HostileServer:
    """Listens on a free port, hands every connection to `handler` in a thread, and counts what it received."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1") -> None:
        self._handler = handler
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._host = f"[{host}]" if ":" in host else host
        self.connections = self.ended_connections = 0
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                self._handler(connection)
        finally:
            self.ended_connections += 1

    @property
    def open_connections(self) -> int:
        """Those whose handler has not ended, as it does at the latest when the client has gone."""
        return self.connections - self.ended_connections

    def read_request(self, connection: socket.socket) -> bytes:
        """One request with its body; empty when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            block = connection.recv(65_536)
            if not block:
                return b""
            data += block
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts; closing alone would not
        self._listener.close()


def answer(body: bytes = b"{}", *, status: int = 200, headers: str = "") -> bytes:
    """The bytes of a whole answer."""
    return f"HTTP/1.1 {status} Because\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def reset(connection: socket.socket) -> None:
    """Ends the connection by RST, as the kernel does for a killed process with unread data."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def serving(
    handle: Callable[["HostileServer", socket.socket], None], host: str = "127.0.0.1"
) -> Iterator[HostileServer]:
    """A server for the length of a with block; `handle` gets the server and each connection."""
    server: HostileServer
    server = HostileServer(lambda connection: handle(server, connection), host)
    try:
        yield server
    finally:
        server.close()
