"""Values that fit an OpenAPI schema, from its examples where it has some; references may form circles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 6
_MOST_REFERENCES = 50
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "somebody@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "http://example.com/",
    "ipv4": "192.0.2.1",
}


@dataclass(frozen=True)
class Document:
    """An OpenAPI document, whose references lead to other places of it."""

    data: Mapping[str, Any]

    def resolved(self, value: Any) -> Any:
        """What a reference leads to; None when it leads nowhere, out of the document, or in a circle."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
                return value
            value = self._at(value["$ref"])
        return None

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return None
        found: Any = self.data
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def sample(document: Document, described: Mapping[str, Any]) -> Any:
    """A value for a parameter or a body: its own example, else one of its schema."""
    if "example" in described:
        return escaped(described["example"])
    examples = described.get("examples")
    if isinstance(examples, Mapping):
        for found in examples.values():
            one = document.resolved(found)
            if isinstance(one, Mapping) and "value" in one:
                return escaped(one["value"])
    return escaped(sample_of(document, described.get("schema")))


def sample_of(document: Document, schema: Any, depth: int = 0) -> Any:
    """A value that fits the schema, as far as it is described plainly; None below some depth, where circles end."""
    schema = document.resolved(schema)
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    for key in ("example", "default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("oneOf", "anyOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return sample_of(document, schema[key][0], depth + 1)
    if isinstance(schema.get("allOf"), list):
        parts = [sample_of(document, part, depth + 1) for part in schema["allOf"][:20]]
        merged = {key: value for part in parts if isinstance(part, dict) for key, value in part.items()}
        plain: Any = next((part for part in parts if part is not None), None)
        return merged or plain
    return _by_type(document, schema, depth)


def _by_type(document: Document, schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        return _object(document, schema, depth)
    if kind == "array":
        item = sample_of(document, schema.get("items"), depth + 1)
        return [] if item is None else [item]
    if kind in {"integer", "number"}:
        return _number(schema)
    if kind == "boolean":
        return True
    return _string(schema) if kind == "string" or kind is None else None


def _object(document: Document, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Its required properties, since whatever else it may have it may also lack."""
    properties = schema.get("properties")
    wanted = schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(wanted, list):
        return {}
    return {str(key): sample_of(document, properties.get(key), depth + 1) for key in wanted[:100]}


def _number(schema: Mapping[str, Any]) -> int | float:
    for key, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
        limit = schema.get(key)
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            return limit + step
    return 1


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "text")
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if isinstance(shortest, int) and 0 < shortest <= 10_000:
        text = text.ljust(shortest, "x")
    return text[:longest] if isinstance(longest, int) and longest >= 0 else text


def escaped(value: Any) -> Any:
    """The value as a constant of templates."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {str(key): escaped(item) for key, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, list) else value
