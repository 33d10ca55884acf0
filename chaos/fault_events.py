"""Tells the timeline of a run, if there is one, what a fault came to."""

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from journal.run_directory import RunDirectory
from journal.timeline import EventKind, FaultState, Timeline


@dataclass(frozen=True, slots=True)
class FaultEvents:
    """Where the events of one fault go; without a run directory, or with one that is gone, they go nowhere."""

    run_directory: Path | None
    fault_id: str
    fault: str
    experiment: str

    @property
    def reach_the_run(self) -> bool:
        """Whether there is a run that belongs to them, and its directory is on this machine."""
        return self.run_directory is not None and self.run_directory.is_dir()

    def write(
        self,
        state: FaultState,
        *,
        target: str,
        evidence: Mapping[str, str | float] | None = None,
        at_ns: int | None = None,
    ) -> None:
        """One step of the fault; without `at_ns` it happened now."""
        self._write(
            EventKind.FAULT,
            at_ns,
            fault_id=self.fault_id,
            fault=self.fault,
            experiment=self.experiment,
            state=state.value,
            target=target,
            evidence=dict(evidence or {}),
        )

    def warn(self, message: str) -> None:
        """Something that the reader of the report should know."""
        self._write(EventKind.WARNING, None, message=f"{self.fault_id}: {message}")

    def _write(self, kind: EventKind, at_ns: int | None, **data: object) -> None:
        if self.run_directory is None or not self.reach_the_run:
            return
        with suppress(OSError), closing(Timeline(RunDirectory(self.run_directory).timeline)) as timeline:
            timeline.write(kind, at_ns=at_ns, **data)  # a full disk may cost the telling, never the reverting
