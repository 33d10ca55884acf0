"""Stops a run that does harm: too large a share of bad answers for too long."""

from dataclasses import dataclass

from gameday.progress import Progress
from journal.plan import Guards


@dataclass(frozen=True)
class Breach:
    """A guard's limit crossed: what was measured, and the limit."""

    guard: str
    measured: float
    limit: float


def breach(guards: Guards, progress: Progress, now_s: float) -> Breach | None:
    """The breach, if the bad share over the last `for_s` whole seconds of the load is above the limit."""
    if progress.load_began_ns is None:
        return None
    # frames reach the master up to two seconds after their second
    end = int(now_s) - 2
    begin = end - int(guards.for_s)
    if begin * 10**9 < progress.load_began_ns:
        return None
    rows = [row for second, row in progress.seconds.items() if begin <= second < end]
    samples = sum(row.samples for row in rows)
    share = sum(row.bad for row in rows) / samples if samples else 0.0
    return Breach("bad-share", share, guards.max_bad_share) if share > guards.max_bad_share else None
