"""The ledger of one machine: a directory with one file for each fault in force."""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from urllib.parse import quote

from chaos.epitaph import Epitaph
from chaos.local_reaper import ensure_local_reaper
from chaos.owner import process_owner
from chaos.record import Contents, Record, parse_record, record_text
from journal.errors import BadInput, FaultRefused, Problem

_STALE_DRAFT_S = 60.0


class DirectoryLedger:
    """The records in one directory; see `Ledger`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open_record(self, record: Record) -> None:
        """See `Ledger`."""
        path = self._path(record.run_id, record.fault_id)
        draft = path.with_suffix(".draft")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep_drafts()
            _link_durably(draft, path, record_text(record))
            _sync_directory(self.directory)
        except FileExistsError:
            raise FaultRefused(f"{record.label}: it is in the ledger already; see: gameday recover") from None
        except (OSError, ValueError) as error:
            message = f"no record, no fault: the ledger {self.directory} cannot be written: {error}"
            raise FaultRefused(message) from error

    def ensure_reaper(self, record: Record | None = None) -> None:  # noqa: ARG002  # its reaper looks all the time
        """See `Ledger`: starts one when none lives, which then looks until nothing is left.

        A reaper looks once more when it has let go of its lock, so one that seems to live has seen the record or will.
        """
        ensure_local_reaper(self.directory)

    def read(self, run_id: str | None = None) -> Contents:
        """See `Ledger`."""
        records: list[Record] = []
        unreadable: list[Problem] = []
        for path in self._files(unreadable):
            try:
                records.append(_read(path))
            except FileNotFoundError:
                continue  # closed since it was listed
            except BadInput as error:
                unreadable.extend(error.problems)
        return Contents(tuple(records), tuple(unreadable)).of_run(run_id)

    def _files(self, unreadable: list[Problem]) -> list[Path]:
        # not by glob, which takes a directory that may not be listed for an empty one
        try:
            return sorted(path for path in self.directory.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            unreadable.append(Problem(str(self.directory), "is no directory, and so no ledger", "name another one"))
        except OSError as error:
            remedy = "recover as the user whose run it was"
            unreadable.append(Problem(str(self.directory), f"the ledger cannot be read: {error.strerror}", remedy))
        return []

    def find(self, run_id: str, fault_id: str) -> Record | None:
        """See `Ledger`."""
        try:
            return _read(self._path(run_id, fault_id))
        except FileNotFoundError:
            return None

    def close_record(self, record: Record, epitaph: Epitaph | None = None) -> bool:  # noqa: ARG002
        """See `Ledger`; whoever closes a record here can tell the timeline, so that no epitaph is kept."""
        try:
            self._path(record.run_id, record.fault_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def epitaphs(self, run_id: str | None = None) -> tuple[Epitaph, ...]:  # noqa: ARG002
        """See `Ledger`: none."""
        return ()

    def owner(self) -> str:
        """See `Ledger`: this process; its reaper lives on the same machine."""
        return process_owner()

    def _path(self, run_id: str, fault_id: str) -> Path:
        return self.directory / f"{quote(run_id, safe='')}.{quote(fault_id, safe='')}.json"

    def _sweep_drafts(self) -> None:
        """Removes what writers that were killed have left."""
        for draft in self.directory.glob("*.draft"):
            with contextlib.suppress(OSError):  # somebody else sweeps too
                if time.time() - draft.stat().st_mtime > _STALE_DRAFT_S:
                    draft.unlink()


def _read(path: Path) -> Record:
    try:
        return parse_record(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInput([Problem(str(path), f"the ledger record cannot be read: {error}")]) from error


def _link_durably(draft: Path, path: Path, text: str) -> None:
    """Writes the text beside `path`, then gives it that name; unlike a rename, a link fails when the name exists.

    The draft is locked, so that nobody who writes the same record at the same time can tear it.
    """
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate()
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.link(draft, path)
            draft.unlink()
    except BlockingIOError as error:
        raise FileExistsError(error.errno, "somebody else is writing it") from error
    except OSError:
        with contextlib.suppress(OSError):  # swept later
            draft.unlink(missing_ok=True)
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
