"""Messages between agents whose sockets are on different replicas, carried by Valkey's publish and subscribe."""

import asyncio
import json
import logging

from target.outbox import Outbox
from target.store import STORE_UNAVAILABLE, Store

_log = logging.getLogger("target.agent_messages")
_RETRY_AFTER_S = 0.2


def channel_of(agent_id: str) -> str:
    """Where messages to this agent are published."""
    return f"aia:messages:{agent_id}"


class AgentMessages:
    """One subscription per replica, shared by its sockets; `run` must be running for messages to arrive."""

    def __init__(self, store: Store) -> None:
        self._subscription = store.client.pubsub()
        self._outboxes: dict[str, set[Outbox]] = {}

    async def open(self) -> None:
        """Subscribe to a channel that nobody uses, since a subscription cannot be read before it has one."""
        await self._subscription.subscribe("aia:nobody")

    async def join(self, agent_id: str, outbox: Outbox) -> None:
        """From now on messages to the agent go to `outbox`."""
        await self._subscription.subscribe(channel_of(agent_id))
        self._outboxes.setdefault(agent_id, set()).add(outbox)

    async def leave(self, agent_id: str, outbox: Outbox) -> None:
        """No more messages to `outbox`."""
        self._outboxes[agent_id].discard(outbox)
        if not self._outboxes[agent_id]:
            del self._outboxes[agent_id]
            await self._subscription.unsubscribe(channel_of(agent_id))

    async def run(self) -> None:
        """Hand out what arrives; after a failure of Valkey the client subscribes again to all channels."""
        while True:
            try:
                message = await self._subscription.get_message(ignore_subscribe_messages=True, timeout=1.0)
            except STORE_UNAVAILABLE as error:
                _log.warning("no agent messages: %s", error)
                await asyncio.sleep(_RETRY_AFTER_S)
                continue
            if message:
                envelope = json.loads(message["data"])
                for outbox in self._outboxes.get(envelope["to"], ()):
                    outbox.put(envelope)
