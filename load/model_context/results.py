"""What the result of each method has to hold, and what a tool's result says."""

import json
from collections.abc import Callable, Iterable
from typing import Any

_NAMED: dict[str, dict[str, type]] = {
    "initialize": {"protocolVersion": str, "capabilities": dict, "serverInfo": dict},
    "server/discover": {"supportedVersions": list, "capabilities": dict},
    "tools/list": {"tools": list},
    "tools/call": {"content": list},
    "resources/list": {"resources": list},
    "resources/templates/list": {"resourceTemplates": list},
    "resources/read": {"contents": list},
}
_ITEMS: dict[str, dict[str, type]] = {
    "tools": {"name": str, "inputSchema": dict},
    "content": {"type": str},
    "resources": {"name": str, "uri": str},
    "resourceTemplates": {"name": str, "uriTemplate": str},
    "contents": {"uri": str},
}


def complaint(method: str, result: dict[str, Any]) -> str:
    """What the result of a method lacks, or has wrong; empty when nothing is."""
    kind = result.get("resultType", "complete")  # versions before 2026-07-28 say nothing, which means the same
    if kind != "complete":
        return f"the result is of the type {kind!r:.40}, for which nothing was offered"
    wanted = _NAMED.get(method, {})
    checks: Iterable[Callable[[], str]] = (
        lambda: _missing(result, wanted, "the result"),
        lambda: next(filter(None, (_items(name, result[name]) for name in wanted if name in _ITEMS)), ""),
        lambda: _particular(method, result),
    )
    return next(filter(None, (check() for check in checks)), "")


def _missing(value: Any, wanted: dict[str, type], what: str) -> str:
    if not isinstance(value, dict):
        return f"{what} is no object"
    for name, kind in wanted.items():
        if not isinstance(value.get(name), kind):
            return f"{what} has no {name}, or it is no {kind.__name__}"
    return ""


def _items(name: str, items: list[Any]) -> str:
    return next(filter(None, (_missing(item, _ITEMS[name], f"one of {name}") for item in items)), "")


def _particular(method: str, result: dict[str, Any]) -> str:
    if method == "tools/call" and not isinstance(result.get("isError", False), bool):
        return "isError is no boolean"
    if method.endswith("/list") and not isinstance(result.get("nextCursor", ""), str):
        return "nextCursor is no text"
    if method == "resources/read":
        without = [
            item["uri"] for item in result["contents"] if not isinstance(item.get("text", item.get("blob")), str)
        ]
        return f"{without[0]:.60} has neither text nor blob" if without else ""
    return ""


def tool_error(result: dict[str, Any]) -> str:
    """What a tool said went wrong; empty when it did its work."""
    return f"tool error: {_text(result)[:80]}" if result.get("isError") else ""


def structured(result: dict[str, Any]) -> dict[str, Any]:
    """What a tool gave back: its structured content, else the JSON object of its text, else {"result": text}."""
    if isinstance(result.get("structuredContent"), dict):
        return dict(result["structuredContent"])
    text = _text(result)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"result": text}


def _text(result: dict[str, Any]) -> str:
    return "".join(str(item.get("text", "")) for item in result["content"] if item["type"] == "text")
