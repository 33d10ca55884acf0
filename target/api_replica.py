"""An API replica process: one of several that share a port.

Usage, by the supervisor only: python -m target.api_replica NAME
"""

import logging
import os
import socket
import sys

import uvicorn

from target import ports
from target.admin import Admin
from target.app import application
from target.child import report_ready
from target.counters import Counters
from target.settings import from_environment
from target.telemetry import Telemetry

_KEEP_ALIVE_S = (
    75  # longer than any client's think time, so that the client closes first and no request meets a closed door
)
_STOP_LIMIT_S = 2
_LARGEST_MESSAGE = 64 * 1024


class Replica(uvicorn.Server):
    """A server that has an admin port first, listens on the shared port last, and then says that it is ready."""

    def __init__(self, config: uvicorn.Config, admin: Admin) -> None:
        super().__init__(config)
        self._admin = admin

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start up; the kernel sends connections only once this is complete, since only then the socket listens."""
        admin_url = await self._admin.start()
        await super().startup(sockets)
        self._admin.ready = True
        report_ready(admin_url=admin_url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way."""
        self._admin.ready = False
        await super().shutdown(sockets)
        self._admin.close()


def main(name: str) -> None:
    """Serve until SIGTERM."""
    settings, secrets = from_environment()
    telemetry = Telemetry()
    with (
        Counters(settings.counters_file(name)) as counters,
        ports.bound_socket(settings.host, settings.port) as shared,
    ):
        app = application(settings, secrets, name=name, pid=os.getpid(), counters=counters, telemetry=telemetry)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_STOP_LIMIT_S,
            ws_max_size=_LARGEST_MESSAGE,
            ws_per_message_deflate=False,
        )
        Replica(config, Admin(counters, telemetry)).run(sockets=[shared])


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    main(sys.argv[1])
