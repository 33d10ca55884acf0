"""Slows Redis down by stopping it most of the time; it loses nothing, it only answers late."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Interval

from chaos.fault import Fault, Finding, InForce, Injection
from chaos.platforms.base import Platform
from journal.errors import CommandError, Problem
from journal.plan import FORBID_UNKNOWN
from probes.redis import p95_ms

_BASELINE_PINGS, _BASELINE_INTERVAL_MS = 40, 10.0
_PINGS_PER_CYCLE, _CYCLES = 20, 3
_MIN_STOPPED_SHARE = 0.2
_NORMAL_FACTOR, _NORMAL_FLOOR_MS = 5.0, 10.0


@dataclass(frozen=True, kw_only=True)
class ThrottleRedis(Fault):
    """Stops Redis for `off_ms` and lets it run for `on_ms`, in turn, for `duration_s`.

    The effect: over whole cycles, PING's p95 (from when each ping was due) is at least off_ms/2, and twice what it was
    before. A ping due in the stopped share f of a cycle waits for up to off_ms, evenly spread, so that
    p95 ≈ off_ms × (1 − 0.05/f); for f ≥ 0.2 that is at least 3/4 of off_ms, well above the bound.
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
        before_ms = self._p95_ms(platform, endpoint)
        means, staller = platform.stalling(store, off_ms=self.off_ms, on_ms=self.on_ms)
        originals = {**endpoint, "ping_p95_ms": before_ms, "staller": staller}
        return Injection(targets=(store,), originals=originals, means=means)

    def verify(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`; it lasts three cycles, and the effect counts from the first slow ping."""
        interval_ms = (self.off_ms + self.on_ms) / _PINGS_PER_CYCLE
        pings = platform.ping_store(record.originals, count=_CYCLES * _PINGS_PER_CYCLE, interval_ms=interval_ms)
        before_ms, now_ms = float(record.originals["ping_p95_ms"]), p95_ms(pings)
        bound_ms = max(self.off_ms / 2, 2 * before_ms)
        evidence = {"ping_p95_before_ms": round(before_ms, 3), "ping_p95_ms": round(now_ms, 3), "bound_ms": bound_ms}
        slow_at_ns = (ping.due_at_ns for ping in pings if ping.latency_ms >= bound_ms)
        return Finding(True, evidence, next(slow_at_ns)) if now_ms >= bound_ms else Finding(False, evidence)

    def has_ended(self, platform: Platform, record: InForce) -> bool:
        """See `Fault`: nobody stalls Redis any more, though it may have been left standing still."""
        return not platform.stalling_goes_on(str(record.originals["staller"]))

    def revert(self, platform: Platform, record: InForce) -> None:
        """See `Fault`."""
        platform.end_stalling(record.targets[0], str(record.originals["staller"]))

    def prove(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`: nothing stalls Redis, and PING's p95 is near what it was, far below the effect."""
        if not platform.is_alive(record.targets[0]):
            return Finding(True, {"note": f"{record.targets[0].label} has ended"})
        if not self.has_ended(platform, record) or platform.is_stopped(record.targets[0]):
            return Finding(False, {"note": "Redis is still stalled"})
        before_ms, now_ms = float(record.originals["ping_p95_ms"]), self._p95_ms(platform, record.originals)
        bound_ms = max(_NORMAL_FACTOR * before_ms, self.off_ms / 4, _NORMAL_FLOOR_MS)
        evidence = {"ping_p95_before_ms": round(before_ms, 3), "ping_p95_ms": round(now_ms, 3)}
        return Finding(now_ms <= bound_ms, {**evidence, "bound_ms": round(bound_ms, 3)})

    @staticmethod
    def _p95_ms(platform: Platform, endpoint: Mapping[str, Any]) -> float:
        return p95_ms(platform.ping_store(endpoint, count=_BASELINE_PINGS, interval_ms=_BASELINE_INTERVAL_MS))


def _option_error(option: str, what: str) -> CommandError:
    return CommandError([Problem(f"{ThrottleRedis.name}.{option}", what)])
