"""What the timeline tells of each storm, folded into the story that faults have."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.evidence import Evidence, Mask
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
    heard = {_worker(event) for event in over}
    untold = [event for event in begun if _worker(event) not in heard]
    story = FaultStory(
        id=storm.id,
        kind="storm",
        experiment=storm.name,
        fault=storm.name,
        target=storm.words,
        planned_s=storm.at_s,
        plan=planned,
        evidence={**_in_words(told, whole=not untold), **dict(map(_on_worker, over)), **dict(map(_untold, untold))},
        failure=_failure(storm, told),
    )
    if not begun:
        return story
    began_s = min(evidence.elapsed_s(event.at_ns) for event in begun)
    story.reached(FaultState.INJECTED, began_s)
    if untold:
        return story
    ended_s = max(evidence.elapsed_s(event.at_ns) for event in over)
    story.reached(FaultState.EFFECTIVE if told["hit"] else FaultState.NO_EFFECT, began_s)
    story.reached(FaultState.REVERTED, ended_s)
    if not told["unaware"] and not story.failure:
        story.reached(FaultState.PROVEN, ended_s)
    return story


def users_away(evidence: Evidence) -> Mask:
    """The seconds in which storms keep users away who come back by and by, shape (S,)."""
    away = np.zeros_like(evidence.in_load)
    for story, storm in zip(storm_stories(evidence), evidence.manifest.plan.load.storms, strict=True):
        if story.injected_s is not None and storm.kind == "reconnect" and storm.spread_s > 0:
            away |= evidence.touching(story.injected_s, story.injected_s + storm.spread_s)
    return away


def _failure(storm: Storm, told: Numbers) -> str:
    """Why the target has failed in it: users who tried to come back, and could not."""
    out = told["hit"] - told["back"] - told["gone"] - told["unaware"]
    return f"left {counted(out, 'user')} out of {told['hit']} out after {storm.over_within_s:g} s" if out > 0 else ""


def _in_words(told: Numbers, *, whole: bool) -> dict[str, str]:
    """Without the sums of users where a worker has not told the end: they would pass for all there was."""
    sums = {"users hit": f"{told['hit']} of {told['users']}", "users back": f"{told['back']} of {told['hit']}"}
    words = sums if whole else {"users chosen": f"{told['chosen']} of {told['users']}"}
    names = {
        "connections": "keep-alive connections dropped",
        "websockets": "WebSockets dropped",
        "tokens": "logins expired",
        "refused": "requests refused for it",
        "gone": "left meanwhile",
        "unaware": "did not use their login until its end",
    }
    return words | {text: str(told[name]) for name, text in names.items() if told[name]}


def _worker(event: Event) -> str:
    return str(event.data.get("worker"))


def _on_worker(event: Event) -> tuple[str, str]:
    hit, back = (_number(event.data, name) for name in ("hit", "back"))
    return _worker(event), f"{counted(hit, 'user')} hit, {back} back"


def _untold(event: Event) -> tuple[str, str]:
    return _worker(event), f"{counted(_number(event.data, 'chosen'), 'user')} chosen; how it ended was not told"


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
