"""Messages waiting to be sent on one WebSocket: the most urgent leave first."""

import asyncio
import itertools
import json
from typing import Literal, get_args

from starlette.websockets import WebSocket, WebSocketDisconnect

Priority = Literal["low", "normal", "high", "critical"]

_RANKS = {priority: -rank for rank, priority in enumerate(get_args(Priority))}
_MOST_WAITING = 200


class Outbox:
    """At most 200 messages wait; a client that reads too slowly loses the newest."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue(_MOST_WAITING)
        self._order = itertools.count()

    def put(self, message: dict[str, object]) -> None:
        """Queue a message by its `priority`; those of the same priority keep their order."""
        if not self._queue.full():
            rank = _RANKS[str(message["priority"])]
            self._queue.put_nowait((rank, next(self._order), json.dumps(message, separators=(",", ":"))))

    async def send_all(self, websocket: WebSocket) -> None:
        """Send for as long as the client listens."""
        try:
            while True:
                *_, text = await self._queue.get()
                await websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            return  # RuntimeError: what Starlette raises when the socket was closed meanwhile
