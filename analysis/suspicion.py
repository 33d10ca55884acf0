"""Which seconds of the load the generator may have spoiled itself: it stood still, was held back, saturated, or late.

A suspect second is left out with all that all workers measured in it, so that nobody picks single values.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import NS, Evidence, Mask
from analysis.verdict import SuspectWindow
from journal.histogram import highest_values
from journal.outcomes import Kind
from journal.readings import ReadingSeries

STALL_SHARE_OF_THRESHOLD = 0.5
LAG_SHARE_OF_THRESHOLD = 0.25
LATE_SHARE = 0.05
SATURATED_SHARE = 0.9
SUSTAINED_S = 10
MOST_LEFT_OUT = 0.2
"""Of the load phase; where more is suspect, the rest says too little about it."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The suspect seconds of the load phase, shape (S,), and what is suspect about each stretch of them."""

    seconds: Mask
    windows: tuple[SuspectWindow, ...]
    share: float

    @property
    def few(self) -> bool:
        """Whether they can be left out."""
        return self.share <= MOST_LEFT_OUT


@dataclass(frozen=True, slots=True)
class _Sign:
    """One thing that may spoil seconds: by how much each, shape (S,), 0 where not; and the words for the worst."""

    values: Values
    words: Callable[[float], str]


def find_suspicion(evidence: Evidence) -> Suspicion:
    """The seconds of the load phase in which any sign is seen."""
    signs = [sign for sign in _signs(evidence) if sign.values.any()]
    seconds = np.zeros_like(evidence.in_load)
    for sign in signs:
        seconds |= evidence.in_load & (sign.values > 0)
    known = int(np.count_nonzero(evidence.in_load))
    return Suspicion(
        seconds=seconds,
        windows=tuple(_windows(evidence, seconds, signs)),
        share=int(np.count_nonzero(seconds)) / known if known else 0.0,
    )


def stall_limit_ms(threshold_ms: float) -> float:
    """An answer that took less than half of the threshold cannot have been made slow by a shorter stall."""
    return threshold_ms * STALL_SHARE_OF_THRESHOLD


def lag_limit_ms(threshold_ms: float) -> float:
    """The lag from which on the generator, when it is late again and again, may make answers look slow."""
    return threshold_ms * LAG_SHARE_OF_THRESHOLD


def generators(evidence: Evidence) -> list[ReadingSeries]:
    """The readings of the generator's own processes."""
    return [series for series in evidence.readings if series.role == "generator" and series.at_ns.size > 1]


def used_s(series: ReadingSeries) -> Values:
    """The CPU time that a process used so far, in seconds of all that it may use.

    That is one core, since only one thread of a Python process runs at a time, or less where its limit is tighter; what
    it may use was not on record before the limit was.
    """
    limit = series.cpu_limit_cores[1:]
    allowed = np.where(limit > 0, np.minimum(limit, 1.0), 1.0)
    return np.concatenate(([0.0], np.cumsum(np.diff(series.cpu_s) / allowed)))


def _signs(evidence: Evidence) -> Iterator[_Sign]:
    threshold_ms = evidence.manifest.plan.slo.threshold_ms
    stall_ms, lag_ms = stall_limit_ms(threshold_ms), lag_limit_ms(threshold_ms)
    yield _Sign(_stalls_ms(evidence, stall_ms), lambda ms: f"a loop stood still for {ms / 1000:.1f} s")
    for series in generators(evidence):
        held, busy = f"a CPU quota held {series.subject} back", f"{series.subject} used up its CPU"
        yield _Sign(_held_back_s(evidence, series, stall_ms / 1000), partial(_always, held))
        yield _Sign(_saturated(evidence, series), partial(_always, busy))
    yield _Sign(_late_share(evidence, lag_ms), lambda share: f"{share:.0%} of all turns {lag_ms:g} ms late")


def _always(words: str, _: float) -> str:
    return words


def _windows(evidence: Evidence, seconds: Mask, signs: list[_Sign]) -> Iterator[SuspectWindow]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], seconds, [False])).astype(np.int8))).reshape(-1, 2)
    for begin, end in edges:
        worst = [(sign, float(sign.values[begin:end].max())) for sign in signs]
        yield SuspectWindow(
            begin_s=float(evidence.seconds_s[begin]),
            end_s=float(evidence.seconds_s[end - 1]) + 1,
            reason=", ".join(sign.words(value) for sign, value in worst if value > 0),
        )


def _loop_lags(evidence: Evidence) -> tuple[NDArray[np.int64], Values, NDArray[np.int64]]:
    """Every bucket of the loops' lags: its second (a column), its highest value in ms, its count."""
    table = evidence.columns.histograms
    if "lag" not in table.names:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64)
    chosen = (table.name == table.names.index("lag")) & np.isin(table.endpoint, evidence.rows(Kind.GENERATOR))
    highest_ms = highest_values(table.index[chosen].astype(np.int64)) / 1000
    return table.second[chosen].astype(np.int64), highest_ms, table.count[chosen]


def _stalls_ms(evidence: Evidence, limit_ms: float) -> Values:
    """The longest stall that touches each second.

    A stall is noticed when it is over. What waited for it is counted in that second then, or after one of a second and
    more, when a great deal is due at once, in the next.
    """
    second, lag_ms, _ = _loop_lags(evidence)
    longest = np.zeros(evidence.in_load.size)
    np.maximum.at(longest, second, lag_ms)
    stalls = np.zeros_like(longest)
    for column in np.flatnonzero(longest >= limit_ms):
        whole_s = int(longest[column] // 1000)
        touched = slice(max(0, column - whole_s), column + min(whole_s, 1) + 1)
        stalls[touched] = np.maximum(stalls[touched], longest[column])
    return stalls


def _late_share(evidence: Evidence, limit_ms: float) -> Values:
    """The share of lags at or above the limit in each second, 0 where it is a few."""
    second, lag_ms, count = _loop_lags(evidence)
    size = evidence.in_load.size
    late = np.bincount(second, weights=count * (lag_ms >= limit_ms), minlength=size)
    share = late / np.maximum(np.bincount(second, weights=count, minlength=size), 1)
    return np.where(share > LATE_SHARE, share, 0.0)


def _per_second(evidence: Evidence, series: ReadingSeries, sums: Values) -> Values:
    """What a sum that was read now and then grew by in each second, 0 outside of the readings."""
    if not evidence.in_load.size:
        return np.zeros(0)
    borders_ns = np.append(evidence.columns.seconds, evidence.columns.seconds[-1] + 1) * NS
    return np.asarray(np.diff(np.interp(borders_ns, series.at_ns, sums)), dtype=np.float64)


def _held_back_s(evidence: Evidence, series: ReadingSeries, limit_s: float) -> Values:
    held_s = _per_second(evidence, series, series.throttled_s)
    return np.where(held_s >= limit_s, held_s, 0.0)


def _saturated(evidence: Evidence, series: ReadingSeries) -> Values:
    """1 in the seconds of every stretch of 10 s of which a process used more than 90 %, else 0."""
    used = np.concatenate(([0.0], np.cumsum(_per_second(evidence, series, used_s(series)))))
    saturated = np.zeros(evidence.in_load.size)
    stretches = used[SUSTAINED_S:] - used[:-SUSTAINED_S] if used.size > SUSTAINED_S else np.zeros(0)
    for begin in np.flatnonzero(stretches > SATURATED_SHARE * SUSTAINED_S):
        saturated[begin : begin + SUSTAINED_S] = 1.0
    return saturated
