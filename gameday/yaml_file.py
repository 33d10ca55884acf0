"""Reads a YAML file that a person wrote: safely, with the line of every value, and all problems at once."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from journal.errors import BadInput, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
Record = TypeVar("Record")
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """What a file says, and on which line it says it."""

    path: str
    data: Any
    lines: dict[Place, int] = field(repr=False)

    def where(self, place: Place) -> str:
        """file:line: dotted.place, with the line of the nearest thing that is there."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.path}:{self.lines.get(known, 1)}: {dotted(place)}".rstrip(": ")


def dotted(place: Place) -> str:
    """("load", "stages", 0) as load.stages[0]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def place_of(text: str) -> Place:
    """The place that `dotted` makes this text of."""
    return tuple(int(number) if number else key for number, key in re.findall(r"\[(\d+)\]|([^.\[\]]+)", text))


def read_document(path: Path, error: type[BadInput]) -> Document:
    """The document in the file at `path`; problems are raised as `error`."""
    text = _text(path, error)
    try:
        _refuse_hostile(path, text, error)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise error([Problem(str(path), "the file is empty", "see `gameday init` for an example")])
        lines: dict[Place, int] = {}
        problems = list(_walk(node, (), lines, str(path)))
        if problems:
            raise error(problems)
        return Document(str(path), yaml.safe_load(text), lines)
    except yaml.YAMLError as broken:
        raise error([_syntax_problem(path, broken)]) from broken
    except ValueError as broken:  # a scalar such as 2024-13-45 that YAML takes for a date
        raise error([Problem(str(path), f"holds a value that cannot be read: {broken}")]) from broken


def _text(path: Path, error: type[BadInput]) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise error([Problem(str(path), "is larger than 1 MiB, which no plan or profile is")])
        return raw.decode()
    except OSError as broken:
        raise error([Problem(str(path), f"cannot be read: {broken.strerror}")]) from broken
    except UnicodeDecodeError:
        raise error([Problem(str(path), "is not a text file", "a plan or profile is YAML in UTF-8")]) from None


def _refuse_hostile(path: Path, text: str, error: type[BadInput]) -> None:
    """Aliases can stand for more than fits into memory, and deep nesting for more than the stack holds."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise error([Problem(str(path), "is nested too deeply to be a plan or profile")])
        if isinstance(event, yaml.AliasEvent):
            where = f"{path}:{event.start_mark.line + 1}" if event.start_mark else str(path)
            remedy = "aliases are not read here; repeat the value"
            raise error([Problem(where, f"uses the alias *{event.anchor}", remedy)])


def _syntax_problem(path: Path, broken: yaml.YAMLError) -> Problem:
    if isinstance(broken, yaml.MarkedYAMLError) and broken.problem_mark is not None:
        return Problem(f"{path}:{broken.problem_mark.line + 1}", f"is not YAML: {broken.problem}")
    return Problem(str(path), f"is not YAML: {broken}")


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], path: str) -> Iterator[Problem]:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*place, index), lines, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            if inner in lines:
                yield Problem(f"{path}:{key.start_mark.line + 1}: {dotted(inner)}", "is given twice", "keep one")
            yield from _walk(value, inner, lines, path)
            lines[inner] = key.start_mark.line + 1


def validate(cls: type[Record], document: Document, error: type[BadInput]) -> Record:
    """The document as a record of `cls`; everything that does not fit is raised as one `error`."""
    try:
        return TypeAdapter(cls).validate_json(json.dumps(document.data, default=str), strict=True)
    except ValidationError as invalid:
        raise error(_problems(cls, document, invalid)) from None


def _problems(cls: type, document: Document, invalid: ValidationError) -> Iterator[Problem]:
    found = [(tuple(item["loc"]), item) for item in invalid.errors(include_url=False)]
    for place, item in found:
        follows_from_another = item["type"] == "too_short" and any(
            other[: len(place)] == place and len(other) > len(place) for other, _ in found
        )
        if not follows_from_another:
            what, remedy = _explain(cls, place, item["type"], item["msg"], item["input"])
            yield Problem(document.where(place), what, remedy)


def _explain(cls: type, place: Place, kind: str, message: str, value: Any) -> tuple[str, str]:
    if kind == "unexpected_keyword_argument":
        allowed = _keys_at(cls, place[:-1])
        close = get_close_matches(str(place[-1]), allowed, 1)
        return "is not a known key", f"did you mean {close[0]}?" if close else f"known are: {', '.join(allowed)}"
    if kind in {"missing", "missing_argument"}:
        return "is missing", ""
    if kind == "too_short" and not value:
        return "is empty", "give at least one item"
    if kind == "tuple_type":
        return f"should be a list, not {value!r:.40}", "write [a, b] or one item a line"
    if kind == "dataclass_type":
        return f"should be a mapping, not {value!r:.40}", ""
    return f"{message[:1].lower()}{message[1:]}, found {value!r:.60}", ""


def _keys_at(cls: type, place: Place) -> list[str]:
    """The keys that a mapping at this place may have, by walking the JSON schema."""
    schema = TypeAdapter(cls).json_schema()
    node = schema
    for part in place:
        node = _resolve(schema, node)
        inner = node.get("items", {}) if isinstance(part, int) else _value_of(node, part)
        node = inner or node
    return sorted(_resolve(schema, node).get("properties", {}))


def _value_of(node: dict[str, Any], key: str) -> dict[str, Any]:
    """What the schema says of the value of a key; in a mapping with free keys it says the same of all."""
    free = node.get("additionalProperties")
    found: dict[str, Any] = node.get("properties", {}).get(key) or (free if isinstance(free, dict) else {})
    return found


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref") or next((one["$ref"] for one in node.get("anyOf", []) if "$ref" in one), None)
    return schema["$defs"][reference.rpartition("/")[2]] if reference else node
