"""The one schedule of an open model: every intended start, numbered from 0, as a function of the plan and its seed.

Nothing here has a clock or sleeps. Each worker computes the whole schedule and takes its share of the numbers; the
judgement computes it again to know what was planned. Blocks of random numbers are addressed by their place, so that
any of them can be computed without those before, and come from the raw stream of a counter-based generator, which
numpy keeps the same in all its versions.
"""

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from journal.capacity import Search
from journal.plan import Arrivals, ArrivalStage, Plan
from journal.plan_shapes import Curve, Times
from journal.recorded_arrivals import offsets_s_of

BLOCK = 4096
_GAPS, _CHOICES = 1, 2  # one stream for each use, so that the choices do not depend on the process
_NS = 1_000_000_000


def uniforms(seed: int, stream: int, block: int, count: int = BLOCK) -> Times:
    """The first numbers of a block, each in [0, 1), by seed and stream."""
    key = np.array([seed % 2**64, stream], dtype=np.uint64)
    raw = np.random.Philox(key=key, counter=np.array([0, block, 0, 0], dtype=np.uint64)).random_raw(count)
    return np.asarray((raw >> np.uint64(11)) * 2.0**-53)


class Pacer(Protocol):
    """Turns the numbers of arrivals into moments."""

    total: int

    def block(self, number: int) -> Times:
        """The moments in s, ascending, of the arrivals `number` · BLOCK and following, at most BLOCK of them."""

    def index_at(self, at_s: float) -> int:
        """The number of the first arrival at or after a moment."""


class ConstantPacer:
    """Even arrivals: the k-th comes when the curve's integral reaches k + ½."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve
        self.total = self._due(curve.total)

    def block(self, number: int) -> Times:
        """The moments of one block."""
        numbers = np.arange(number * BLOCK, min(self.total, (number + 1) * BLOCK))
        return self._curve.inverse(np.asarray(numbers + 0.5, dtype=np.float64))

    def index_at(self, at_s: float) -> int:
        """The number of the first arrival at or after a moment."""
        return min(self.total, self._due(float(self._curve.cumulative(np.array([at_s]))[0])))

    @staticmethod
    def _due(amount: float) -> int:
        return max(0, math.ceil(amount - 0.5))


class PoissonPacer:
    """Random arrivals: the distances between them, measured by the curve's integral, are exponential with mean 1."""

    def __init__(self, curve: Curve, seed: int) -> None:
        self._curve = curve
        self._seed = seed
        self._sums = [0.0]  # where each block begins, as far as known
        while self._sums[-1] < curve.total:
            self._sums.append(float(self._amounts(len(self._sums) - 1)[-1]))
        last = max(0, len(self._sums) - 2)
        self.total = last * BLOCK + int(np.searchsorted(self._amounts(last), curve.total, side="left"))

    def _amounts(self, number: int) -> Times:
        gaps = -np.log1p(-uniforms(self._seed, _GAPS, number))
        return np.asarray(np.cumsum(np.concatenate(([self._sums[number]], gaps)))[1:])

    def block(self, number: int) -> Times:
        """The moments of one block."""
        return self._curve.inverse(self._amounts(number)[: max(0, self.total - number * BLOCK)])

    def index_at(self, at_s: float) -> int:
        """The number of the first arrival at or after a moment."""
        amount = float(self._curve.cumulative(np.array([at_s]))[0])
        number = min(max(0, bisect.bisect_left(self._sums, amount) - 1), max(0, len(self._sums) - 2))
        return min(self.total, number * BLOCK + int(np.searchsorted(self._amounts(number), amount, side="left")))


class RecordedPacer:
    """Arrivals at the moments of a recording."""

    def __init__(self, offsets_s: Times) -> None:
        self._offsets_s = offsets_s
        self.total = offsets_s.size

    def block(self, number: int) -> Times:
        """The moments of one block."""
        return self._offsets_s[number * BLOCK : (number + 1) * BLOCK]

    def index_at(self, at_s: float) -> int:
        """The number of the first arrival at or after a moment."""
        return int(np.searchsorted(self._offsets_s, at_s, side="left"))


@dataclass(frozen=True, slots=True)
class Block:
    """Some arrivals: their numbers, intended starts in ns since the begin, and a choice in [0, 1) for each."""

    index: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    choice: Times


class ArrivalSchedule:
    """All arrivals of a plan."""

    def __init__(self, arrivals: Arrivals, seed: int) -> None:
        self._pacer = pacer_of(arrivals, seed)
        self._seed = seed

    @property
    def total(self) -> int:
        """How many arrivals there are."""
        return self._pacer.total

    def index_at(self, at_s: float) -> int:
        """The number of the first arrival at or after a moment, in s since the begin."""
        return self._pacer.index_at(at_s)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The arrivals from number `first` on, in order."""
        for number in range(first // BLOCK, -(-self.total // BLOCK)):
            at_ns = np.round(self._pacer.block(number) * _NS).astype(np.int64)
            index = number * BLOCK + np.arange(at_ns.size)
            choice = uniforms(self._seed, _CHOICES, number, at_ns.size)
            kept = slice(max(0, first - number * BLOCK), None)
            yield Block(index[kept], at_ns[kept], choice[kept])

    def per_second(self, begin_ns: int, first_second: int, seconds: int, end_ns: int) -> NDArray[np.int64]:
        """How many arrivals fall into each of `seconds` epoch seconds, when it begins at `begin_ns`; shape (seconds,).

        Arrivals at or after `end_ns` are not counted.
        """
        counts = np.zeros(seconds, dtype=np.int64)
        for block in self.blocks():
            at_ns = begin_ns + block.at_ns
            if at_ns[0] >= end_ns:
                break
            second = at_ns[at_ns < end_ns] // _NS - first_second
            counts += np.bincount(second[(second >= 0) & (second < seconds)], minlength=seconds)
        return counts


def level_schedule(plan: Plan, search: Search, level: int, rate_per_s: float) -> ArrivalSchedule:
    """The arrivals of one level of a search, by the process of the plan; each level has random numbers of its own."""
    assert plan.load.arrivals is not None, "only a search in arrivals has them"
    stage = ArrivalStage(rate_per_s=rate_per_s, duration_s=search.longest_level_s)
    return ArrivalSchedule(replace(plan.load.arrivals, stages=(stage,)), plan.seed + level)


def pacer_of(arrivals: Arrivals, seed: int) -> Pacer:
    """The pacer of a plan's arrivals."""
    if arrivals.process == "recorded":
        return RecordedPacer(offsets_s_of(arrivals.recording))
    return PoissonPacer(arrivals.curve, seed) if arrivals.process == "poisson" else ConstantPacer(arrivals.curve)
