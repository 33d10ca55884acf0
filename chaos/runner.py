"""Runs one experiment on chaoslib and judges it by what happened, not by chaoslib's status."""

# ruff: noqa: ARG002  # chaoslib gives its event handlers more than they need

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.experiment import run_experiment
from chaoslib.run import RunEventHandler

from chaos.experiment import Experiment
from chaos.interruption import Interruption
from chaos.operation import Operation
from journal.errors import FaultRefused, NotReverted
from journal.exit_codes import ExitCode, gravest
from journal.timeline import FaultState

_ALWAYS = {"runtime": {"rollbacks": {"strategy": "always"}}}


@dataclass(kw_only=True)
class Observations:
    """What chaoslib did; `journal` is its own account, None when it broke off."""

    met_before: bool | None = None
    met_after: bool | None = None
    failures: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    interrupted_by: str | None = None
    journal: Mapping[str, Any] | None = None


def run_and_revert(experiment: Experiment, operation: Operation, interruption: Interruption) -> Observations:
    """Runs the experiment in the main thread; whatever happens, the fault is reverted before this returns, or tried to.

    The steps of the fault are in the operation's states and in the timeline.
    """
    seen = Observations()
    try:
        seen.journal = run_experiment(
            experiment.document,
            settings=_ALWAYS,
            experiment_vars=(dict(experiment.overrides), {}),
            event_handlers=[_Observer(experiment, operation, interruption, seen)],
        )
    except (KeyboardInterrupt, InterruptExecution):
        pass  # the signal is noted in `interruption`
    except Exception as error:  # noqa: BLE001  # chaoslib lets errors of tolerances escape, past the rollbacks
        seen.failures.append(repr(error))
    interruption.shield()
    seen.interrupted_by = interruption.signal
    _revert_what_is_left(operation, interruption)
    return seen


def judge(operation: Operation, seen: Observations) -> ExitCode:
    """0 only when the fault was injected, had its effect, is proven to be reverted, and the steady state was met."""
    codes: list[int] = []
    if operation.refusal and seen.met_before is not False:
        codes.append(operation.refusal.exit_code)
    if seen.met_before is False or seen.met_after is False:
        codes.append(ExitCode.FAIL)
    if seen.interrupted_by:
        codes.append(ExitCode.INTERRUPTED)
    if FaultState.INJECTED in operation.states and FaultState.EFFECTIVE not in operation.states:
        codes.append(ExitCode.INCONCLUSIVE)
    if FaultState.NOT_REVERTED in operation.states:
        codes.append(ExitCode.NOT_REVERTED)
    if seen.failures or not (codes or FaultState.PROVEN in operation.states):
        codes.append(ExitCode.HARNESS_DEFECT)
    return gravest(*codes)


def _revert_what_is_left(operation: Operation, interruption: Interruption) -> None:
    """For experiments without rollbacks, and for rollbacks that never ran."""
    if FaultState.NOT_REVERTED in operation.states:
        return  # tried in vain; the reaper goes on trying
    if interruption.signal:
        operation.hurry()
    try:
        operation.revert()
    except NotReverted:
        return  # it is among the operation's states


class _Observer(RunEventHandler):  # type: ignore[misc]  # chaoslib publishes no types
    """Notes what chaoslib's own status leaves out, and takes the signals back from it."""

    def __init__(
        self, experiment: Experiment, operation: Operation, interruption: Interruption, seen: Observations
    ) -> None:
        self._fault = experiment.fault.name
        self._operation = operation
        self._interruption = interruption
        self._seen = seen

    def started(self, experiment: object, journal: object) -> None:
        self._interruption.install()

    def hypothesis_before_completed(self, experiment: object, state: Mapping[str, Any] | None, journal: object) -> None:
        self._seen.met_before = self._is_met("before", state)
        if not self._seen.met_before:
            self._operation.refuse(self._fault, FaultRefused("the steady state was not met before"))

    def hypothesis_after_completed(self, experiment: object, state: Mapping[str, Any] | None, journal: object) -> None:
        self._seen.met_after = self._is_met("after", state)

    def activity_completed(self, activity: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        told_otherwise = "tolerance" in activity or FaultState.NOT_REVERTED in self._operation.states
        if run.get("status") == "failed" and not told_otherwise:
            self._seen.failures.append(f"{activity.get('name')}: {_reason(run)}")

    def start_rollbacks(self, experiment: object) -> None:
        self._interruption.shield()
        if self._interruption.signal:
            self._operation.hurry()

    def _is_met(self, when: str, state: Mapping[str, Any] | None) -> bool:
        if state is None or state["steady_state_met"]:
            self._operation.notes[f"steady_state_{when}"] = "met"
            return True
        probe = state["probes"][-1]
        message = f"steady state not met {when}: {probe['activity']['name']}: {_reason(probe)}"
        self._operation.notes[f"steady_state_{when}"] = "not met"
        self._operation.events.warn(message)
        self._seen.unmet.append(message)
        return False


def _reason(run: Mapping[str, Any]) -> str:
    """The last line of an activity's exception, or what it returned."""
    exception = run.get("exception")
    return str(exception[-1]).strip() if exception else f"found {run.get('output')!r}"
