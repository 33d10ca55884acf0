"""The way to Valkey: connections with honest time-outs, Lua scripts, and the names of all keys.

Whatever must hold even when a process is killed half-way (money, task states) is one Lua script, which Valkey runs
entirely or not at all.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import valkey.asyncio as valkey
from pydantic import TypeAdapter
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as StoreConnectionError
from valkey.exceptions import NoScriptError
from valkey.exceptions import TimeoutError as StoreTimeoutError

_log = logging.getLogger("target.store")

STORE_UNAVAILABLE = (StoreConnectionError, StoreTimeoutError)
"""What the store raises when Valkey is unreachable or too slow."""

TASK_STREAM = "aia:tasks"
TASK_GROUP = "workers"
LEDGER = "aia:ledger"
WORKERS = "aia:workers"

_CONNECT_LIMIT_S = 1.0
_ANSWER_LIMIT_S = 5.0
_POOL_WAIT_S = 5
_ASK_AGAIN_S = 0.5
_MOST_CONNECTIONS = 100

_Document = TypeVar("_Document")


_adapters: dict[type, TypeAdapter[Any]] = {}  # kept, since one costs milliseconds to make


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


class Script:
    """A Lua script that Valkey knows by its hash after the first use."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Store:
    """One process's connections to Valkey; nothing is ever sent twice behind the caller's back."""

    def __init__(self, *, host: str, port: int, password: str) -> None:
        pool = valkey.BlockingConnectionPool(
            host=host,
            port=port,
            password=password,
            decode_responses=True,
            socket_connect_timeout=_CONNECT_LIMIT_S,
            socket_timeout=_ANSWER_LIMIT_S,
            max_connections=_MOST_CONNECTIONS,
            timeout=_POOL_WAIT_S,
            retry=Retry(NoBackoff(), 0),
            lib_name=None,  # saves two round trips per connection
            lib_version=None,
        )
        self.client = valkey.Valkey.from_pool(pool)

    async def answers_before(self, given_up: Callable[[], bool]) -> bool:
        """Whether Valkey answers, at last, before the caller has given up; both are asked twice a second."""
        said = ""
        while not given_up():
            try:
                await self.command("PING")
            except STORE_UNAVAILABLE as error:
                if str(error) != said:
                    _log.warning("waiting for the store: %s", error)
                said = str(error)
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                return True
        return False

    async def integer(self, script: Script, *arguments: str | int) -> int:
        """Run a script that answers with a number."""
        return int(await self._run(script, arguments))

    async def document(self, script: Script, kind: type[_Document], *arguments: str | int) -> _Document:
        """Run a script that answers with JSON, checked to be a `kind`."""
        found: _Document = _adapter(kind).validate_json(await self._run(script, arguments))
        return found

    async def command(self, *parts: str | int) -> Any:  # what Valkey answers depends on the command
        """Send one command as it is."""
        return await self.client.execute_command(*parts)  # type: ignore[no-untyped-call]

    async def hash(self, key: str) -> dict[str, str]:
        """All fields of a hash; empty when there is none."""
        fields: dict[str, str] = await self.command("HGETALL", key)
        return fields

    async def _run(self, script: Script, arguments: tuple[str | int, ...]) -> str:
        try:
            reply: str = await self.command("EVALSHA", script.sha1, 0, *arguments)
        except NoScriptError:
            reply = await self.command("EVAL", script.text, 0, *arguments)
        return reply

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose(close_connection_pool=True)


def to_json(value: object) -> str:
    """Compact JSON for script arguments and stored fields."""
    return json.dumps(value, separators=(",", ":"))
