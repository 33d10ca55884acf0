"""An HTTP server for a few short answers, one request per connection; small enough to need no framework."""

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    """A status, a content type, a body."""

    status: int
    kind: str
    body: bytes


class SmallServer:
    """Answers each request by what `answer` says to its path."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket | None = None) -> int:
        """Listen on a socket that is bound already, else on a free loopback port; returns the port."""
        if bound is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        else:
            self._server = await asyncio.start_server(self._serve, sock=bound)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=5)
            _, path, *_ = head.decode("latin-1").split(" ")
            answer = self._answer(path)
            writer.write(_head(answer) + answer.body)
            await writer.drain()
        except (TimeoutError, ValueError, OSError, EOFError, asyncio.LimitOverrunError):
            pass  # whoever asks so, or goes away, gets no answer
        finally:
            writer.close()


def _head(answer: Answer) -> bytes:
    reason = "OK" if answer.status == 200 else "Problem"
    lines = (
        f"HTTP/1.1 {answer.status} {reason}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
