"""Judges one level: did the target keep its SLO with so many users, or arrivals, and was it really so many?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from analysis.arrivals import MOST_LATE, arrival_accounts, arrival_counts, levels_begun, off_schedule, short_of
from analysis.evidence import NS, Counts, Evidence, Mask, Window
from analysis.figures import good_share
from analysis.generator import generator_health, left_out
from analysis.intervals import CONFIDENCE, ShareInterval, share_interval
from analysis.littles_law import unexplained_share
from analysis.slo import decide, samples_needed
from analysis.suspicion import find_suspicion
from analysis.verdict import ArrivalAccounts, Estimate, State
from analysis.words import bounds, decimals_for, percent
from journal.capacity import LOOKS
from journal.outcomes import Kind
from journal.timeline import LOST_AFTER_S, Event, EventKind, FaultState

LEVEL_CONFIDENCE = 1 - (1 - CONFIDENCE) / len(LOOKS)
"""Of each look's bounds, so that all looks at a level together err no more often than one look at 95 % would."""

MOST_UNEXPLAINED = 0.05
_USERS_AWAY = 0.02
ALL = "all requests"


class LevelState(StrEnum):
    """What one visit to a level says. `UNFIT`: nothing about the target, the load was not what it should have been."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    OPEN = "open"
    UNFIT = "unfit"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit to the level of `n` users, or arrivals/s: `seconds` from `begin_s` on (since the load began).

    Of these seconds the few that the generator spoiled are left out, as in every run. `good_share` and `p95_ms` are of
    all requests; `subject` with `subject_share` is what decided, the endpoint nearest to its limit or farthest beyond
    it. The bounds of shares hold at `LEVEL_CONFIDENCE`. `unexplained`: see `analysis.littles_law`. Of arrivals
    `unstarted` and `late` are the shares that no user took, and that began late.
    """

    n: int
    state: str
    reason: str
    begin_s: float
    seconds: int
    users: float
    rate_per_s: float
    mean_ms: float | None
    p95_ms: float | None
    good_share: Estimate
    subject: str
    subject_share: Estimate
    unexplained: float | None = None
    unstarted: float | None = None
    late: float | None = None

    @property
    def drowned(self) -> bool:
        """Whether most of what was asked for came late or not at all: more time would only do more harm."""
        high = self.subject_share.high
        return self.state == LevelState.FAIL and high is not None and high < 0.5


@dataclass(frozen=True, slots=True)
class _Subject:
    """Something whose share of bad requests is judged; one that is rare can fail a level, but need not pass."""

    name: str
    interval: ShareInterval
    budget: float
    rare: bool

    @property
    def state(self) -> State:
        return decide(self.interval, self.budget)

    @property
    def distance(self) -> float:
        """How far the bad share lies above its budget, in budgets."""
        return (self.interval.value - self.budget) / self.budget


def judge_level(evidence: Evidence, window: Window, n: int, fault_id: str = "") -> Visit:
    """The visit to the level `n` that was measured in `window`, with the fault `fault_id` held, if any."""
    seen = replace(evidence, load=window)
    suspicion = find_suspicion(seen)
    health = generator_health(seen, suspicion)
    within = seen.in_load & ~left_out(health, suspicion)
    rows = seen.rows(Kind.REQUEST)
    subjects = list(_subjects(seen, rows, within))
    state, decisive = _decided(subjects)
    arrivals = arrival_accounts(seen, arrival_counts(seen), ~within)
    doubt = health.reason if health.suspect else _doubt(seen, window, n, fault_id)
    doubt = doubt or _doubt_about_arrivals(seen, window, n, arrivals, state)
    pool, seconds = subjects[0], int(np.count_nonzero(within))
    times = seen.columns.histogram(rows, name=seen.histogram_of(Kind.REQUEST), within=within)
    known = len(times) > 0
    return Visit(
        n=n,
        state=LevelState.UNFIT if doubt else state,
        reason=_with_silence(seen, window, doubt) if doubt else _words(decisive, seen.manifest.plan.slo.threshold_ms),
        begin_s=evidence.elapsed_s(window.begin_ns),
        seconds=int(np.count_nonzero(seen.in_load)),
        users=float(seen.columns.users[within].mean()) if seconds else 0.0,
        rate_per_s=pool.interval.samples / seconds if seconds else 0.0,
        mean_ms=times.mean_us() / 1000 if known else None,
        p95_ms=times.quantile_us(0.95) / 1000 if known else None,
        good_share=good_share(pool.interval),
        subject=decisive.name,
        subject_share=good_share(decisive.interval),
        unexplained=unexplained_share(seen),
        unstarted=None if arrivals is None else arrivals.unstarted_share,
        late=None if arrivals is None else arrivals.late_share,
    )


