"""What a search for the capacity found, and all that it is made from: the content of capacity.json."""

import json
from dataclasses import dataclass
from pathlib import Path

from analysis.capacity.level import Visit
from analysis.capacity.usl import Usl
from analysis.verdict import Accounts, InvariantResult
from journal.capacity import USERS, Search
from journal.errors import Problem, RunDirectoryError
from journal.exit_codes import ExitCode
from journal.records import from_json, to_json
from journal.run_directory import write_whole

SCHEMA = "aia-gameday/capacity/1"


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """One search's answer: `passes` users, or what else the `unit` says, are within the SLO, `fails` are not.

    `fault` "": nothing was broken meanwhile. `passes` 0: no level that was tried is within the SLO. `fails` None: none
    is beyond it; `limit` then says what ended the climb: "most", "generator", or "". `confirmed`: both ends were seen
    twice. `narrow`: the interval is no wider than was asked for. `finished`: the search came to its end. `open`: levels
    between the ends that stayed undecided.
    """

    fault: str
    passes: int
    fails: int | None
    confirmed: bool
    narrow: bool
    finished: bool
    limit: str
    open: tuple[int, ...]
    visits: tuple[Visit, ...]
    usl: Usl
    unit: str = USERS

    @property
    def found(self) -> bool:
        """Whether the interval is known: closed, narrow enough, and confirmed."""
        return self.finished and self.confirmed and self.narrow and self.fails is not None


@dataclass(frozen=True, kw_only=True)
class CapacityResult:
    """The answer to `gameday capacity`. `line` is what people read first; `doubts` are about the record."""

    run_id: str
    exit_code: int
    line: str
    search: Search
    load_began_ns: int | None
    capacities: tuple[Capacity, ...]
    doubts: tuple[str, ...]
    invariants: tuple[InvariantResult, ...]
    accounts: Accounts
    schema: str = SCHEMA

    @property
    def exit(self) -> ExitCode:
        """The exit code as its name."""
        return ExitCode(self.exit_code)


def write_result(path: Path, result: CapacityResult) -> None:
    """Writes capacity.json whole or not at all. Raises RunDirectoryError."""
    text = json.dumps(to_json(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text.encode())


def read_result(path: Path) -> CapacityResult:
    """The result that `write_result` wrote. Raises RunDirectoryError."""
    try:
        return from_json(CapacityResult, json.loads(path.read_bytes()), "capacity")
    except (OSError, ValueError) as error:
        raise RunDirectoryError([Problem(str(path), f"cannot be read: {error}", "judge the run again")]) from error
