"""The test data of one worker: who has which row, and what happens when there is none left."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from journal.data_rows import Row, dealt, rows_in
from journal.errors import GamedayError, Problem, ProfileError
from journal.profile import Profile
from journal.profile_journeys import DataMode


class RanOut(GamedayError):
    """There is no row left that nobody has."""


def rows_of(profile: Profile) -> dict[str, list[Row]]:
    """All rows of all data of a profile, its files read. Raises ProfileError."""
    problems: list[Problem] = []
    rows: dict[str, list[Row]] = {}
    for name, data in profile.data.items():
        if not data.file:
            rows[name] = list(data.rows)
            continue
        try:
            rows[name] = rows_in(data.file, Path(data.file).read_text(encoding="utf-8"), problems)
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(data.file, f"cannot be read: {error}"))
    if problems:
        raise ProfileError(problems)
    return rows


def share_of(profile: Profile, rows: Mapping[str, Sequence[Row]], index: int, workers: int) -> dict[str, list[Row]]:
    """What one worker gets."""
    return {name: dealt(data, rows[name], index, workers) for name, data in profile.data.items()}


class Data:
    """The rows of this worker, by the name of their set."""

    def __init__(self, profile: Profile, share: Mapping[str, Sequence[Row]]) -> None:
        self._modes: dict[str, DataMode] = {name: data.mode for name, data in profile.data.items()}
        self._rows = {name: deque(share.get(name, ())) for name in self._modes}
        self._had = {name: len(rows) for name, rows in self._rows.items()}
        self._all = {name: list(rows) for name, rows in self._rows.items() if self._modes[name] == "random"}

    def mode(self, name: str) -> DataMode:
        """How the rows of a set are given out."""
        return self._modes[name]

    def take(self, name: str, chance: Random) -> Row:
        """A row: by chance, or one that nobody has. Raises RanOut."""
        if self._modes[name] == "random":
            return chance.choice(self._all[name])
        if not self._rows[name]:
            raise RanOut(self._exhausted(name))
        return self._rows[name].popleft()

    def give_back(self, name: str, row: Row) -> None:
        """The user of this row has gone; another may have it."""
        self._rows[name].append(row)

    def _exhausted(self, name: str) -> str:
        if not self._had[name]:
            return f"the test data {name} has no rows for this worker: it came later than those of the plan"
        if self._modes[name] == "once":
            return f"the test data {name} ran out: each of this worker's {self._had[name]} rows was used once"
        return f"the test data {name} ran out: this worker's {self._had[name]} rows all have a user"


def named(name: str, row: Row) -> dict[str, Any]:
    """The row as values of templates."""
    return {f"{name}.{column}": value for column, value in row.items()}
