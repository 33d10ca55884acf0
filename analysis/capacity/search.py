"""Decides which level comes next: climb by doubling until one fails, halve the interval, repeat both ends.

Everything here is a function of the visits so far, so that a search can be followed again from its record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.capacity.level import LevelState

MOST_VISITS = 3
_MOST_UNFIT = 3
_MOST_OPEN = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What one visit to the level of `n` users said."""

    n: int
    state: LevelState


@dataclass(frozen=True, slots=True)
class Rules:
    """Where to begin, the highest level there may be, and the width of the interval as a share of its upper end."""

    start: int
    most: int
    resolution: float

    def tolerance(self, upper: int) -> int:
        """The width that is narrow enough, in users."""
        return max(1, int(self.resolution * upper))


@dataclass(frozen=True, slots=True)
class Bracket:
    """The interval as it stands: `passes` users are within the SLO, `fails` are not.

    `passes` 0: no level that was tried is. `fails` None: none that was tried is beyond it; `limit` then says what
    ended the climb: "most", "generator", or "" while it goes on. `confirmed`: both ends were found so twice. `narrow`:
    the interval is no wider than was asked for.
    `open`: levels between them that the evidence does not decide.
    """

    passes: int
    fails: int | None
    confirmed: bool
    narrow: bool
    limit: str
    open: tuple[int, ...]


class _Level:
    """The visits to one level, taken together: the majority of those that decided."""

    def __init__(self, states: Sequence[LevelState]) -> None:
        self.passes = states.count(LevelState.PASS)
        self.fails = states.count(LevelState.FAIL)
        self.unfit = states.count(LevelState.UNFIT)
        self.fit = len(states) - self.unfit

    @property
    def settled(self) -> bool:
        """Whether a repeat could not change anything: two agree, or there have been enough."""
        return max(self.passes, self.fails) >= 2 or self.fit >= MOST_VISITS or self.unusable

    @property
    def unusable(self) -> bool:
        return self.fit == 0 and self.unfit >= _MOST_UNFIT

    @property
    def state(self) -> LevelState:
        """One decided visit counts until it was repeated; after that two have to agree."""
        if self.fit == 0:
            return LevelState.UNFIT
        best, state = max((self.passes, LevelState.PASS), (self.fails, LevelState.FAIL))
        agreed = self.passes != self.fails and (best >= 2 or self.fit < MOST_VISITS)
        return state if agreed else LevelState.OPEN

    @property
    def repeats_left(self) -> bool:
        return not self.settled and self.unfit < _MOST_UNFIT + self.fit


def _levels(seen: Sequence[Seen]) -> dict[int, _Level]:
    return {n: _Level([visit.state for visit in seen if visit.n == n]) for n in sorted({visit.n for visit in seen})}


def _ends(levels: dict[int, _Level]) -> tuple[int, int | None]:
    """The largest level that passes below the smallest that fails, and that one."""
    fails = min((n for n, level in levels.items() if level.state is LevelState.FAIL), default=None)
    passing = (n for n, level in levels.items() if level.state is LevelState.PASS and (fails is None or n < fails))
    return max(passing, default=0), fails


def bracket(rules: Rules, seen: Sequence[Seen]) -> Bracket:
    """The interval after these visits."""
    levels = _levels(seen)
    passes, fails = _ends(levels)
    ends = [levels[n] for n in (passes, fails) if n]
    unusable = any(level.unusable for n, level in levels.items() if n > passes and (fails is None or n < fails))
    limit = "" if fails is not None else "generator" if unusable else "most" if rules.most in levels else ""
    return Bracket(
        passes=passes,
        fails=fails,
        confirmed=bool(ends) and all(max(level.passes, level.fails) >= 2 for level in ends),
        narrow=fails is not None and fails - passes <= rules.tolerance(fails),
        limit=limit,
        open=tuple(
            n
            for n, level in levels.items()
            if level.state in {LevelState.OPEN, LevelState.UNFIT} and passes < n < (fails or n + 1)
        ),
    )


def next_level(rules: Rules, seen: Sequence[Seen]) -> int | None:
    """The level to visit next, or None when the search is over."""
    if not seen:
        return rules.start
    levels = _levels(seen)
    last = levels[seen[-1].n]
    if last.state is LevelState.UNFIT and not last.unusable:
        return seen[-1].n
    passes, fails = _ends(levels)
    wanted = _further(rules, levels, passes, fails)
    return _confirming(levels, passes, fails) if wanted is None else wanted


def _further(rules: Rules, levels: dict[int, _Level], passes: int, fails: int | None) -> int | None:
    """A level that has not been visited: above all others while nothing ends the climb, else amid the widest gap."""
    unusable = min((n for n, level in levels.items() if level.unusable and n > passes), default=None)
    if fails is None and unusable is None:
        highest = max(levels)
        return min(rules.most, 2 * highest) if highest < rules.most else None
    if fails is None and passes:
        return None
    ceiling = unusable if fails is None else fails
    assert ceiling is not None
    between = [n for n in levels if passes < n < ceiling]
    width, lower = max((upper - lower, -lower) for lower, upper in pairwise([passes, *between, ceiling]))
    wanted = ceiling - passes > rules.tolerance(ceiling) and width > 1 and len(between) < _MOST_OPEN
    return -lower + width // 2 if wanted else None


def _confirming(levels: dict[int, _Level], passes: int, fails: int | None) -> int | None:
    """An end of the interval that was seen only once so far, the upper one first."""
    return next((n for n in (fails, passes) if n and levels[n].repeats_left), None)
