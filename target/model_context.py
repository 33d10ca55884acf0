"""The public Model Context Protocol: tools and resources of AIA, served by the official SDK at one path.

The SDK answers both generations there, the versions of 2025 with their handshake and 2026-07-28 without one. Neither
gets a session: it would live in the memory of one replica, and clients, that of the SDK first of all, spread their
requests over several connections, and so over the replicas.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import HTTPException
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from pydantic import Field
from sse_starlette.sse import AppStatus
from starlette.requests import Request

from target import health, task_answers
from target.agents import AgentList
from target.auth import Caller
from target.model_control import Output, Prompt
from target.services import Services
from target.store import STORE_UNAVAILABLE
from target.task_answers import Accepted, TaskProgress

# SIGTERM would cut every event stream, also those that begin while the replica still serves on; as for all other
# answers, the replica itself decides how long they may take
AppStatus.enable_automatic_graceful_drain = False

_WAITS_S = 8.0
_LOOKS_EVERY_S = 0.02

Session = Context[Any, Any]
Text = Annotated[str, Field(max_length=10_000)]
PromptText = Annotated[str, Field(min_length=1, max_length=10_000)]
Outputs = Annotated[list[Output], Field(min_length=1, max_length=3)]


def model_context_server() -> MCPServer[Any]:
    """The server of one replica, with its tools and resources."""
    server: MCPServer[Any] = MCPServer(
        "aia",
        title="AIA",
        version=health.VERSION,
        instructions="Turns prompts into reports, slides and dashboards.",
        log_level="WARNING",
    )
    for tool in (echo, list_agents, submit_prompt, task_status, process_prompt):
        server.add_tool(tool)
    server.resource("aia://about", mime_type="application/json")(about)
    server.resource("aia://agents/{agent_id}", mime_type="application/json")(agent)
    server.resource("aia://tasks/{task_id}", mime_type="application/json")(task)
    return server


# Tools


def echo(text: Text) -> str:
    """Gives back the text that it was given."""
    return text


async def list_agents(ctx: Session, limit: Annotated[int, Field(ge=1, le=1000)] = 100) -> AgentList:
    """The agents that registered first, and how many there are in all."""
    with _told(ToolError):
        listed, total = await _services(ctx).agents.listing(limit)
    return AgentList(agents=listed, total=total)


async def submit_prompt(ctx: Session, prompt: PromptText, output_formats: Outputs | None = None) -> Accepted:
    """Accepts a prompt, which is worked on; ask for its status."""
    return Accepted(task_id=await _submitted(ctx, prompt, output_formats))


async def task_status(ctx: Session, task_id: str) -> TaskProgress:
    """How far a prompt of the caller is."""
    with _told(ToolError):
        return await _task(ctx, task_id)


async def process_prompt(ctx: Session, prompt: PromptText, output_formats: Outputs | None = None) -> TaskProgress:
    """Works on a prompt, tells its progress, and gives back the results."""
    task_id = await _submitted(ctx, prompt, output_formats)
    await ctx.report_progress(1, 2, f"{task_id} is accepted")
    gives_up_s = time.monotonic() + _WAITS_S
    while time.monotonic() < gives_up_s:
        with _told(ToolError):
            found = await _task(ctx, task_id)
        if found.status == "completed":
            await ctx.report_progress(2, 2, f"{task_id} is completed")
            return found
        await asyncio.sleep(_LOOKS_EVERY_S)
    raise ToolError(f"{task_id} is not completed after {_WAITS_S:g} s; ask for its status")


# Resources


def about() -> str:
    """What this server is."""
    return json.dumps({"name": "AIA", "version": health.VERSION})


async def agent(ctx: Session, agent_id: str) -> str:
    """One agent."""
    with _told(ResourceError):
        found = await _services(ctx).agents.get(agent_id)
    if found is None:
        raise ResourceNotFoundError(f"there is no agent {agent_id}")
    return json.dumps(found)


async def task(ctx: Session, task_id: str) -> str:
    """A prompt of the caller, and its results."""
    with _told(ResourceNotFoundError):
        return (await _task(ctx, task_id)).model_dump_json()


# What they have in common


async def _submitted(ctx: Session, prompt: str, output_formats: list[Output] | None) -> str:
    given = Prompt(prompt=prompt) if output_formats is None else Prompt(prompt=prompt, output_formats=output_formats)
    with _told(ToolError):
        task_id, _ = await task_answers.submit(_services(ctx), _caller(ctx), "mcp", given)
    return task_id


async def _task(ctx: Session, task_id: str) -> TaskProgress:
    found = await task_answers.readable(_services(ctx), _caller(ctx), task_id, "mcp")
    return task_answers.progress(found)


@contextmanager
def _told(error: type[ToolError | ResourceError]) -> Iterator[None]:
    """Answers what went wrong in words, as the protocol wants it, instead of by an HTTP status."""
    try:
        yield
    except HTTPException as refusal:
        raise error(str(refusal.detail)) from refusal
    except STORE_UNAVAILABLE as failure:
        raise error("the store (Redis) is unreachable or too slow; try again") from failure


def _request(ctx: Session) -> Request:
    request = ctx.request_context.request
    assert isinstance(request, Request), "it is served over HTTP alone"
    return request


def _services(ctx: Session) -> Services:
    services: Services = _request(ctx).app.state.services
    return services


def _caller(ctx: Session) -> Caller:
    caller: Caller = _request(ctx).state.caller
    return caller
