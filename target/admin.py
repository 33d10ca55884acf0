"""The admin port of a replica: its readiness, counters and metrics, on loopback, whatever the shared port is doing."""

import asyncio
import json
from collections.abc import Callable

from target.counters import Counters
from target.telemetry import Telemetry

Answer = tuple[int, str, bytes]


class Admin:
    """A server for `GET` on three paths, one request per connection; small enough to need no framework."""

    def __init__(self, counters: Counters, telemetry: Telemetry) -> None:
        self.ready = False
        self._server: asyncio.Server | None = None
        self._answers: dict[str, Callable[[], Answer]] = {
            "/ready": self._readiness,
            "/counters": lambda: (200, "application/json", json.dumps(counters.values()).encode()),
            "/metrics": lambda: (200, "text/plain; version=0.0.4", telemetry.text()),
        }

    async def start(self) -> str:
        """Listen on a free loopback port; returns the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    def _readiness(self) -> Answer:
        status = "ready" if self.ready else "starting"
        return (200 if self.ready else 503), "application/json", json.dumps({"status": status}).encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=5)
            _, path, *_ = head.decode("latin-1").split(" ")
            answer = self._answers.get(path, lambda: (404, "text/plain", b"there are /ready, /counters and /metrics\n"))
            status, kind, body = answer()
            writer.write(
                f"HTTP/1.1 {status} {'OK' if status == 200 else 'Problem'}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (TimeoutError, ValueError, OSError, EOFError, asyncio.LimitOverrunError):
            pass  # whoever asks so, or goes away, gets no answer
        finally:
            writer.close()
