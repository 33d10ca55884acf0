"""Slows Redis down by leaving it too little processor time; it loses nothing, it only answers late."""

import time
from dataclasses import dataclass
from random import Random
from typing import Annotated, ClassVar

from annotated_types import Gt, Interval

from chaos.fault import Fault, InForce, Injection
from chaos.finding import Finding
from chaos.pings import baseline_ms, normality
from chaos.platforms.base import Platform
from journal.errors import CommandError, Problem
from journal.plan import FORBID_UNKNOWN
from probes.redis import PingSeries, p95_ms

_CYCLES = 3
_MIN_STOPPED_SHARE = 0.2
_MARGIN_NS = 500_000_000  # what is looked at shall be over before the fault is
_SLOW_PING_S = 10.0  # no answer for so long is no effect that anybody wants to see


@dataclass(frozen=True, kw_only=True)
class ThrottleRedis(Fault):
    """Holds Redis back for `duration_s`: a process by stops of `off_ms` between runs of `on_ms`, a pod by a limit.

    The effect: PING's p95 (from when each ping was due) is at least twice what it was before, and as large as the
    platform says. For a process that is off_ms/2 over whole cycles: a ping due in the stopped share f of a cycle waits
    for up to off_ms, evenly spread, so that p95 ≈ off_ms × (1 − 0.05/f); for f ≥ 0.2 that is at least 3/4 of off_ms,
    well above the bound. A pod's limit is half of what it used, in periods of 100 ms.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN
    name: ClassVar[str] = "throttle-redis"

    off_ms: Annotated[float, Interval(ge=20, le=2000)] = 400.0
    on_ms: Annotated[float, Interval(ge=5, le=2000)] = 100.0
    duration_s: Annotated[float, Gt(0)] = 8.0

    def __post_init__(self) -> None:
        if self.off_ms < _MIN_STOPPED_SHARE * (self.off_ms + self.on_ms):
            raise _option_error("off_ms", "must be at least a quarter of on_ms, or PING cannot show the effect")
        if self.duration_s * 1000 < _CYCLES * (self.off_ms + self.on_ms):
            raise _option_error("duration_s", f"must hold at least {_CYCLES} cycles of off_ms and on_ms")

    @property
    def expires_after_s(self) -> float:
        """See `Fault`."""
        return self.duration_s

    def prepare(self, platform: Platform, chance: Random) -> Injection:  # noqa: ARG002  # there is one Redis
        """See `Fault`."""
        store = platform.store()
        endpoint = platform.endpoint_of_store()
        before_ms = baseline_ms(platform, endpoint)
        throttle = platform.throttling(store, off_ms=self.off_ms, on_ms=self.on_ms)
        sampling = {"pings": throttle.pings, "interval_ms": throttle.interval_ms}
        figures = {"ping_p95_ms": before_ms, "least_effect_ms": throttle.least_effect_ms, **sampling}
        return Injection(
            targets=(store,), originals={**endpoint, **figures, **throttle.originals}, means=throttle.means
        )

    def verify(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`; the effect counts from the first slow ping."""
        taken = platform.await_throttle(record.targets[0], record.originals)
        if not taken.holds:
            return taken
        until_ns = record.expires_at_ns - _MARGIN_NS
        pings = platform.ping_store(record.originals, self._series(record, until_ns))
        before_ms, now_ms = float(record.originals["ping_p95_ms"]), p95_ms(pings)
        bound_ms = max(self._least_effect_ms(record), 2 * before_ms)
        evidence: dict[str, str | float] = {"ping_p95_before_ms": round(before_ms, 3), "ping_p95_ms": round(now_ms, 3)}
        evidence |= {"bound_ms": bound_ms, **taken.evidence}
        evidence |= platform.throttle_evidence(record.originals, until_ns)
        slow_at_ns = (ping.due_at_ns for ping in pings if ping.latency_ms >= bound_ms)
        return Finding(True, evidence, next(slow_at_ns)) if now_ms >= bound_ms else Finding(False, evidence)

    def has_ended(self, platform: Platform, record: InForce) -> bool:
        """See `Fault`."""
        return platform.throttle_has_run_out(record.originals)

    def revert(self, platform: Platform, record: InForce) -> None:
        """See `Fault`."""
        platform.end_throttling(record.targets[0], record.originals)

    def prove(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`: nothing holds Redis back, and PING's p95 is near what it was, far below the effect."""
        if not platform.is_alive(record.targets[0]):
            return Finding(True, {"note": f"{record.targets[0].label} has ended"})
        if platform.is_throttled(record.targets[0], record.originals):
            return Finding(False, {"note": "Redis is still held back"})
        return normality(platform, record, self._least_effect_ms(record) / 2)

    def _least_effect_ms(self, record: InForce) -> float:
        return float(record.originals.get("least_effect_ms", self.off_ms / 2))  # older records know of processes only

    @staticmethod
    def _series(record: InForce, until_ns: int) -> PingSeries:
        """No ping is waited for longer than the fault lasts."""
        count, interval_ms = int(record.originals["pings"]), float(record.originals["interval_ms"])
        timeout_s = min(_SLOW_PING_S, max(1.0, (until_ns - time.time_ns()) / 1e9))
        return PingSeries(count=count, interval_ms=interval_ms, timeout_s=timeout_s, until_ns=until_ns)


def _option_error(option: str, what: str) -> CommandError:
    return CommandError([Problem(f"{ThrottleRedis.name}.{option}", what)])
