"""Test data: rows of a CSV or JSON lines file, and which worker gets which of them."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from journal.errors import Problem
from journal.profile_journeys import DataSet
from journal.templates import WORD

Row = Mapping[str, Any]
MOST_BYTES = 8 * 1024 * 1024
"""Of all files of a profile together: they travel to each worker in one message."""

_SHOWN = 10


def rows_in(path: str, text: str, problems: list[Problem]) -> list[Row]:
    """The rows of a file's text, by the ending of its name; whatever is wrong with it is added to `problems`."""
    found: list[Problem] = []
    rows = [row for _, row in (_json_lines if path.endswith((".jsonl", ".ndjson")) else _csv)(path, text, found)]
    if not rows and not found:
        found.append(Problem(path, "holds no rows"))
    problems += found[:_SHOWN]
    if len(found) > _SHOWN:
        problems.append(Problem(path, f"{len(found) - _SHOWN} more lines cannot be used"))
    return rows


def _csv(path: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    columns: list[str] | None = None
    try:
        for fields in reader:
            if columns is None:
                columns = fields
                problems += column_problems(f"{path}:1", columns)
            elif len(fields) != len(columns):
                if fields:  # an empty line has none
                    what = f"has {len(fields)} fields, and there are {len(columns)} columns"
                    problems.append(Problem(f"{path}:{reader.line_num}", what))
            else:
                yield reader.line_num, dict(zip(columns, fields, strict=True))
    except csv.Error as error:
        problems.append(Problem(f"{path}:{reader.line_num}", f"is no CSV: {error}"))


def _json_lines(path: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, Row]]:
    columns: set[str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _object(line)
        if row is None:
            problems.append(Problem(f"{path}:{number}", "is no JSON object"))
        elif columns is None:
            columns = set(row)
            problems += column_problems(f"{path}:{number}", list(row))
            yield number, row
        elif set(row) != columns:
            problems.append(Problem(f"{path}:{number}", f"has other keys than the first row ({', '.join(columns)})"))
        else:
            yield number, row


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def column_problems(where: str, columns: Sequence[str]) -> Iterator[Problem]:
    """What templates could not name."""
    for column in columns:
        if not re.fullmatch(WORD, column):
            remedy = "use letters, digits, _ and -; a letter first"
            yield Problem(where, f"{column!r:.40} is no name of a column", remedy)
        if columns.count(column) > 1:
            yield Problem(where, f"the column {column} is given twice")
    if not columns:
        yield Problem(where, "has no columns")


def dealt(data: DataSet, rows: Sequence[Row], index: int, workers: int) -> list[Row]:
    """The rows of worker `index` (from 0): all of them by chance, else each `workers`-th, so that none has two owners.

    A worker beyond those that the plan foresees takes the place of one that was lost; which of its rows were used
    nobody knows, so it gets none.
    """
    if data.mode == "random":
        return list(rows)
    return list(rows[index::workers]) if index < workers else []
