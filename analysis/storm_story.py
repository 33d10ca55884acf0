"""What the timeline tells of each storm, folded into the story that faults have."""

from collections.abc import Mapping
from typing import Any

from analysis.evidence import Evidence
from analysis.fault_story import FaultStory
from analysis.words import counted
from journal.plan import PlannedFault
from journal.plan_storms import Storm
from journal.timeline import Event, EventKind, FaultState

_TOLD = ("users", "chosen", "hit", "connections", "websockets", "tokens", "refused", "back", "gone", "unaware")
Numbers = Mapping[str, int]


def storm_stories(evidence: Evidence) -> list[FaultStory]:
    """One story per storm of the plan."""
    plan = evidence.manifest.plan
    judged = plan.disturbances[len(plan.faults) :]
    events = evidence.events_of(EventKind.STORM)
    return [
        _story(evidence, storm, planned, [event for event in events if event.data.get("storm_id") == storm.id])
        for storm, planned in zip(plan.load.storms, judged, strict=True)
    ]


def _story(evidence: Evidence, storm: Storm, planned: PlannedFault, events: list[Event]) -> FaultStory:
    begun, over = ([event for event in events if event.data.get("state") == state] for state in ("begun", "over"))
    told = {name: sum(_number(event.data, name) for event in (*begun, *over)) for name in _TOLD}
    story = FaultStory(
        id=storm.id,
        kind="storm",
        experiment=storm.name,
        fault=storm.name,
        target=storm.words,
        planned_s=storm.at_s,
        plan=planned,
        evidence={**_in_words(told), **dict(filter(None, map(_on_worker, over)))},
        failure=_failure(storm, told),
    )
    if not begun:
        return story
    began_s = min(evidence.elapsed_s(event.at_ns) for event in begun)
    story.times_s[FaultState.INJECTED] = began_s
    if {event.data.get("worker") for event in begun} - {event.data.get("worker") for event in over}:
        return story  # a worker has not told the end of it
    ended_s = max(evidence.elapsed_s(event.at_ns) for event in over)
    story.times_s[FaultState.EFFECTIVE if told["hit"] else FaultState.NO_EFFECT] = began_s
    story.times_s[FaultState.REVERTED] = ended_s
    if not told["unaware"] and not story.failure:
        story.times_s[FaultState.PROVEN] = ended_s
    return story


def _failure(storm: Storm, told: Numbers) -> str:
    """Why the target has failed in it: users who tried to come back, and could not."""
    out = told["hit"] - told["back"] - told["gone"] - told["unaware"]
    return f"left {counted(out, 'user')} out of {told['hit']} out after {storm.over_within_s:g} s" if out > 0 else ""


def _in_words(told: Numbers) -> dict[str, str]:
    words = {"users hit": f"{told['hit']} of {told['users']}", "users back": f"{told['back']} of {told['hit']}"}
    names = {
        "connections": "keep-alive connections dropped",
        "websockets": "WebSockets dropped",
        "tokens": "logins expired",
        "refused": "requests refused for it",
        "gone": "left the run meanwhile",
        "unaware": "did not use their login until its end",
    }
    return words | {text: str(told[name]) for name, text in names.items() if told[name]}


def _on_worker(event: Event) -> tuple[str, str]:
    hit, back = (_number(event.data, name) for name in ("hit", "back"))
    return str(event.data.get("worker")), f"{counted(hit, 'user')} hit, {back} back"


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
