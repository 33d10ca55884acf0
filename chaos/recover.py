"""Reverts every fault that the ledger still has, whoever left it there."""

from dataclasses import dataclass

from chaos.ledger import Ledger, Record
from chaos.reversal import prove_and_close, revert
from journal.errors import Problem

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
    contents = ledger.read(run_id)
    reverted, failed = [], list(contents.unreadable)
    for record in contents.records:
        try:
            revert(record, by="recovery")
            prove_and_close(ledger, record, by="recovery", patience_s=patience_s)
            reverted.append(record)
        except Exception as error:  # noqa: BLE001  # whatever fails for one fault, the others must be reverted
            failed.append(Problem(record.label, f"not reverted: {error}"))
    return Recovery(tuple(reverted), tuple(failed))
