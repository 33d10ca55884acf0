"""Ends API replicas; what the target has against that is a supervisor that starts them again."""

import time
from dataclasses import dataclass
from random import Random
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval

from chaos.fault import Fault, InForce, Injection, Redundancy
from chaos.finding import Finding, wait_until
from chaos.platforms.base import Platform
from journal.errors import CommandError, FaultRefused, Problem
from journal.plan import FORBID_UNKNOWN

_CLOSE_LOOKS = 10  # so much more often than usual: the effect's moment is what cut requests are compared with


@dataclass(frozen=True, kw_only=True)
class KillReplica(Fault):
    """Ends `count` replicas, or `percent` of those that serve, at once; which ones follows from the seed.

    By SIGKILL or, if `graceful`, by SIGTERM, with all the time that the target's own rules give it. Without either
    number it is one replica; `percent` is rounded down, but never to none. Within `recovery_s` as many replicas have
    to serve again as before.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN
    name: ClassVar[str] = "kill-replica"
    heals_by_itself: ClassVar[bool] = True

    count: Annotated[int, Ge(1)] | None = None
    percent: Annotated[float, Interval(gt=0, le=100)] | None = None
    graceful: bool = False
    allow_last: bool = False
    recovery_s: Annotated[float, Gt(0)] = 20.0

    def __post_init__(self) -> None:
        if self.count is not None and self.percent is not None:
            raise CommandError([Problem(f"{self.name}.percent", "goes with no count: set one of the two")])

    @property
    def expires_after_s(self) -> float:
        """See `Fault`."""
        return self.recovery_s

    def prepare(self, platform: Platform, chance: Random) -> Injection:
        """See `Fault`."""
        replicas = platform.ready_replicas()
        count = self._share_of(len(replicas))
        if count > len(replicas):
            raise FaultRefused(f"{count} replicas are to be killed, but only {len(replicas)} serve")
        targets = tuple(chance.sample(replicas, count))
        return Injection(
            targets=targets,
            originals={
                "ready_replicas": len(replicas),
                "longest_end_s": platform.longest_end_s(targets, graceful=self.graceful),
            },
            means=platform.termination(targets, graceful=self.graceful),
            redundancy=Redundancy(count, len(replicas)),
            may_take_all=self.allow_last,
        )

    def verify(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`: these very incarnations are gone."""
        begin_s = time.monotonic()
        gone = wait_until(
            lambda: not any(map(platform.is_alive, record.targets)),
            float(record.originals["longest_end_s"]),
            poll_s=platform.poll_s / _CLOSE_LOOKS,
        )
        waited_ms = round((time.monotonic() - begin_s) * 1000)
        incarnations = ", ".join(target.incarnation for target in record.targets)
        return Finding(gone, {"incarnation": incarnations, "gone": "yes" if gone else "no", "waited_ms": waited_ms})

    def revert(self, platform: Platform, record: InForce) -> None:
        """See `Fault`: nothing can be undone, the target has to start what is missing."""

    def prove(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`: as many replicas serve as before."""
        if not platform.exists():
            return Finding(True, {"note": "the target has ended"})
        before, ready = int(record.originals["ready_replicas"]), platform.ready_replicas()
        labels = ", ".join(replica.label for replica in ready)
        return Finding(
            len(ready) >= before,
            {"ready_replicas_before": before, "ready_replicas": len(ready), "replicas": labels},
        )

    def _share_of(self, replicas: int) -> int:
        if self.percent is None:
            return self.count or 1
        return max(1, int(replicas * self.percent / 100))
