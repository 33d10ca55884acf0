"""Why pods of a run do not start: reads what the cluster says about them, and names reason and remedy."""

from collections.abc import Iterator
from dataclasses import dataclass

from probes.kubernetes_api import Json

_IMAGE_REMEDY = "bring the image onto the nodes or into a registry that they reach, and name it with --image"
# a reason given for so long does not pass by itself
_SOON_S, _PULL_S, _SCHEDULE_S, _SCALE_UP_S, _SLOW_S = 3.0, 20.0, 60.0, 300.0, 300.0
_WAITING = {
    "ErrImageNeverPull": (_SOON_S, _IMAGE_REMEDY),
    "InvalidImageName": (_SOON_S, "write the image as NAME:TAG or NAME@DIGEST"),
    "ErrImagePull": (_PULL_S, _IMAGE_REMEDY),
    "ImagePullBackOff": (_PULL_S, _IMAGE_REMEDY),
    "CreateContainerConfigError": (_PULL_S, "see: kubectl describe pod"),
    "CreateContainerError": (_PULL_S, "see: kubectl describe pod"),
    "RunContainerError": (_PULL_S, "see: kubectl describe pod"),
    "CrashLoopBackOff": (_PULL_S, "see: kubectl logs"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps a run from starting; it is fatal once it has lasted `patience_s`."""

    who: str
    reason: str
    message: str
    remedy: str
    patience_s: float

    def __str__(self) -> str:
        return f"{self.who} does not start: {self.reason}: {self.message}".rstrip(": ")


def pod_troubles(pod: Json, *, scaling_up: bool = False) -> Iterator[Trouble]:
    """What keeps one pod from running; nothing about a pod that runs or has ended."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") not in {None, "Pending", "Running"}:
        return
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            patience_s = _SCALE_UP_S if scaling_up else _SCHEDULE_S
            remedy = "free or add room on the nodes, or lower the requests in an --overlay"
            yield Trouble(name, reason, message, remedy, patience_s)
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _WAITING:
            patience_s, remedy = _WAITING[waiting["reason"]]
            message = waiting.get("message") or container.get("image", "")
            yield Trouble(name, waiting["reason"], message, remedy, patience_s)


def refused_pods(events: list[Json], run_id: str) -> Iterator[Trouble]:
    """Pods that the cluster would not even let be made: quotas, admission, pod security."""
    for event in events:
        owner = event.get("involvedObject", {})
        if event.get("reason") == "FailedCreate" and run_id in owner.get("name", ""):
            remedy = "lift what refuses it, or fit the run to it in an --overlay"
            who = f"{owner.get('kind', 'object')} {owner['name']}"
            yield Trouble(who, "the cluster refuses its pods", event.get("message", ""), remedy, _SOON_S)


def is_scaling_up(events: list[Json], pod: Json) -> bool:
    """Whether a node is on its way for a pod that fits on none."""
    name = pod["metadata"]["name"]
    return any(
        event.get("reason") == "TriggeredScaleUp" and event.get("involvedObject", {}).get("name") == name
        for event in events
    )


class Patience:
    """Remembers since when each trouble has been seen."""

    def __init__(self) -> None:
        self._since_s: dict[tuple[str, str], float] = {}

    def exhausted(self, troubles: list[Trouble], now_s: float) -> list[Trouble]:
        """Those that have lasted too long; one that was not seen this time begins anew."""
        self._since_s = {
            (trouble.who, trouble.reason): self._since_s.get((trouble.who, trouble.reason), now_s)
            for trouble in troubles
        }
        return [t for t in troubles if now_s - self._since_s[t.who, t.reason] >= t.patience_s]
