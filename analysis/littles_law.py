"""Little's law as a check of the generator: N users spend N seconds each second, waiting for answers or thinking.

With X requests a second, a mean response time R and a mean pause Z, N = X·(R + Z). Summed over a window of T seconds,
N·T = ΣR + ΣZ, where both sums were recorded by the users themselves. What is left over is time in which users did
neither: they were ready, and the generator did not let them run.
"""

import numpy as np

from analysis.evidence import Evidence, Mask
from journal.outcomes import Kind, Outcome


def unexplained_share(seen: Evidence, within: Mask | None = None) -> float | None:
    """(N·T − ΣR − ΣZ) / (N·T) over the load phase of `seen`, or the seconds `within`, shape (S,).

    None where the pauses were not recorded, and of an open model, in which users wait for arrivals too.

    An answer or pause counts where it ended or began, so that those which cross an edge of the window are counted in
    full or not at all; over many of them that evens out.
    """
    within = seen.in_load if within is None else within
    user_s = float(seen.columns.users[within].sum())
    pauses_s = _total_s(seen, seen.rows(Kind.GENERATOR), within)
    if seen.manifest.plan.load.arrivals is not None or not user_s or not pauses_s:
        return None
    return (user_s - pauses_s - _total_s(seen, _waiting(seen), within)) / user_s


def _waiting(seen: Evidence) -> list[int]:
    """The rows of what a user waits for; other messages, such as first events, are part of a request."""
    messages = [row for row in seen.rows(Kind.MESSAGE) if seen.columns.endpoints[row].name.startswith("WS ")]
    return [*seen.rows(Kind.REQUEST), *messages]


def _total_s(seen: Evidence, rows: list[int], within: Mask) -> float:
    times = seen.columns.histogram(rows, outcomes=tuple(Outcome), within=within)
    return float(np.nan_to_num(times.mean_us())) * len(times) / 1e6
