"""How quickly Redis answers before a fault, and whether it does so again afterwards."""

from chaos.fault import InForce
from chaos.finding import Finding
from chaos.platforms.base import Originals, Platform
from probes.redis import PingSeries, p95_ms

_SERIES = PingSeries(count=40, interval_ms=10.0)
_NORMAL_FACTOR, _NORMAL_FLOOR_MS = 5.0, 10.0


def baseline_ms(platform: Platform, endpoint: Originals) -> float:
    """PING's p95 in ms over 0.4 s. Raises TargetUnreachable."""
    return p95_ms(platform.ping_store(endpoint, _SERIES))


def normality(platform: Platform, record: InForce, tolerable_ms: float = 0.0) -> Finding:
    """Whether PING's p95 is near what it was before the fault (`ping_p95_ms` among the originals), or tolerable anyway.

    Somebody who undoes a fault from a machine that Redis cannot be reached from takes the word of its supervisor.
    """
    obstacle = platform.why_no_pings(record.originals)
    if obstacle:
        return Finding(platform.is_ready(record.targets[0]), {"ping": f"not measured from here: {obstacle}"})
    before_ms, now_ms = float(record.originals["ping_p95_ms"]), baseline_ms(platform, record.originals)
    bound_ms = max(_NORMAL_FACTOR * before_ms, tolerable_ms, _NORMAL_FLOOR_MS)
    evidence = {"ping_p95_before_ms": round(before_ms, 3), "ping_p95_ms": round(now_ms, 3)}
    return Finding(now_ms <= bound_ms, {**evidence, "bound_ms": round(bound_ms, 3)})
