"""Puts a delay, and if wanted a narrow bandwidth, on the way from Redis to the API, by a proxy that stands between."""

from dataclasses import dataclass
from random import Random
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval

from chaos.fault import Fault, InForce, Injection
from chaos.finding import Finding
from chaos.pings import baseline_ms, normality
from chaos.platforms.base import Platform
from journal.errors import CommandError, Problem
from journal.plan import FORBID_UNKNOWN
from journal.profile import Platform as PlatformProfile
from probes.redis import PingSeries, p95_ms

_PINGS = 8
_SLOW_PING_S = 10.0
_LEAST_LATENCY_MS = 10.0


@dataclass(frozen=True, kw_only=True)
class DelayRedis(Fault):
    """All that Redis answers comes later by `latency_ms` ± `jitter_ms`, and at `rate_kb_per_s` if that is not 0.

    The effect: PING's p95 through the proxy (from when each ping was due) is at least latency_ms − jitter_ms, which no
    single answer can undercut, and twice what it was before.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN
    name: ClassVar[str] = "delay-redis"

    latency_ms: Annotated[float, Interval(ge=_LEAST_LATENCY_MS, le=2000)] = 200.0
    jitter_ms: Annotated[float, Ge(0)] = 0.0
    rate_kb_per_s: Annotated[float, Ge(0)] = 0.0
    duration_s: Annotated[float, Gt(0)] = 8.0

    def __post_init__(self) -> None:
        if self.jitter_ms > self.latency_ms - _LEAST_LATENCY_MS:
            raise _option_error("jitter_ms", f"must leave {_LEAST_LATENCY_MS:g} ms of latency_ms, for PING to show")
        if 0 < self.rate_kb_per_s < 1:
            raise _option_error("rate_kb_per_s", "must be 0 for no limit, or at least 1")
        if self.duration_s * 1000 < (_PINGS + 2) * self._interval_ms:
            raise _option_error("duration_s", f"must hold at least {_PINGS + 2} answers of latency_ms and jitter_ms")

    @classmethod
    def why_not_on(cls, profile: PlatformProfile) -> str:
        """See `Fault`: it takes a Toxiproxy between the API and Redis."""
        cluster = profile.cluster
        if profile.kind != "kubernetes":
            return f"{cls.name} needs a Toxiproxy before Redis, which there is only in a cluster; use throttle-redis"
        if not cluster.toxiproxy.url or not cluster.redis.through_proxy:
            return f"{cls.name} needs toxiproxy.url and redis.through_proxy under platform.cluster of the profile"
        return ""

    @property
    def expires_after_s(self) -> float:
        """See `Fault`."""
        return self.duration_s

    def prepare(self, platform: Platform, chance: Random) -> Injection:  # noqa: ARG002  # there is one way to Redis
        """See `Fault`."""
        delay = platform.delaying(
            latency_ms=self.latency_ms, jitter_ms=self.jitter_ms, rate_kb_per_s=self.rate_kb_per_s
        )
        before_ms = baseline_ms(platform, delay.originals)
        return Injection(
            targets=(delay.target,), originals={**delay.originals, "ping_p95_ms": before_ms}, means=delay.means
        )

    def verify(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`; the effect counts from the first ping that was late enough."""
        series = PingSeries(count=_PINGS, interval_ms=self._interval_ms, timeout_s=_SLOW_PING_S)
        pings = platform.ping_store(record.originals, series)
        before_ms, now_ms = float(record.originals["ping_p95_ms"]), p95_ms(pings)
        bound_ms = max(self.latency_ms - self.jitter_ms, 2 * before_ms)
        evidence = {"ping_p95_before_ms": round(before_ms, 3), "ping_p95_ms": round(now_ms, 3), "bound_ms": bound_ms}
        slow_at_ns = (ping.due_at_ns for ping in pings if ping.latency_ms >= bound_ms)
        return Finding(True, evidence, next(slow_at_ns)) if now_ms >= bound_ms else Finding(False, evidence)

    def has_ended(self, platform: Platform, record: InForce) -> bool:  # noqa: ARG002
        """See `Fault`: a proxy knows no time limit."""
        return False

    def revert(self, platform: Platform, record: InForce) -> None:
        """See `Fault`."""
        platform.end_delay(record.targets[0], record.originals)

    def prove(self, platform: Platform, record: InForce) -> Finding:
        """See `Fault`: the proxy does to Redis' answers what it did before, and PING's p95 is near what it was."""
        if not platform.is_alive(record.targets[0]):
            return Finding(True, {"note": f"{record.targets[0].label} has ended"})
        if platform.is_delayed(record.originals):
            return Finding(False, {"note": "the delay is still there"})
        return normality(platform, record)

    @property
    def _interval_ms(self) -> float:
        return self.latency_ms + self.jitter_ms


def _option_error(option: str, what: str) -> CommandError:
    return CommandError([Problem(f"{DelayRedis.name}.{option}", what)])
