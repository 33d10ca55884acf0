"""Texts with ${names} in them, as profiles write them: read once, filled for each request.

`${token}` stands for a value, `${users.email}` for a column of test data, `$${` for a literal `${`; any other `$` for
itself. A text that is nothing but one name becomes the value itself, with its type: `"${amount}"` may be a number.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WORD = r"[^\W\d][\w-]*"
"""What a name is made of: letters, digits, `_` and `-`; it begins with no digit and no hyphen."""

_NAME = re.compile(rf"{WORD}(?:\.{WORD})?")
_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")


class TemplateError(ValueError):
    """A text whose names cannot be read; says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """A place in a text where a value goes."""

    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text, taken apart at its names."""

    parts: tuple[str | Name, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """The template of a text. Raises TemplateError."""
        return cls(tuple(part for part in _parts(text) if part != ""))

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it, in their order."""
        return tuple(part.text for part in self.parts if isinstance(part, Name))

    def value(self, values: Mapping[str, Any]) -> Any:
        """The value that the one name of this text stands for, else the filled text."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Name):
            return values[self.parts[0].text]
        return self.text(values)

    def text(self, values: Mapping[str, Any]) -> str:
        """The text with all values in it."""
        return "".join(part if isinstance(part, str) else as_text(values[part.text]) for part in self.parts)

    def placeholders(self) -> str:
        """The text with {names} instead of values: what a series is called."""
        return "".join(part if isinstance(part, str) else f"{{{part.text}}}" for part in self.parts)


def _parts(text: str) -> Iterator[str | Name]:
    begin = 0
    for found in _MARK.finditer(text):
        yield text[begin : found.start()]
        begin = found.end()
        yield _marked(found)
    yield text[begin:]


def _marked(found: re.Match[str]) -> str | Name:
    if found[0] == "$${":
        return "${"
    if found[1] is None:
        raise TemplateError("has a ${ that is never closed; a literal ${ is written $${")
    if not _NAME.fullmatch(found[1]):
        raise TemplateError(f"{found[0]!r:.60} holds no name; a literal ${{ is written $${{")
    return Name(found[1])


def as_text(value: Any) -> str:
    """A value as it stands within a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A structure of dicts, lists, templates and constants with all values in it."""
    if isinstance(value, Template):
        return value.value(values)
    if isinstance(value, dict):
        return {key: filled(item, values) for key, item in value.items()}
    return [filled(item, values) for item in value] if isinstance(value, list) else value


def parsed(value: Any) -> Any:
    """The same structure with templates for its texts; the keys of mappings are no templates. Raises TemplateError."""
    if isinstance(value, str):
        template = Template.parse(value)
        return template if template.names else "".join(str(part) for part in template.parts)
    if isinstance(value, Mapping):
        return {str(key): parsed(item) for key, item in value.items()}
    return [parsed(item) for item in value] if isinstance(value, list | tuple) else value


def template_names(value: Any) -> list[str]:
    """The names in a structure that `parsed` made."""
    if isinstance(value, Template):
        return list(value.names)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for item in inner for name in template_names(item)]
