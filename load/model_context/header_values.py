"""Parts of a request that version 2026-07-28 repeats in HTTP headers, and how they are written there."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
ANNOTATION = "x-mcp-header"
_PLAIN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_SENTINEL = re.compile(r"=\?base64\?.*\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PRIMITIVES = {"string", "integer", "boolean"}
_DATA = {"default", "examples", "const", "enum"}  # what stands there is no schema
_NAMES = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}  # of arguments, not of words

Path = tuple[str, ...]


def header_value(text: str) -> str:
    """A text as the value of a header: itself where it is plain ASCII, else as Base64 between markers."""
    if _PLAIN.fullmatch(text) and not _SENTINEL.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def mirrored(schema: Any) -> dict[Path, str]:
    """The arguments of a tool that must be repeated as headers: their places, and the last parts of the headers' names.

    Raises:
        ValueError: the schema of the tool breaks a rule of the protocol, so that the tool must not be used.
    """
    found = dict(_reachable(schema, ()))
    names = [name for name, _ in found.values()]
    if len(list(_annotations(schema))) != len(found):
        raise ValueError(f"{ANNOTATION} where no argument can be reached by names alone")
    if any(not isinstance(name, str) or not _TOKEN.fullmatch(name) for name in names):
        raise ValueError(f"{ANNOTATION} is not the name of a header")
    if len({name.lower() for name in names}) != len(names):
        raise ValueError(f"{ANNOTATION} is the same for two arguments")
    if any(kind not in _PRIMITIVES for _, kind in found.values()):
        raise ValueError(f"{ANNOTATION} for an argument that is no text, integer or boolean")
    return {place: name for place, (name, _) in found.items()}


def _reachable(schema: Any, place: Path) -> Iterator[tuple[Path, tuple[Any, Any]]]:
    """The annotated arguments that a chain of `properties` leads to, with the annotation and the type of each."""
    if not isinstance(schema, dict):
        return
    if ANNOTATION in schema and place:
        kind = schema.get("type")
        yield place, (schema[ANNOTATION], kind if isinstance(kind, str) else None)
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        yield from _reachable(inner, (*place, name))


def _annotations(schema: Any, *, names: bool = False) -> Iterator[Any]:
    """Every annotation in a schema; `names` says that the keys here are names of arguments, not words of a schema."""
    if isinstance(schema, list):
        for inner in schema:
            yield from _annotations(inner)
    if not isinstance(schema, dict):
        return
    if ANNOTATION in schema and not names:
        yield schema[ANNOTATION]
    for key, inner in schema.items():
        if names or key not in _DATA:
            yield from _annotations(inner, names=not names and key in _NAMES)


def argument_headers(places: Mapping[Path, str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that repeat arguments of a call; one that is missing, null or of another kind has none."""
    headers = {}
    for place, name in places.items():
        value: Any = arguments
        for step in place:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str | int | float):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            headers[f"Mcp-Param-{name}"] = header_value(text)
    return headers
