"""A Model Context Protocol server of somebody else's making: python peer.py sdk|fastmcp [json] [sessionless]

Prints its port as soon as it listens, and ends with its standard input.
"""

import asyncio
import logging
import os
import socket
import sys
import threading
from typing import Annotated, Any

import uvicorn
from pydantic import Field

logging.disable(logging.CRITICAL)  # the calls that are to fail would fill pages
MAKER, OPTIONS = sys.argv[1], set(sys.argv[2:])
if MAKER == "sdk":
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server: Any = MCPServer("peer", log_level="ERROR")
else:
    os.environ["FASTMCP_LOG_ENABLED"] = "false"  # it takes a log of its own to the terminal
    from fastmcp import Context, FastMCP
    from fastmcp.exceptions import ToolError

    server = FastMCP("peer")


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
def broken(why: str) -> str:
    raise ToolError(why)


@server.tool()
def routed(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], dry: bool = False) -> str:
    return f"{region} {dry}"


@server.tool()
async def slow(ctx: Context, steps: int) -> int:
    for step in range(steps):
        await ctx.report_progress(step + 1, steps)
        await asyncio.sleep(0)
    return steps


@server.resource("peer://about")
def about() -> str:
    return "a peer"


@server.resource("peer://things/{number}")
def thing(number: str) -> str:
    return f"thing {number}"


def application() -> Any:
    how = {"json_response": "json" in OPTIONS, "stateless_http": "sessionless" in OPTIONS}
    if MAKER == "sdk":
        return server.streamable_http_app(**how)
    return server.http_app(path="/mcp", **how)


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


with socket.create_server(("127.0.0.1", 0)) as listener:
    threading.Thread(target=end_with_input, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(application(), log_level="error")).run(sockets=[listener])
