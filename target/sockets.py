"""WebSockets: metrics for front ends, and messages from agent to agent across replicas."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from target.agent_messages import AgentMessages, channel_of
from target.agents import AgentId
from target.auth import Caller, admit
from target.metrics_feed import MetricsFeed
from target.outbox import Outbox, Priority
from target.services import Injected, Services
from target.store import STORE_UNAVAILABLE, to_json

router = APIRouter()
_PUSH_EVERY_S = 1.0


class Incoming(BaseModel):
    """Any message of a client."""

    type: Literal["ping", "message"]
    nonce: str | int | None = None
    to: AgentId | None = None
    content: Any = None  # whatever the agents agree on
    priority: Priority = "normal"


@router.websocket("/mas/api/v1/agents/ws/frontend/{client_id}")
async def front_end(websocket: WebSocket, services: Injected) -> None:
    """Push metrics each second, answer pings."""
    if await _caller(websocket, services) is None:
        return
    await websocket.accept()
    outbox = Outbox()
    feed: MetricsFeed = websocket.app.state.metrics_feed

    async def answer(message: Incoming) -> None:
        if message.type != "ping":
            outbox.put(_error(f"front ends can only send ping, not {message.type}"))

    await _talk(websocket, outbox, answer, _push_metrics(feed, outbox))


@router.websocket("/ws/{agent_id}")
async def agent(websocket: WebSocket, agent_id: str, services: Injected) -> None:
    """Carry messages between agents; only for the agent's owner."""
    caller = await _caller(websocket, services)
    if caller is None:
        return
    messages: AgentMessages = websocket.app.state.agent_messages
    outbox = Outbox()
    try:
        if await services.agents.owner(agent_id) != caller.subject:
            await _refuse(websocket, 403, f"agent {agent_id} is not registered by this user")
            return
        await messages.join(agent_id, outbox)
    except STORE_UNAVAILABLE:
        await _refuse(websocket, 503, "the store (Redis) is unreachable or too slow")
        return
    try:
        await websocket.accept()
        await _talk(websocket, outbox, lambda message: _forward(services, agent_id, message, outbox))
    finally:
        with contextlib.suppress(*STORE_UNAVAILABLE):
            await messages.leave(agent_id, outbox)


async def _caller(websocket: WebSocket, services: Services) -> Caller | None:
    """Who opens the socket; None when it was refused."""
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = websocket.query_params.get("token", "")
    try:
        return (await admit(token, services))[0]
    except HTTPException as error:
        await _refuse(websocket, 403 if error.status_code == 401 else error.status_code, str(error.detail))
    except STORE_UNAVAILABLE:
        await _refuse(websocket, 503, "the store (Redis) is unreachable or too slow")
    return None


async def _refuse(websocket: WebSocket, status: int, why: str) -> None:
    await websocket.send_denial_response(JSONResponse({"detail": why}, status))


async def _talk(
    websocket: WebSocket,
    outbox: Outbox,
    answer: Callable[[Incoming], Awaitable[None]],
    *background: Coroutine[None, None, None],
) -> None:
    """Read messages until the client leaves, while the outbox and `background` run beside."""
    running = [asyncio.create_task(job) for job in (outbox.send_all(websocket), *background)]
    try:
        while (received := await websocket.receive())["type"] == "websocket.receive":
            try:
                message = Incoming.model_validate_json(received.get("text") or received.get("bytes") or "")
            except ValidationError:
                outbox.put(_error("not understood: messages are JSON objects of type ping or message"))
                continue
            if message.type == "ping":
                outbox.put({"type": "pong", "priority": "high", "nonce": message.nonce, "sent_at_ns": time.time_ns()})
            else:
                await answer(message)
    finally:
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _push_metrics(feed: MetricsFeed, outbox: Outbox) -> None:
    for sequence in itertools.count():
        outbox.put(
            {
                "type": "metrics_update",
                "priority": "normal",
                "sequence": sequence,
                "sent_at_ns": time.time_ns(),
                "stale": feed.stale,
                "data": feed.latest,
            }
        )
        await asyncio.sleep(_PUSH_EVERY_S)


async def _forward(services: Services, sender: str, message: Incoming, outbox: Outbox) -> None:
    if message.to is None:
        outbox.put(_error("a message needs `to`"))
        return
    envelope = {
        "type": "message",
        "message_id": secrets.token_hex(8),
        "from": sender,
        "to": message.to,
        "content": message.content,
        "priority": message.priority,
        "sent_at_ns": time.time_ns(),
    }
    try:
        delivered = await services.store.command("PUBLISH", channel_of(message.to), to_json(envelope))
    except STORE_UNAVAILABLE:
        outbox.put(_error("not delivered: the store (Redis) is unreachable or too slow"))
        return
    ack = {"type": "ack", "priority": "high", "message_id": envelope["message_id"], "delivered": delivered}
    outbox.put(ack)


def _error(detail: str) -> dict[str, object]:
    return {"type": "error", "priority": "high", "detail": detail}
