"""The admin port of a replica: its readiness, counters and metrics, on loopback, whatever the shared port is doing."""

import json
from collections.abc import Callable

from target.counters import Counters
from target.lifecycle import Lifecycle
from target.small_server import Answer, SmallServer
from target.telemetry import Telemetry

_NOT_FOUND = Answer(404, "text/plain", b"there are /ready, /counters and /metrics\n")


class Admin:
    """A server for `GET` on three paths."""

    def __init__(self, counters: Counters, telemetry: Telemetry, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._server = SmallServer(self._answer)
        self._answers: dict[str, Callable[[], Answer]] = {
            "/ready": self._readiness,
            "/counters": lambda: Answer(200, "application/json", json.dumps(counters.values()).encode()),
            "/metrics": lambda: Answer(200, "text/plain; version=0.0.4", telemetry.text()),
        }

    async def start(self) -> str:
        """Listen on a free loopback port; returns the URL."""
        return f"http://127.0.0.1:{await self._server.start()}"

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _answer(self, path: str) -> Answer:
        return self._answers.get(path, lambda: _NOT_FOUND)()

    def _readiness(self) -> Answer:
        phase = self._lifecycle.phase
        return Answer(200 if phase == "ready" else 503, "application/json", json.dumps({"status": phase}).encode())
