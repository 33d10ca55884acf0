"""Undoes the fault of one ledger record and closes the record when that is proven; the same for all who ever do it."""

import time
from collections.abc import Mapping
from pathlib import Path

from chaos.epitaph import epitaph_of
from chaos.fault import Fault
from chaos.fault_events import FaultEvents
from chaos.finding import Finding
from chaos.ledger import Ledger
from chaos.platforms.base import Platform
from chaos.platforms.opening import open_platform
from chaos.record import Record
from chaos.registry import make_fault
from journal.errors import ClusterUnreachable, GamedayError, NotReverted
from journal.timeline import FaultState


def events_of(record: Record) -> FaultEvents:
    """Where the events of the record's fault go."""
    run_directory = Path(record.run_directory) if record.run_directory else None
    return FaultEvents(run_directory, record.fault_id, record.fault, record.experiment)


def revert(record: Record, *, by: str, hurried: bool = False) -> None:
    """Reverts the fault without proof and tells the timeline; idempotent. Raises GamedayError when it cannot.

    `hurried`: for somebody who comes back in a moment, so that no request is repeated for long.
    """
    fault, platform = _opened(record, hurried=hurried)
    fault.revert(platform, record)
    events_of(record).write(FaultState.REVERTED, target=record.target_label, evidence={"by": by})


def prove_and_close(
    ledger: Ledger,
    record: Record,
    *,
    by: str,
    patience_s: float,
    note: Mapping[str, str | float] | None = None,
    hurried: bool = False,
    outage_s: float = 0.0,
) -> Finding:
    """Waits for the proof as long as `patience_s`, closes the record, and tells the timeline.

    While the cluster's API server does not answer nobody can know; that may take `outage_s` more.
    `by` says who did it: the experiment, the reaper or a recovery. `note` joins the evidence. Where the run is out of
    reach an epitaph in the ledger says the same, and whoever was overtaken by one who left that tells the timeline.

    Raises:
        NotReverted: the revert could not be proven in time; the record stays open.
    """
    fault, platform = _opened(record, hurried=hurried)
    finding = _proof(fault, platform, record, patience_s, outage_s)
    if not finding.holds:
        raise NotReverted(f"{record.label}: the revert could not be proven within {patience_s:g} s: {finding.evidence}")
    events = events_of(record)
    epitaph = None if events.reach_the_run else epitaph_of(record, finding, by)
    if ledger.close_record(record, epitaph) or _was_closed_out_of_sight(ledger, record):
        evidence = {**finding.evidence, "by": by, **(note or {})}
        events.write(FaultState.PROVEN, target=record.target_label, evidence=evidence, at_ns=finding.at_ns)
    return finding


def _was_closed_out_of_sight(ledger: Ledger, record: Record) -> bool:
    return any(epitaph.is_of(record) for epitaph in ledger.epitaphs(record.run_id))


def _opened(record: Record, *, hurried: bool) -> tuple[Fault, Platform]:
    return make_fault(record.fault, record.options), open_platform(record.platform, hurried=hurried)


def _proof(fault: Fault, platform: Platform, record: Record, patience_s: float, outage_s: float) -> Finding:
    ends_s = time.monotonic() + patience_s
    latest_s = ends_s + outage_s
    while True:
        try:
            finding = fault.prove(platform, record)
        except GamedayError as error:
            finding = Finding(False, {"error": str(error)})
            if isinstance(error, ClusterUnreachable):
                ends_s = min(latest_s, time.monotonic() + patience_s)
        left_s = ends_s - time.monotonic()
        if finding.holds or left_s <= 0:
            return finding
        time.sleep(min(platform.poll_s, left_s))
