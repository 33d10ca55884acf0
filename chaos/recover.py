"""Reverts every fault that the ledger still has, whoever left it there."""

from dataclasses import dataclass
from pathlib import Path

from chaos.epitaph import Epitaph
from chaos.fault_events import FaultEvents
from chaos.ledger import Ledger
from chaos.record import Record
from chaos.reversal import prove_and_close, revert
from journal.errors import GamedayError, Problem
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, FaultState, read_timeline

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was reverted, and what was not and why."""

    reverted: tuple[Record, ...] = ()
    failed: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left in force."""
        return not self.failed


def recover_all(ledger: Ledger, run_id: str | None = None, *, patience_s: float = _PATIENCE_S) -> Recovery:
    """Reverts all open records, or those of one run; each gets `patience_s` for its proof.

    It continues past errors, may be repeated, and leaves open what it could not revert.
    """
    try:
        contents = ledger.read(run_id)
    except GamedayError as error:
        return Recovery(failed=(Problem("the ledger", f"cannot be read: {error}"),))
    reverted, failed = [], list(contents.unreadable)
    for record in contents.records:
        try:
            revert(record, by="recovery")
            prove_and_close(ledger, record, by="recovery", patience_s=patience_s)
            reverted.append(record)
        except Exception as error:  # noqa: BLE001  # whatever fails for one fault, the others must be reverted
            failed.append(Problem(record.label, f"not reverted: {error}"))
    return Recovery(tuple(reverted), tuple(failed))


def tell_epitaphs(ledger: Ledger, run_id: str, run_directory: Path) -> tuple[Epitaph, ...]:
    """Writes into the run's timeline what a reaper out of its sight has reverted; those that it did not have yet.

    Raises:
        ClusterUnreachable: the ledger lies in a cluster that does not answer.
    """
    known = _told(run_directory)
    missing = tuple(each for each in ledger.epitaphs(run_id) if (each.fault_id, FaultState.PROVEN) not in known)
    for epitaph in missing:
        events = FaultEvents(run_directory, epitaph.fault_id, epitaph.fault, epitaph.experiment)
        evidence = {**epitaph.evidence, "by": epitaph.by}
        for state in (FaultState.REVERTED, FaultState.PROVEN):
            if (epitaph.fault_id, state) not in known:
                events.write(state, target=epitaph.target, evidence=evidence, at_ns=epitaph.proven_at_ns)
    return missing


def _told(run_directory: Path) -> set[tuple[str, str]]:
    """The steps of each fault that the timeline has."""
    events, _ = read_timeline(RunDirectory(run_directory).timeline)
    return {
        (str(event.data.get("fault_id")), str(event.data.get("state")))
        for event in events
        if event.kind is EventKind.FAULT
    }
