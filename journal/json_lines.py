"""Append-only files of JSON objects, one a line, written by several processes and read back past damage."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from journal.frame_file import Damage

Record = TypeVar("Record")


class JsonLines:
    """Appends objects to one file; each line is one O_APPEND write, so writers in other processes never mix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._close_torn_line()

    def _close_torn_line(self) -> None:
        """A line that a killed writer left unfinished must not swallow our first one."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes one object as one line."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        os.write(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_records(
    path: Path, parse: Callable[[dict[str, Any]], Record | None], noun: str
) -> tuple[list[Record], list[Damage]]:
    """What `parse` makes of every object of the file, and what could not be read, or not be parsed as a `noun`."""
    records, damages = [], []
    for offset, line in _lines(path):
        data = _object(line)
        record = None if data is None else parse(data)
        if record is not None:
            records.append(record)
        else:
            damages.append(Damage(path.name, offset, len(line), _reason(line, data, noun)))
    return records, damages


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield offset, line
            offset += len(line)


def _reason(line: bytes, data: dict[str, Any] | None, noun: str) -> str:
    if data is not None:
        return f"not {noun}: {data!r:.80}"
    return "not a JSON object" if line.endswith(b"\n") else "torn last line"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


class JsonLinesTail:
    """Follows a file that is still being written: each call returns the objects whose lines became whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """New objects; an unfinished last line waits for the next call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        records = (_object(line) for line in whole.split(b"\n"))
        return [record for record in records if record is not None]
