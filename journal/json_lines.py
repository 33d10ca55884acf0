"""Append-only files of JSON objects, one a line, written by several processes and read back past damage."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from journal.frame_file import Damage


class JsonLines:
    """Appends objects to one file; each line is one O_APPEND write, so writers in other processes never mix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes one object as one line."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        os.write(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_json_lines(path: Path) -> Iterator[dict[str, Any] | Damage]:
    """Every object of the file in order; a line that is none is returned as damage. A missing file is empty."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for line in file:
            record = _parse(line)
            torn = not line.endswith(b"\n")
            what = "torn last line" if torn else "not a JSON object"
            yield record if record is not None else Damage(path.name, offset, len(line), what)
            offset += len(line)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


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
        records = (_parse(line) for line in whole.splitlines())
        return [record for record in records if record is not None]
