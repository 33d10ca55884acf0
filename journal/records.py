"""Frozen dataclasses to JSON and back; reading checks types and names the place of every problem."""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from journal.errors import Problem, RunDirectoryError

Record = TypeVar("Record")


def to_json(value: Any) -> Any:
    """The record as dicts, lists, numbers, strings, booleans and None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[Record], data: Any, where: str) -> Record:
    """The record of what `to_json` made. Unknown keys are ignored, so that newer writers can be read.

    Raises:
        RunDirectoryError: with every missing or mistyped field.
    """
    problems: list[Problem] = []
    record = _record(cls, data, where, problems)
    if problems:
        raise RunDirectoryError(problems)
    return record  # type: ignore[no-any-return]


def parsed(cls: type[Record], data: Any) -> Record | None:
    """As `from_json`, but None where that raises: for files in which one bad line must not hide the others."""
    problems: list[Problem] = []
    record = _record(cls, data, "", problems)
    return None if problems else record


def int64(value: Any) -> int:
    """The value, if it is an integer of at most 64 bits; one flipped bit can turn a time stamp into one that is not.

    Raises:
        ValueError: it is not.
    """
    if not _is_int64(value):
        raise ValueError(f"{value!r:.60} is no 64-bit integer")
    return int(value)


def _is_int64(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _record(cls: type, data: Any, where: str, problems: list[Problem]) -> Any:
    if not isinstance(data, Mapping):
        problems.append(Problem(where, f"expected an object, found {type(data).__name__}"))
        return None
    hints = _hints(cls)
    values = {}
    for field in fields(cls):
        if field.name in data:
            values[field.name] = _value(hints[field.name], data[field.name], f"{where}.{field.name}", problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(Problem(f"{where}.{field.name}", "is missing"))
    return None if problems else cls(**values)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _value(hint: Any, data: Any, where: str, problems: list[Problem]) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _value(arguments[0], data, where, problems)
    if origin in {Union, types.UnionType}:
        inner = [argument for argument in arguments if argument is not type(None)]
        return None if data is None else _value(inner[0], data, where, problems)
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, data, where, problems)
    if origin is tuple and isinstance(data, list):
        return tuple(_value(arguments[0], item, f"{where}[{i}]", problems) for i, item in enumerate(data))
    if origin is dict and isinstance(data, Mapping):
        return {key: _value(arguments[1], item, f"{where}.{key}", problems) for key, item in data.items()}
    if not _fits(hint, origin, arguments, data):
        problems.append(Problem(where, f"expected {getattr(hint, '__name__', hint)}, found {data!r:.60}"))
    return data


def _fits(hint: Any, origin: Any, arguments: tuple[Any, ...], data: Any) -> bool:
    if hint is Any:
        return True
    if origin is Literal:
        return data in arguments
    if hint is float and isinstance(data, float):
        return math.isfinite(data)
    if hint in {int, float}:
        return _is_int64(data)
    return isinstance(hint, type) and isinstance(data, hint)
