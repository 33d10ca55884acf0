"""Places in a JSON document, as people write them: a JSON Pointer (RFC 6901), or a small part of JSONPath (RFC 9535).

/items/0/id          $.items[0].id          the same place
/a~1b                $['a/b']               the key a/b
                     $.items[-1]            the last one
                     $.items[*].id          of every one
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class PathError(ValueError):
    """A text that names no place; says why."""


class _Every:
    """Every element of a list, or every value of an object."""


EVERY = _Every()
Step = str | int | _Every
_STEP = re.compile(
    r"\.(?P<key>[^\W\d][\w-]*)|\[(?P<index>-?\d{1,9})\]|\[(?P<every>\*)\]|\.(?P<every2>\*)|\['(?P<quoted>[^']*)'\]"
)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A place; with `$.a[*]` several."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> "JsonPath":
        """The place that a text names. Raises PathError."""
        if text.startswith("$"):
            return cls(tuple(_steps(text)))
        if text and not text.startswith("/"):
            raise PathError(f"{text!r:.60} names no place: write /a/b or $.a.b")
        if re.search(r"~(?![01])", text):
            raise PathError("holds a ~ that is no ~0 (for ~) and no ~1 (for /)")
        return cls(tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]))

    @property
    def many(self) -> bool:
        """Whether it may name several places."""
        return EVERY in self.steps

    def find(self, document: Any) -> list[Any]:
        """What is there; empty when nothing is."""
        found = [document]
        for step in self.steps:
            found = [inner for value in found for inner in _within(value, step)]
        return found


def _steps(text: str) -> Iterator[Step]:
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise PathError(f"{text[at:]!r:.60} cannot be read: write .key, ['key'], [0], [-1] or [*]")
        at = found.end()
        if found["index"] is not None:
            yield int(found["index"])
        elif found["every"] or found["every2"]:
            yield EVERY
        else:
            yield found["key"] if found["quoted"] is None else found["quoted"]


def _within(value: Any, step: Step) -> Iterator[Any]:
    if isinstance(step, _Every):
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif isinstance(value, dict) and isinstance(step, str):
        if step in value:
            yield value[step]
    elif isinstance(value, list):
        index = _index(step)
        if index is not None and -len(value) <= index < len(value):
            yield value[index]


def _index(step: str | int) -> int | None:
    """The index that a step names; a pointer's digits are one, without leading zeros, as RFC 6901 wants it."""
    if isinstance(step, int):
        return step
    return int(step) if re.fullmatch(r"0|[1-9][0-9]{0,8}", step) else None
