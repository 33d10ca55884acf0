"""The two generations of the protocol: what each adds to a request, in its headers and in its parameters."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

from load.model_context.header_values import NAMED_BY, argument_headers, header_value, mirrored

HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
STATELESS_VERSION = "2026-07-28"
CLIENT = {"name": "aia-gameday", "version": version("aia-gameday")}
_META = "io.modelcontextprotocol/"


class Generation(Protocol):
    """How requests of one generation are dressed."""

    @property
    def version(self) -> str:
        """The version of the protocol that is spoken."""

    def headers(self, method: str, params: dict[str, Any]) -> dict[str, str]:
        """The headers of a request, beside those that every request has."""

    def meta(self) -> dict[str, Any]:
        """What the parameters of every request carry as `_meta`."""

    def learn(self, tools: list[dict[str, Any]]) -> dict[str, str]:
        """Takes note of the tools that there are; returns those that must not be called, with the reason."""


@dataclass(slots=True)
class Handshake:
    """A version of 2025, agreed on by `initialize`; `session_id` is what the server gave along, "" when nothing."""

    version: str = HANDSHAKE_VERSIONS[0]
    session_id: str = ""

    def headers(self, method: str, _params: dict[str, Any]) -> dict[str, str]:
        """The agreed version and the session, once there are any."""
        if method == "initialize":
            return {}
        session = {"Mcp-Session-Id": self.session_id} if self.session_id else {}
        return {"MCP-Protocol-Version": self.version, **session}

    def meta(self) -> dict[str, Any]:
        """Nothing: the server knows it from the handshake."""
        return {}

    def learn(self, _tools: list[dict[str, Any]]) -> dict[str, str]:
        """Nothing: a call repeats nothing in its headers."""
        return {}


@dataclass(slots=True)
class Stateless:
    """Version 2026-07-28: every request says everything itself."""

    version: str = STATELESS_VERSION
    _mirrored: dict[str, dict[tuple[str, ...], str]] = field(default_factory=dict)

    def headers(self, method: str, params: dict[str, Any]) -> dict[str, str]:
        """Version, method and name as in the body, and the arguments that the tool wants to see there."""
        headers = {"MCP-Protocol-Version": self.version, "Mcp-Method": method}
        if method in NAMED_BY:
            headers["Mcp-Name"] = header_value(str(params[NAMED_BY[method]]))
        if method == "tools/call" and (places := self._mirrored.get(params["name"])):
            headers |= argument_headers(places, params["arguments"])
        return headers

    def meta(self) -> dict[str, Any]:
        """Who asks, in which version, and what may be asked back, which is nothing."""
        return {
            f"{_META}protocolVersion": self.version,
            f"{_META}clientInfo": CLIENT,
            f"{_META}clientCapabilities": {},
        }

    def learn(self, tools: list[dict[str, Any]]) -> dict[str, str]:
        """Remembers which arguments of each tool must be repeated in headers."""
        refused = {}
        for tool in tools:
            try:
                self._mirrored[tool["name"]] = mirrored(tool["inputSchema"])
            except (ValueError, RecursionError) as error:
                refused[tool["name"]] = str(error)
        return refused
