"""A TCP relay that can be cut and mended, for tests of what a lost connection does."""

import selectors
import socket
import threading
from types import TracebackType


class Relay:
    """Listens on loopback and passes bytes on to `port`; while it is cut, it refuses and has closed everything."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._whole, self._ended = True, False
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self) -> None:
        """Closes every connection, and each that is tried from now on."""
        with self._lock:
            self._whole = False
            for side in list(self._peers):
                self._drop(side)

    def mend(self) -> None:
        """Takes connections again."""
        self._whole = True

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._accept() if key.fileobj is self._listener else self._pass_on(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        if not self._whole:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._to), 2)
        except OSError:
            near.close()
            return
        self._peers[near], self._peers[far] = far, near
        for side in (near, far):
            self._selector.register(side, selectors.EVENT_READ)

    def _pass_on(self, side: object) -> None:
        if not isinstance(side, socket.socket) or side not in self._peers:
            return
        try:
            data = side.recv(65536)
            if data:
                self._peers[side].sendall(data)
                return
        except OSError:
            pass  # a side that is gone takes the other one along
        self._drop(side)

    def _drop(self, side: socket.socket) -> None:
        other = self._peers.pop(side, None)
        if other is not None:
            self._peers.pop(other, None)
            for each in (side, other):
                self._selector.unregister(each)
                each.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join(10)
        self.cut()
        self._listener.close()
        self._selector.close()
