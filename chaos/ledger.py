"""The ledger: one record for each fault in force, written before it begins, removed when its revert is proven."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from chaos.config_map_ledger import PREFIX, open_config_map_ledger
from chaos.directory_ledger import DirectoryLedger
from chaos.epitaph import Epitaph
from chaos.record import Contents, Record
from journal.errors import CommandError, Problem

LEDGER = "GAMEDAY_LEDGER"


class Ledger(Protocol):
    """The records of the faults in force; any number of processes may use it at once.

    Besides what each says, all raise ClusterUnreachable or ClusterRefused where the ledger lies in a cluster.
    """

    def open_record(self, record: Record) -> None:
        """Writes the record, durable when this returns.

        Raises:
            FaultRefused: it could not be written, or the same fault of the same run is open already.
        """

    def ensure_reaper(self, record: Record | None = None) -> None:
        """Makes sure that a reaper watches this ledger, and with a record, that it has seen or will see that one.

        Call it before a record is written, so that waiting takes none of the fault's time, and after.

        Raises:
            FaultRefused: there is none.
        """

    def read(self, run_id: str | None = None) -> Contents:
        """All open records, or those of one run."""

    def find(self, run_id: str, fault_id: str) -> Record | None:
        """One open record. Raises BadInput when it cannot be read."""

    def close_record(self, record: Record, epitaph: Epitaph | None = None) -> bool:
        """Removes the record, whose revert is proven; False when somebody else has done so.

        The epitaph is kept where the one who closes cannot tell the run's timeline.
        """

    def epitaphs(self, run_id: str | None = None) -> tuple[Epitaph, ...]:
        """What was reverted, and by whom, out of sight of the run's timeline."""

    def owner(self) -> str:
        """How this process signs the records that it writes; see `chaos/owner.py`."""


def open_ledger(name: str) -> Ledger:
    """The ledger of that name: `kubernetes:NAMESPACE/NAME` is a ConfigMap, anything else a directory.

    Raises:
        CommandError: the name is of another kind or incomplete, or there is no way to a cluster.
    """
    if name.startswith(PREFIX):
        return open_config_map_ledger(name)
    if re.match(r"[A-Za-z0-9_+.-]+:", name):  # taken for a directory, a slip of the pen would hide every fault in force
        remedy = f"write {PREFIX}NAMESPACE/NAME, or the path of a directory"
        raise CommandError([Problem("ledger", f"{name!r} is neither a ConfigMap nor a directory", remedy)])
    return DirectoryLedger(Path(name).absolute())


def default_ledger(environment: Mapping[str, str]) -> Ledger:
    """The ledger that `GAMEDAY_LEDGER` names, else the user's own directory. Raises as `open_ledger`."""
    named = environment.get(LEDGER)
    if named:
        return open_ledger(named)
    state_home = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return DirectoryLedger(Path(state_home) / "aia-gameday" / "ledger")
