"""Reads the files of test data that a profile names."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gameday.yaml_file import Place, dotted
from journal.data_rows import MOST_BYTES, Row, column_problems, rows_in
from journal.errors import Problem
from journal.profile import Profile
from journal.profile_journeys import DataSet


def with_absolute_files(profile: Profile, folder: Path) -> Profile:
    """The profile with the full paths of its files, which are relative to the profile's own."""
    data = {
        name: replace(data, file=str((folder / data.file).absolute())) if data.file else data
        for name, data in profile.data.items()
    }
    return replace(profile, data=data)


def read_rows(
    profile: Profile, problems: list[Problem], where_is: Callable[[Place], str] = dotted
) -> dict[str, Sequence[Row]]:
    """The rows of each set of data, whose files have full paths; whatever is wrong with them is added to `problems`.

    A set that cannot be read has none.
    """
    rows: dict[str, Sequence[Row]] = {}
    left_bytes = MOST_BYTES
    for name, data in profile.data.items():
        where = where_is(("data", name))
        if bool(data.file) == bool(data.rows):
            problems.append(Problem(where, "has to have either a file or rows", "keep one of them"))
        elif data.rows:
            rows[name] = data.rows
            problems += _inline_problems(where, data.rows)
        else:
            text = _text(data, left_bytes, problems)
            left_bytes -= len(text)
            rows[name] = rows_in(data.file, text, problems) if text else ()
    return rows


def _inline_problems(where: str, rows: Sequence[Row]) -> list[Problem]:
    problems = list(column_problems(where, list(rows[0])))
    strange = [number for number, row in enumerate(rows) if set(row) != set(rows[0])]
    return problems + [Problem(f"{where}.rows[{number}]", "has other keys than the first row") for number in strange]


def _text(data: DataSet, most_bytes: int, problems: list[Problem]) -> str:
    path = Path(data.file)
    if path.suffix not in {".csv", ".jsonl", ".ndjson"}:
        problems.append(Problem(data.file, "is neither .csv nor .jsonl"))
        return ""
    try:
        with path.open("rb") as file:
            raw = file.read(most_bytes + 1)
        if len(raw) > most_bytes:
            what = f"is too large: all test data together may have {MOST_BYTES >> 20} MiB"
            problems.append(Problem(data.file, what))
            return ""
        if not raw:
            problems.append(Problem(data.file, "is empty"))
        return raw.decode()
    except OSError as error:
        problems.append(Problem(data.file, f"cannot be read: {error.strerror}"))
    except (UnicodeDecodeError, ValueError):  # the latter: a path with a null byte
        problems.append(Problem(data.file, "is not a text file in UTF-8"))
    return ""
