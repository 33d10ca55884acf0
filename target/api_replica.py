"""An API replica process: one of several that share a port, or the only one in its pod.

Usage, by the supervisor only: python -m target.api_replica NAME
"""

import asyncio
import logging
import os
import socket
import sys
from contextlib import nullcontext

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from target import counters, ports
from target.admin import Admin
from target.app import application
from target.child import report_ready
from target.lifecycle import Lifecycle
from target.settings import Secrets, Settings, from_environment
from target.store import Store
from target.telemetry import Telemetry
from target.waiting_room import waiting_room

_KEEP_ALIVE_S = (
    75  # longer than any client's think time, so that the client closes first and no request meets a closed door
)
_LARGEST_MESSAGE = 64 * 1024


class Replica(uvicorn.Server):
    """A server that has an admin port first, listens on the shared port last, and then says that it is ready."""

    def __init__(
        self, config: uvicorn.Config, admin: Admin, lifecycle: Lifecycle, settings: Settings, secrets: Secrets
    ) -> None:
        super().__init__(config)
        self._admin = admin
        self._lifecycle = lifecycle
        self._settings = settings
        self._redis_password = secrets.redis_password

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start up; the kernel sends connections only once this is complete, since only then the socket listens."""
        admin_url = await self._admin.start()
        early = waiting_room(self._settings.host, self._settings.port) if self._settings.listens_early else None
        async with early or nullcontext():
            if not await self._store_answers():
                return  # it was told to end meanwhile
            await super().startup(sockets)
        self._lifecycle.phase = "ready"
        report_ready(admin_url=admin_url)

    async def _store_answers(self) -> bool:
        settings = self._settings
        store = Store(host=settings.redis_host, port=settings.redis_port, password=self._redis_password)
        try:
            return await store.answers_before(lambda: self.should_exit)
        finally:
            await store.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on while clients are still sent here, then finish what is under way."""
        self._lifecycle.phase = "leaving"
        await asyncio.sleep(self._settings.drain_s)
        await super().shutdown(sockets)
        self._admin.close()


def serve(name: str, settings: Settings, secrets: Secrets) -> None:
    """Be replica `name` until SIGTERM; its file of counters must exist."""
    telemetry, lifecycle = Telemetry(), Lifecycle()
    with (
        counters.Counters(settings.counters_file(name)) as counted,
        ports.bound_socket(settings.host, settings.port) as shared,
    ):
        app = application(
            settings,
            secrets,
            name=name,
            pid=os.getpid(),
            counters=counted,
            telemetry=telemetry,
            lifecycle=lifecycle,
        )
        admin = Admin(counted, telemetry, lifecycle)
        Replica(_configuration(app, settings, counted), admin, lifecycle, settings, secrets).run(sockets=[shared])


def _configuration(app: ASGIApp, settings: Settings, counted: counters.Counters) -> uvicorn.Config:
    class CountedConnection(HttpToolsProtocol):
        """HTTP as uvicorn speaks it, on connections that are counted."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            counted.increment("connections_opened")
            super().connection_made(transport)

    return uvicorn.Config(
        app,
        loop="uvloop",
        http=CountedConnection,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.finish_s,
        ws_max_size=_LARGEST_MESSAGE,
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    serve(sys.argv[1], *from_environment())
