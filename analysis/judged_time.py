"""Which seconds decide the promises about requests, and what becomes of a decision where seconds were left out."""

from dataclasses import dataclass

import numpy as np

from analysis.evidence import Counts, Evidence, Mask
from analysis.intervals import ShareInterval, share_interval
from analysis.slo import decide
from analysis.verdict import State


@dataclass(frozen=True, kw_only=True)
class JudgedTime:
    """Seconds of the load phase, shape (S,) each: outside and inside of the faults' windows, and left out.

    `left_out`: few seconds in which the generator was suspect. `hopeless`: it was suspect in so many, or altogether,
    that nothing is left out and no slowness can be blamed on the target.
    """

    outside: Mask
    inside: Mask
    left_out: Mask
    hopeless: bool = False

    @property
    def clean(self) -> Mask:
        """The seconds that decide."""
        return self.outside & ~self.left_out

    @property
    def doubted(self) -> bool:
        """Whether the generator has spoiled anything that would have been judged."""
        return self.hopeless or bool((self.outside & self.left_out).any())


def judged_time(evidence: Evidence, touched: Mask, left_out: Mask, *, hopeless: bool) -> JudgedTime:
    """The time of a run whose faults touched some seconds, shape (S,)."""
    load = evidence.in_load
    return JudgedTime(
        outside=load & ~touched,
        inside=load & touched,
        left_out=np.zeros_like(load) if hopeless else load & left_out,
        hopeless=hopeless,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """`interval` is of the seconds that decide; `whole` also of those left out, None when there are none."""

    state: State
    interval: ShareInterval
    whole: ShareInterval | None = None


def decide_promise(time: JudgedTime, budget: float, bad: Counts, n: Counts, answered_badly: Counts) -> Decision:
    """Decides from counts per second, shape (S,): bad operations, all of them, and those that were answered badly.

    The seconds that decide do so by their interval. Whoever leaves seconds out must not turn the answer round: where
    the share of the whole record lies on the other side of the promise, the answer is open. Two things need no trust in
    the generator: what the target answered badly is its own, so that alone may fail it; and slowness never does while
    the generator is hopeless.
    """
    interval = share_interval(bad[time.clean], n[time.clean])
    state = decide(interval, budget)
    if not time.doubted:
        return Decision(state, interval)
    whole = share_interval(bad[time.outside], n[time.outside])
    shown = None if time.hopeless else whole
    if decide(share_interval(answered_badly[time.outside], n[time.outside]), budget) is State.FAIL:
        return Decision(State.FAIL, interval, shown)
    if time.hopeless:
        return Decision(State.INCONCLUSIVE if state is State.FAIL else state, interval)
    agrees = state is (State.FAIL if whole.value > budget else State.PASS)
    return Decision(state if agrees else State.INCONCLUSIVE, interval, shown)
