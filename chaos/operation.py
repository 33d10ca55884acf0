"""One fault from injection to proof: ledger, reaper and guards around what the fault itself does."""

import time
from collections.abc import Mapping
from contextlib import closing
from functools import cached_property
from random import Random
from typing import Any

from chaos.context import Context
from chaos.fault import Fault, Injection
from chaos.fault_events import FaultEvents
from chaos.finding import Evidence, Finding, wait_until
from chaos.guards import check_guards
from chaos.held_signals import held_signals
from chaos.platforms.base import Platform
from chaos.platforms.opening import platform_of
from chaos.record import Record
from chaos.registry import make_fault
from chaos.reversal import prove_and_close, revert
from journal.errors import ClusterUnreachable, FaultRefused, GamedayError, HarnessDefect, NotReverted
from journal.timeline import FaultState

_BY = "experiment"
_PATIENCE_S, _HURRIED_PATIENCE_S = 20.0, 1.2
_EXPIRY_GRACE_S = 0.2
_OUTAGE_S, _RETRY_S = 60.0, 0.5


class Operation:
    """The steps of one experiment's fault, in order; each tells the timeline and is safe to repeat.

    `states` lists what happened, `refusal` holds why nothing was injected, `notes` join the evidence of the proof.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.states: list[FaultState] = []
        self.refusal: GamedayError | None = None
        self.notes: dict[str, str | float] = {}
        self._hurried = False
        self._fault: Fault | None = None
        self._record: Record | None = None

    def inject(self, name: str, options: Mapping[str, Any]) -> Record:
        """Writes the undo record, makes sure that a reaper lives, then injects.

        Raises:
            FaultRefused: nothing was changed.
        """
        try:
            fault = make_fault(name, options)
            chance = Random(f"{self.context.seed}/{self.context.fault_id}")
            injection = fault.prepare(self._platform, chance)
            with closing(injection.means):
                check_guards(self.context, self._platform, injection)
                self.context.ledger.ensure_reaper()
                return self._inject(fault, options, injection)
        except GamedayError as error:
            self.refuse(name, error)
            raise
        except Exception as error:  # fail closed: whatever went wrong, the experiment must not go on without its fault
            refusal = FaultRefused(f"the fault could not be injected: {error!r}")
            self.refuse(name, refusal)
            raise refusal from error

    def refuse(self, name: str, reason: GamedayError) -> None:
        """Notes that the fault will not happen."""
        self.refusal = reason
        self.states.append(FaultState.REFUSED)
        self._events(name).write(FaultState.REFUSED, target="", evidence={"reason": str(reason)})

    def verify(self) -> Finding:
        """Looks for the fault's own effect; one that cannot be seen counts as none.

        Raises:
            HarnessDefect: nothing was injected.
        """
        fault, record = self._injected()
        try:
            finding = fault.verify(self._platform, record)
        except GamedayError as error:
            finding = Finding(False, {"error": str(error)})
        state = FaultState.EFFECTIVE if finding.holds else FaultState.NO_EFFECT
        self._tell(state, record, finding.evidence, finding.at_ns)
        return finding

    def await_end(self) -> None:
        """Waits until the fault is over by itself or its time is up, then reverts it, so that the end is certain."""
        fault, record = self._injected()
        remaining_s = (record.expires_at_ns - time.time_ns()) / 1e9
        wait_until(lambda: self._has_ended(fault, record), remaining_s + _EXPIRY_GRACE_S, poll_s=self._platform.poll_s)
        self._revert(record)

    def hurry(self) -> None:
        """From now on a revert waits for its proof only shortly: somebody asked for the end."""
        self._hurried = True

    def revert(self) -> None:
        """Reverts what is open, waits for the proof, closes the record; does nothing when there is nothing to revert.

        Raises:
            NotReverted: it could not be proven in time; the record stays open for the reaper.
        """
        record = self._record
        if record is None or FaultState.PROVEN in self.states:
            return
        try:
            if FaultState.REVERTED not in self.states:
                self._revert(record)
            patience_s = (_HURRIED_PATIENCE_S if self._hurried else _PATIENCE_S) + self._platform.settle_s
            prove_and_close(
                self.context.ledger,
                record,
                by=_BY,
                patience_s=patience_s,
                note=self.notes,
                outage_s=0.0 if self._hurried else _OUTAGE_S,
            )
            self.states.append(FaultState.PROVEN)
        except GamedayError as error:
            if self._hurried and self._fault and self._fault.heals_by_itself:
                return  # nothing is left to undo, and the reaper sees to the proof
            self._tell(FaultState.NOT_REVERTED, record, {"reason": str(error)})
            raise NotReverted(str(error)) from error

    @cached_property
    def _platform(self) -> Platform:
        """Opened when it is needed first, so that a cluster out of reach refuses the fault like any other reason."""
        context = self.context
        return platform_of(context.platform, context.state_file, f"gameday-{context.run_id}-{context.fault_id}")

    @property
    def events(self) -> FaultEvents:
        """Where the events of this operation go."""
        return self._events(self._fault.name if self._fault else "")

    def _inject(self, fault: Fault, options: Mapping[str, Any], injection: Injection) -> Record:
        with held_signals():
            record = self._new_record(fault, options, injection)
            self.context.ledger.open_record(record)
            self._fault, self._record = fault, record
            try:
                self.context.ledger.ensure_reaper(record)
                injection.means.apply((record.expires_at_ns - time.time_ns()) / 1e9)
            except FaultRefused:
                self.context.ledger.close_record(record)
                self._fault = self._record = None
                raise
            self._tell(FaultState.INJECTED, record, {"incarnation": _incarnations(record)})
        return record

    def _new_record(self, fault: Fault, options: Mapping[str, Any], injection: Injection) -> Record:
        now_ns = time.time_ns()
        return Record(
            run_id=self.context.run_id,
            fault_id=self.context.fault_id,
            fault=fault.name,
            experiment=self.context.experiment,
            options=dict(options),
            platform=self._platform.reference(),
            targets=injection.targets,
            originals=dict(injection.originals),
            injected_at_ns=now_ns,
            expires_at_ns=now_ns + round(fault.expires_after_s * 1e9),
            owner=self.context.ledger.owner(),
            run_directory=str(self.context.run_directory) if self.context.run_directory else None,
        )

    def _revert(self, record: Record) -> None:
        """Reverts; an API server that is away is waited for, since nobody else could revert without it either."""
        ends_s = time.monotonic() + _OUTAGE_S
        while True:
            try:
                with held_signals():
                    revert(record, by=_BY)
                    self.states.append(FaultState.REVERTED)
                return
            except ClusterUnreachable:
                if self._hurried or time.monotonic() >= ends_s:
                    raise
            time.sleep(_RETRY_S)

    def _has_ended(self, fault: Fault, record: Record) -> bool:
        try:
            return fault.has_ended(self._platform, record)
        except GamedayError:
            return False  # what cannot be seen is waited for until the time is up

    def _injected(self) -> tuple[Fault, Record]:
        if self._fault is None or self._record is None:
            raise HarnessDefect("no fault was injected in this experiment; its first action has to be `inject`")
        return self._fault, self._record

    def _tell(self, state: FaultState, record: Record, evidence: Evidence, at_ns: int | None = None) -> None:
        self.states.append(state)
        self.events.write(state, target=record.target_label, evidence=evidence, at_ns=at_ns)

    def _events(self, fault: str) -> FaultEvents:
        context = self.context
        return FaultEvents(context.run_directory, context.fault_id, fault, context.experiment)


def _incarnations(record: Record) -> str:
    return ", ".join(target.incarnation for target in record.targets)
