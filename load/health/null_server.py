"""A target that does nothing: a program of its own that gives every request the same answer at once, on loopback.

It prints its port, and ends when its standard input does, and so with whoever started it. It needs nothing but the
standard library, so that it starts within tens of milliseconds.
"""

import selectors
import socket
import sys
from contextlib import suppress
from typing import BinaryIO

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
END_OF_HEAD = b"\r\n\r\n"
_RECEIVE_BYTES = 65_536


class NullServer:
    """Serves requests without bodies until `ends` can be read and is empty."""

    def __init__(self, ends: BinaryIO) -> None:
        self._ends = ends
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(ends, selectors.EVENT_READ)
        self._heads: dict[socket.socket, bytes] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Answers until it is told to end."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ends:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._answer(key.fileobj)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ)
        self._heads[connection] = b""

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = connection.recv(_RECEIVE_BYTES)
            *whole, self._heads[connection] = (self._heads[connection] + data).split(END_OF_HEAD)
            if whole:
                connection.sendall(ANSWER * len(whole))
        if not data:
            self._selector.unregister(connection)
            del self._heads[connection]
            connection.close()


if __name__ == "__main__":
    server = NullServer(sys.stdin.buffer)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve()
