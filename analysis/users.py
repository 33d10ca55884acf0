"""Whether the users of a closed model were there: with fewer of them a target looks better than under the planned load.

One that has too few users to wait for it is not judged as if all had come.
"""

import numpy as np

from analysis.evidence import Counts, Evidence, Mask
from journal.plan import Load

MOST_ABSENT = 0.1
"""Of the planned users, as a mean over the load phase."""

_GRACE_S = 3  # users are counted at the end of a second, and take a moment to come


def too_few_users(evidence: Evidence, known: Mask) -> str:
    """How many users there were instead of how many, in words; empty when they were there, or were not planned.

    `known`: the seconds of which every worker's frame is there, shape (S,).
    """
    manifest, within = evidence.manifest, evidence.in_load & known
    if manifest.plan.load.arrivals is not None or manifest.capacity is not None or not within.any():
        return ""
    planned = float(_planned_users(evidence)[within].mean())
    seen = float(evidence.columns.users[within].mean())
    if seen >= (1 - MOST_ABSENT) * planned:
        return ""
    return f"only {seen:.1f} of {planned:.1f} planned users were there on average"


def _planned_users(evidence: Evidence) -> Counts:
    """The least that should have been there at the end of each second, shape (S,)."""
    load = evidence.manifest.plan.load
    at_s = np.floor(evidence.seconds_s + load.warm_up_s).astype(np.int64)
    approached = _approached(load, int(at_s.max(initial=0)) + 1)
    moments = np.clip(at_s[:, None] - np.arange(_GRACE_S + 1), 0, approached.size - 1)
    return np.asarray(approached[moments].min(axis=1))


def _approached(load: Load, length_s: int) -> Counts:
    """The users that can be there after each second of the load: the plan's level, as fast as it lets them come."""
    ends_s = np.cumsum([stage.duration_s for stage in load.stages])
    users, total = np.zeros(length_s, dtype=np.int64), 0.0
    for second in range(length_s):
        stage = load.stages[min(int(np.searchsorted(ends_s, second, side="right")), len(load.stages) - 1)]
        total = min(total + stage.spawn_rate_per_s, load.curve.level(second), load.curve.level(second + 1))
        users[second] = int(total)
    return users
