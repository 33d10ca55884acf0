"""What the ledger keeps of a fault: all that is needed to undo it from another process."""

import json
from dataclasses import dataclass, field
from typing import Any

from chaos.platforms.base import Target
from journal.errors import BadInput, Problem
from journal.records import from_json, to_json

SCHEMA = "aia-gameday/ledger/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is needed to undo one fault from another process, long after the one that injected it is gone.

    `owner` names who will revert it (see `chaos/owner.py`); `run_directory` is where its events go, or None.
    """

    run_id: str
    fault_id: str
    fault: str
    experiment: str
    options: dict[str, Any]
    platform: dict[str, Any]
    targets: tuple[Target, ...]
    originals: dict[str, Any]
    injected_at_ns: int
    expires_at_ns: int
    owner: str
    run_directory: str | None = None
    schema: str = SCHEMA

    @property
    def target_label(self) -> str:
        """The targets, for people."""
        return ", ".join(target.label for target in self.targets)

    @property
    def label(self) -> str:
        """The fault and its targets, for people."""
        return f"{self.fault_id} {self.fault} on {self.target_label}"


@dataclass(frozen=True, slots=True)
class Contents:
    """The open records, oldest first, and what could not be read as one."""

    records: tuple[Record, ...] = ()
    unreadable: tuple[Problem, ...] = field(default=())

    def of_run(self, run_id: str | None) -> "Contents":
        """Those of one run, or with None all, in order of their injection."""
        mine = [record for record in self.records if run_id in {None, record.run_id}]
        return Contents(tuple(sorted(mine, key=lambda record: record.injected_at_ns)), self.unreadable)

    def without(self, record: Record) -> "Contents":
        """The others."""
        return Contents(tuple(each for each in self.records if each != record), self.unreadable)


def record_text(record: Record) -> str:
    """The record as JSON. Raises ValueError for a number that JSON does not know."""
    return json.dumps(to_json(record), indent=1, allow_nan=False)


def parse_record(text: str | bytes, where: str) -> Record:
    """The record of what `record_text` made. Raises BadInput when it is none that this version knows."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput([Problem(where, f"the ledger record cannot be read: {error}")]) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise BadInput([Problem(where, "is no ledger record that this version knows", f"expected {SCHEMA}")])
    return from_json(Record, data, where)
