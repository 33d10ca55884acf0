"""Which fault explains a request that got no answer."""

import re
from collections.abc import Sequence

from analysis.evidence import Evidence
from analysis.fault_story import FaultStory
from analysis.verdict import CutRequest
from journal.failures import Failure
from journal.outcomes import Kind, Outcome
from journal.plan_storms import cut_by
from journal.timeline import FaultState

CUT_LATE_S = 2.0  # a request may be found cut this long after a kill: its connection is known dead on the next use
EARLY_S = 0.25  # the injection is written down when it is done, so its effects may be a little older

_CUT = frozenset(outcome.name for outcome in Outcome if not outcome.answered)


def attributed_cuts(evidence: Evidence, stories: Sequence[FaultStory]) -> list[CutRequest]:
    """Every request that got no answer, with the fault that explains it."""
    return [
        CutRequest(
            at_s=evidence.elapsed_s(failure.at_ns),
            journey=failure.journey,
            name=failure.name,
            outcome=Outcome[failure.outcome].label,
            detail=failure.detail,
            fault_id=next((s.id for s in stories if _explains(s, failure, evidence.elapsed_s(failure.at_ns))), ""),
        )
        for failure in evidence.failures
        if failure.kind == Kind.REQUEST.name and failure.outcome in _CUT
    ]


def _explains(story: FaultStory, failure: Failure, at_s: float) -> bool:
    """A kill explains what was cut from its injection to 2 s after its effect, on connections to the killed replica.

    Any other fault explains requests that timed out between its injection and its end; a storm what it cut itself.
    """
    if story.injected_s is None or at_s < story.injected_s - EARLY_S:
        return False
    if story.kind == "storm":
        return failure.detail == cut_by(story.id)
    if story.kills:
        effective_s = story.at(FaultState.EFFECTIVE)
        in_time = at_s <= (story.injected_s if effective_s is None else effective_s) + CUT_LATE_S
        return in_time and _same_process(failure.served_by, story.target)
    return failure.outcome == Outcome.TIMEOUT.name and (story.over_s is None or at_s <= story.over_s + CUT_LATE_S)


def _same_process(served_by: str, target: str) -> bool:
    """Whether "api-0@123" names a process of the target "api-0 (pid 123)"; nothing known contradicts nothing."""
    name, _, pid = served_by.partition("@")
    words = set(re.findall(r"[\w.-]+", target))
    pids = {word for word in words if word.isdigit()}
    return not served_by or not target or (name in words and (not pid or not pids or pid in pids))
