"""The worker's side of storms: strikes at the moment that the master's clock says, and tells what became of it."""

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import gevent
from gevent import Greenlet

from journal.plan_storms import Storm
from load.context import RunContext
from load.storms.blow import Blow, Exposed

NS = 1_000_000_000
LATE_S = 2.0
"""A worker that hears of a storm so long after its moment lets it pass: its users were not there."""
_LOOK_EVERY_S, _TELL_EVERY_S = 0.05, 0.5


class Storms:
    """The storms of one worker; `tell` sends the master what is told of them, again until it was heard."""

    def __init__(self, context: RunContext, tell: Callable[[dict[str, Any]], None]) -> None:
        self._context = context
        self._tell = tell
        self._heard: set[tuple[str, str]] = set()
        self._greenlets: list[Greenlet] = []

    def load_began(self, at_ns: int) -> None:
        """The load phase began at this time of the run: now the moment of each storm is known. May be repeated."""
        if not self._greenlets:
            storms = self._context.plan.load.storms
            self._greenlets = [gevent.spawn(self._pass_over, storm, at_ns / NS + storm.at_s) for storm in storms]

    def heard(self, storm_id: str, state: str) -> None:
        """The master has written down what was told."""
        self._heard.add((storm_id, state))

    def end(self) -> None:
        """Nobody is left who could be struck, or would listen."""
        gevent.killall(self._greenlets)

    def _pass_over(self, storm: Storm, at_s: float) -> None:
        """One storm; `at_s` is its moment in the run's time, whose clock may be corrected meanwhile."""
        while (left_s := at_s - self._context.clock.time()) > 0:
            gevent.sleep(min(left_s, 1.0))
        if left_s < -LATE_S:
            self._tell_until_heard(storm, "missed", self._now_ns(), {})
        elif not self._context.stopping:
            self._break_out(storm)

    def _break_out(self, storm: Storm) -> None:
        began_ns, present = self._now_ns(), [user for user in self._context.exposed if user.can_lose(storm)]
        chance = Random(f"{self._context.plan.seed}/{storm.id}/{self._context.assignment.index}")
        chosen = chance.sample(present, round(storm.share * len(present)))
        begun = {"users": len(present), "chosen": len(chosen)}
        telling = gevent.spawn(self._tell_until_heard, storm, "begun", began_ns, begun)
        self._greenlets.append(telling)
        ends_s = time.monotonic() + storm.over_within_s
        blows = self._strike(storm, chosen, chance)
        while time.monotonic() < ends_s and not all(blow.over_at_s for blow in blows):
            gevent.sleep(_LOOK_EVERY_S)
        telling.join()
        self._tell_until_heard(storm, "over", self._over_ns(blows), outcome_of(blows))

    def _strike(self, storm: Storm, chosen: Sequence[Exposed], chance: Random) -> list[Blow]:
        """Breaks connections all at once, and lets users come back by and by; tokens expire by and by."""
        now_s = time.monotonic()
        moments_s = sorted(now_s + chance.uniform(0, storm.spread_s) for _ in chosen)
        blows = []
        for user, moment_s in zip(chosen, moments_s, strict=True):
            if storm.kind == "token-expiry" and moment_s > time.monotonic():
                gevent.sleep(moment_s - time.monotonic())
            if user in self._context.exposed:
                blow = Blow(storm, moment_s)
                user.strike(blow)
                blows += [blow] if blow.hit else []
        return blows

    def _now_ns(self) -> int:
        return int(self._context.clock.time() * NS)

    def _over_ns(self, blows: Sequence[Blow]) -> int:
        """When the last user was back or gone; now, where one is not."""
        if not all(blow.over_at_s for blow in blows):
            return self._now_ns()
        ago_s = time.monotonic() - max((blow.over_at_s for blow in blows), default=time.monotonic())
        return self._now_ns() - round(ago_s * NS)

    def _tell_until_heard(self, storm: Storm, state: str, at_ns: int, data: dict[str, Any]) -> None:
        told = {"storm_id": storm.id, "storm": storm.name, "state": state, "at_ns": at_ns, **data}
        while (storm.id, state) not in self._heard:
            self._tell(told)
            gevent.sleep(_TELL_EVERY_S)


def outcome_of(blows: Sequence[Blow]) -> dict[str, int]:
    """What a storm did on this worker, in numbers: whoever was hit is back, gone, unaware of it, or still out."""
    return {
        "hit": len(blows),
        **{name: sum(getattr(blow, name) for blow in blows) for name in ("connections", "websockets", "tokens")},
        "refused": sum(blow.refused for blow in blows),
        "back": sum(blow.back for blow in blows),
        "gone": sum(blow.gone for blow in blows),
        "unaware": sum(not blow.over_at_s and not blow.noticed for blow in blows),
    }
