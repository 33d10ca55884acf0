"""Undoes the fault of one ledger record and closes the record when that is proven; the same for all who ever do it."""

from collections.abc import Mapping
from pathlib import Path

from chaos.fault import Fault, Finding, wait_until
from chaos.fault_events import FaultEvents
from chaos.ledger import Ledger, Record
from chaos.platforms.base import Platform
from chaos.platforms.opening import open_platform
from chaos.registry import make_fault
from journal.errors import GamedayError, NotReverted
from journal.timeline import FaultState


def events_of(record: Record) -> FaultEvents:
    """Where the events of the record's fault go."""
    run_directory = Path(record.run_directory) if record.run_directory else None
    return FaultEvents(run_directory, record.fault_id, record.fault, record.experiment)


def revert(record: Record, *, by: str) -> None:
    """Reverts the fault without proof and tells the timeline; idempotent. Raises GamedayError when it cannot."""
    fault, platform = _opened(record)
    fault.revert(platform, record)
    events_of(record).write(FaultState.REVERTED, target=record.target_label, evidence={"by": by})


def prove_and_close(
    ledger: Ledger, record: Record, *, by: str, patience_s: float, note: Mapping[str, str | float] | None = None
) -> Finding:
    """Waits for the proof as long as `patience_s`, closes the record, and tells the timeline.

    `by` says who did it: the experiment, the reaper or a recovery. `note` joins the evidence.

    Raises:
        NotReverted: the revert could not be proven in time; the record stays open.
    """
    fault, platform = _opened(record)
    finding = _proof(fault, platform, record, patience_s)
    if not finding.holds:
        raise NotReverted(f"{record.label}: the revert could not be proven within {patience_s:g} s: {finding.evidence}")
    if ledger.close_record(record):
        evidence = {**finding.evidence, "by": by, **(note or {})}
        events_of(record).write(FaultState.PROVEN, target=record.target_label, evidence=evidence, at_ns=finding.at_ns)
    return finding


def _opened(record: Record) -> tuple[Fault, Platform]:
    return make_fault(record.fault, record.options), open_platform(record.platform)


def _proof(fault: Fault, platform: Platform, record: Record, patience_s: float) -> Finding:
    last = Finding(False)

    def proven() -> bool:
        nonlocal last
        try:
            last = fault.prove(platform, record)
        except GamedayError as error:
            last = Finding(False, {"error": str(error)})
        return last.holds

    wait_until(proven, patience_s)
    return last
