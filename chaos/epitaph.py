"""What is said of a record that was closed out of sight of the run: a reaper in a pod of its own has no timeline."""

from dataclasses import dataclass
from typing import Any

from chaos.finding import Finding
from chaos.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Epitaph:
    """A fault that was reverted and proven to be, and by whom; times in epoch nanoseconds."""

    run_id: str
    fault_id: str
    fault: str
    experiment: str
    target: str
    by: str
    injected_at_ns: int
    proven_at_ns: int
    evidence: dict[str, Any]

    def is_of(self, record: Record) -> bool:
        """Whether it is about this very record."""
        mine = (self.run_id, self.fault_id, self.injected_at_ns)
        return mine == (record.run_id, record.fault_id, record.injected_at_ns)


def epitaph_of(record: Record, finding: Finding, by: str) -> Epitaph:
    """What is to be said of a record with this proof."""
    return Epitaph(
        run_id=record.run_id,
        fault_id=record.fault_id,
        fault=record.fault,
        experiment=record.experiment,
        target=record.target_label,
        by=by,
        injected_at_ns=record.injected_at_ns,
        proven_at_ns=finding.at_ns,
        evidence=dict(finding.evidence),
    )
