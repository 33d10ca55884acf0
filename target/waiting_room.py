"""What a pod answers before its replica listens, so that whoever asks learns that it is there and not ready."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from target import ports
from target.small_server import Answer, SmallServer

_BODY = json.dumps({"status": "starting", "detail": "start-up is not complete"}).encode()
_STARTING = Answer(503, "application/json", _BODY)


@asynccontextmanager
async def waiting_room(host: str, port: int) -> AsyncIterator[None]:
    """For as long as this is open, every request to the port gets 503.

    It has a socket of its own beside the replica's, so that the kernel may give it a last request while the replica
    begins to listen: good enough where nobody is sent here before the replica is ready, as to a pod.
    """
    server = SmallServer(lambda _path: _STARTING)
    await server.start(ports.bound_socket(host, port))
    try:
        yield
    finally:
        server.close()
