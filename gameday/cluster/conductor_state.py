"""How the conductor of a run stands, as far as its pod tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gameday.cluster.names import RunNames
from gameday.cluster.run import CONDUCTOR, component
from journal.exit_codes import ExitCode
from probes.kubernetes_api import Json

_SIGNALS_FROM = 128
# what a conductor's verdict alone can say is said again, with better data, by the verdict made here
_OF_A_VERDICT = {ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE, ExitCode.ABORTED_BY_GUARD, ExitCode.NOT_REVERTED}


class Standing(StrEnum):
    """Where it is on its way."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Conductor:
    """The conductor's pod; `exit_code` is None as long as it runs, and when nobody saw its end."""

    standing: Standing
    pod: str = ""
    exit_code: int | None = None
    reason: str = ""

    @property
    def own_code(self) -> ExitCode:
        """What the conductor had to say beyond its verdict; PASS for nothing."""
        code = self.exit_code
        if code is None or code > _SIGNALS_FROM + 2 or code in _OF_A_VERDICT:
            return ExitCode.PASS
        return ExitCode(code) if code in set(ExitCode) else ExitCode.HARNESS_DEFECT

    @property
    def was_cut_off(self) -> bool:
        """Whether it ended without a word of its own: killed, out of memory, its pod removed."""
        return self.standing is Standing.ENDED and (self.exit_code is None or self.exit_code > _SIGNALS_FROM + 2)


def conductor_of(pods: Iterable[Json], job: Json | None) -> Conductor:
    """The conductor among the pods of a run; one whose pod is gone for good has ended."""
    pod = next((found for found in pods if component(found) == CONDUCTOR), None)
    if pod is None:
        return Conductor(Standing.ENDED if job is None or has_finished(job) else Standing.WAITING)
    name, status = pod["metadata"]["name"], pod.get("status", {})
    states = [container.get("state", {}) for container in status.get("containerStatuses") or ()]
    terminated = next((state["terminated"] for state in states if "terminated" in state), None)
    if terminated is not None:
        return Conductor(Standing.ENDED, name, int(terminated["exitCode"]), str(terminated.get("reason", "")))
    if status.get("phase") in {"Succeeded", "Failed"}:
        return Conductor(Standing.ENDED, name, None, str(status.get("reason", "")))
    running = any("running" in state for state in states)
    return Conductor(Standing.RUNNING if running else Standing.WAITING, name)


def has_finished(job: Json) -> bool:
    """Whether the Job will start no pod any more."""
    conditions = job.get("status", {}).get("conditions") or ()
    ends = {"Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"}
    return any(found.get("type") in ends and found.get("status") == "True" for found in conditions)


def pod_path(names: RunNames, pod: str) -> str:
    """The API's path of a pod by its full name."""
    return f"{names.path('pods')}/{pod}"
