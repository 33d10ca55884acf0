"""The ledger: one file for each fault in force, written before it begins, removed when its revert is proven."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chaos.platforms.base import Target
from journal.errors import BadInput, FaultRefused, Problem
from journal.records import from_json, to_json

SCHEMA = "aia-gameday/ledger/1"
_STALE_DRAFT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is needed to undo one fault from another process, long after the one that injected it is gone.

    `owner` is the incarnation of the process that will revert it; `run_directory` is where its events go, or None.
    """

    run_id: str
    fault_id: str
    fault: str
    experiment: str
    options: dict[str, Any]
    platform: dict[str, str]
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


class Ledger:
    """The records in one directory; any number of processes may use it at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open_record(self, record: Record) -> None:
        """Writes the record, durable when this returns.

        Raises:
            FaultRefused: it could not be written, or the same fault of the same run is open already.
        """
        path = self._path(record.run_id, record.fault_id)
        draft = path.with_suffix(".draft")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep_drafts()
            _write_durably(draft, json.dumps(to_json(record), indent=1, allow_nan=False))
            os.link(draft, path)  # unlike a rename it fails when the record exists
            _sync_directory(self.directory)
        except FileExistsError:
            raise FaultRefused(f"{record.label}: it is in the ledger already; see: gameday recover") from None
        except (OSError, ValueError) as error:
            message = f"no record, no fault: the ledger {self.directory} cannot be written: {error}"
            raise FaultRefused(message) from error
        finally:
            with contextlib.suppress(OSError):  # swept later
                draft.unlink(missing_ok=True)

    def read(self, run_id: str | None = None) -> Contents:
        """All open records, or those of one run."""
        records: list[Record] = []
        unreadable: list[Problem] = []
        for path in sorted(self.directory.glob("*.json")):
            try:
                records.append(_read(path))
            except FileNotFoundError:
                continue  # closed since it was listed
            except BadInput as error:
                unreadable.extend(error.problems)
        mine = [record for record in records if run_id in {None, record.run_id}]
        return Contents(tuple(sorted(mine, key=lambda record: record.injected_at_ns)), tuple(unreadable))

    def find(self, run_id: str, fault_id: str) -> Record | None:
        """One open record. Raises BadInput when it cannot be read."""
        try:
            return _read(self._path(run_id, fault_id))
        except FileNotFoundError:
            return None

    def close_record(self, record: Record) -> bool:
        """Removes the record, whose revert is proven; False when somebody else has done so."""
        try:
            self._path(record.run_id, record.fault_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, run_id: str, fault_id: str) -> Path:
        return self.directory / f"{quote(run_id, safe='')}.{quote(fault_id, safe='')}.json"

    def _sweep_drafts(self) -> None:
        """Removes what writers that were killed have left."""
        for draft in self.directory.glob("*.draft"):
            with contextlib.suppress(OSError):  # somebody else sweeps too
                if time.time() - draft.stat().st_mtime > _STALE_DRAFT_S:
                    draft.unlink()


def default_ledger(environment: Mapping[str, str]) -> Ledger:
    """The ledger that `GAMEDAY_LEDGER` names, else the user's own."""
    named = environment.get("GAMEDAY_LEDGER")
    if named:
        return Ledger(Path(named).absolute())
    state_home = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Ledger(Path(state_home) / "aia-gameday" / "ledger")


def _read(path: Path) -> Record:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BadInput([Problem(str(path), f"the ledger record cannot be read: {error}")]) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise BadInput([Problem(str(path), "is no ledger record that this version knows", f"expected {SCHEMA}")])
    return from_json(Record, data, str(path))


def _write_durably(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