def _subjects(seen: Evidence, rows: list[int], within: Mask) -> Iterator[_Subject]:
    """All requests, then each endpoint, then the availability, of which a level is too short to ask for a pass."""
    slo = seen.manifest.plan.slo
    budget = 1 - slo.good_share
    fewest = samples_needed(budget, confidence=LEVEL_CONFIDENCE)

    def counted(name: str, harm: Counts, chosen: list[int], budget: float, needed: float) -> _Subject:
        n, bad = seen.samples[chosen].sum(axis=0)[within], harm[chosen].sum(axis=0)[within]
        return _Subject(name, share_interval(bad, n, LEVEL_CONFIDENCE), budget, int(n.sum()) < needed)

    yield counted(ALL, seen.bad, rows, budget, 0)
    for row in rows:
        if seen.samples[row][within].any():
            yield counted(seen.columns.endpoints[row].name, seen.bad, [row], budget, fewest)
    yield counted("availability", seen.failed, rows, 1 - slo.availability, float("inf"))


def _decided(subjects: list[_Subject]) -> tuple[LevelState, _Subject]:
    """The state of the level and who is to blame; where nobody is, whoever came nearest to it."""
    for state, level_state in ((State.FAIL, LevelState.FAIL), (State.INCONCLUSIVE, LevelState.OPEN)):
        found = [s for s in subjects if s.state is state and (state is State.FAIL or not s.rare)]
        if found:
            return level_state, max(found, key=lambda subject: subject.distance)
    return LevelState.PASS, max((s for s in subjects if not s.rare), key=lambda subject: subject.distance)


def _doubt(seen: Evidence, window: Window, n: int, fault_id: str) -> str:
    """Why this level says nothing about the target; empty when it does."""
    users, is_open = seen.columns.users[seen.in_load], seen.manifest.plan.load.arrivals is not None
    if not is_open and (users.size == 0 or abs(float(users.mean()) - n) > _USERS_AWAY * n):
        return f"{float(users.mean()) if users.size else 0:.1f} users were there instead of {n}"
    unexplained = unexplained_share(seen)
    if unexplained is not None and abs(unexplained) > MOST_UNEXPLAINED:
        return (
            f"Little's law leaves {unexplained:.0%} of the users' time unexplained "
            f"(limit {MOST_UNEXPLAINED:.0%}): the generator did not apply the load"
        )
    if fault_id and not _held(seen.events, fault_id, window):
        return f"the fault {fault_id} was not in force all the time"
    return ""


def _with_silence(seen: Evidence, window: Window, doubt: str) -> str:
    """The doubt, after the workers that were silent while the level was measured: they explain it."""
    silent = sorted(
        {
            str(event.data.get("worker"))
            for event in seen.events_of(EventKind.WORKER)
            if event.at_ns > window.begin_ns and event.at_ns - _silent_ns(event) < window.end_ns
        }
    )
    return f"{', '.join(silent)} fell silent; {doubt}" if silent else doubt


def _silent_ns(event: Event) -> float:
    """For how long a worker had said nothing when this was written; minus infinity: it had not been silent."""
    silent_s = LOST_AFTER_S if event.data.get("state") == "lost" else event.data.get("silent_s")
    return silent_s * NS if isinstance(silent_s, int | float) else -float("inf")


def _doubt_about_arrivals(
    seen: Evidence, window: Window, n: int, arrivals: ArrivalAccounts | None, state: LevelState
) -> str:
    """Why an open level says nothing about the target; empty when it does, or the level is one of users.

    What fails with fewer arrivals than were planned fails with all of them.
    """
    if seen.manifest.plan.load.arrivals is None:
        return ""
    begun = [one.rate_per_s for one in levels_begun(seen) if one.begin_ns <= window.begin_ns]
    if arrivals is None or not arrivals.judged or not begun or begun[-1] != n:
        return f"no {n} arrivals/s were planned while it was measured"
    fails_anyway = state is LevelState.FAIL and short_of(arrivals) and arrivals.late_share <= MOST_LATE
    return "" if fails_anyway else off_schedule(arrivals)


def _held(events: tuple[Event, ...], fault_id: str, window: Window) -> bool:
    """Whether a fault's effect was seen before the window began, and the fault was reverted only after its end."""
    own = [event for event in events if event.kind is EventKind.FAULT and event.data.get("fault_id") == fault_id]
    seen = any(event.data.get("state") == FaultState.EFFECTIVE and event.at_ns <= window.begin_ns for event in own)
    over = (event.at_ns for event in own if event.data.get("state") in {FaultState.REVERTED, FaultState.PROVEN})
    return seen and min(over, default=window.end_ns) >= window.end_ns


def _words(subject: _Subject, threshold_ms: float) -> str:
    estimate, decimals = good_share(subject.interval), decimals_for(1 - subject.budget)
    if estimate.value is None:
        return "no request was measured"
    what = "answered well" if subject.name == "availability" else f"under {threshold_ms:g} ms"
    known = "" if estimate.low is None else f" ({bounds(estimate, decimals)})"
    return f"{subject.name}: {percent(estimate.value, decimals)} % {what}{known}"
