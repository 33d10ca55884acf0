"""What faults ask of the place where the target runs; the same operations on processes here and on pods elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.finding import Evidence, Finding
from probes.redis import Ping, PingSeries

Originals = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a fault acts on, pinned: `incarnation` names one life of it (pid@start); `label` is for people."""

    name: str
    incarnation: str
    label: str


class Means(Protocol):
    """What a platform holds ready to inject a fault; until `apply` it has changed nothing."""

    def apply(self, duration_s: float) -> None:
        """Brings the fault about, for so long if it has a duration. Raises FaultRefused when nothing was changed."""

    def close(self) -> None:
        """Gives up what was held; a fault that was applied goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A Redis about to be slow: `originals` is what undoes it, `least_effect_ms` what PING's p95 has to reach.

    `pings` due every `interval_ms` show it.
    """

    means: Means
    originals: Originals
    least_effect_ms: float
    pings: int
    interval_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A way to Redis about to be slow: `target` is the proxy on it, `originals` is what undoes it."""

    target: Target
    means: Means
    originals: Originals


class Platform(Protocol):
    """Where the target runs. All operations raise TargetUnreachable when it cannot be asked."""

    @property
    def poll_s(self) -> float:
        """How often it may be asked the same again and again."""

    @property
    def settle_s(self) -> float:
        """How long what was undone may take until it can be seen."""

    def reference(self) -> dict[str, Any]:
        """What the ledger keeps in order to open this platform again, from another process; no secrets."""

    def environment(self) -> str:
        """The label that the target carries, to be compared with the profile's."""

    def why_forbidden(self) -> str:
        """Why no fault may happen here at all; empty when it may."""

    def why_not_under_load(self, base_url: str) -> str:
        """Why load sent to this address would not reach what faults here would hit; empty when it would."""

    def exists(self) -> bool:
        """Whether the target still runs as a whole."""

    def is_alive(self, target: Target) -> bool:
        """Whether this very incarnation still runs."""

    def ready_replicas(self) -> list[Target]:
        """The API replicas that serve now, in order of their names."""

    def store(self) -> Target:
        """Redis."""

    def longest_end_s(self, targets: Sequence[Target], *, graceful: bool) -> float:
        """How long the end of the targets may take, counted from the termination, until it can be seen."""

    def termination(self, targets: Sequence[Target], *, graceful: bool) -> Means:
        """Pins the targets, ready to end them. Raises FaultRefused when one is gone."""

    def throttling(self, store: Target, *, off_ms: float, on_ms: float) -> Throttle:
        """Ready to slow Redis down, by stops of `off_ms` between runs of `on_ms` where that can be had.

        Raises:
            FaultRefused: it could do more harm than slowing down, or could not be undone.
        """

    def await_throttle(self, target: Target, originals: Originals) -> Finding:
        """Waits until the throttle is in force by the platform's own account; with what that says."""

    def throttle_evidence(self, originals: Originals, until_ns: int) -> Evidence:
        """What else shows that the target was held back; may wait for it as long as `until_ns`."""

    def throttle_has_run_out(self, originals: Originals) -> bool:
        """Whether the throttle is over by itself; one that needs to be undone is not. Cheap."""

    def is_throttled(self, target: Target, originals: Originals) -> bool:
        """Whether anything of the throttle is left on the target."""

    def end_throttling(self, target: Target, originals: Originals) -> None:
        """Ends the throttle; idempotent, and harmless when the target has been replaced."""

    def delaying(self, *, latency_ms: float, jitter_ms: float, rate_kb_per_s: float) -> Delay:
        """Ready to slow down all that Redis answers. Raises FaultRefused when there is no proxy that could."""

    def is_delayed(self, originals: Originals) -> bool:
        """Whether anything of the delay is left on the way to Redis."""

    def end_delay(self, target: Target, originals: Originals) -> None:
        """Ends the delay; idempotent, and harmless when the proxy has been replaced."""

    def why_no_pings(self, originals: Originals) -> str:
        """Why Redis cannot be asked from this machine at all; empty when it can."""

    def is_ready(self, target: Target) -> bool:
        """Whether the target is ready, by the account of who supervises it."""

    def ping_store(self, originals: Originals, series: PingSeries) -> list[Ping]:
        """PINGs to the Redis described by `endpoint_of_store`."""

    def endpoint_of_store(self) -> dict[str, str | int]:
        """Where Redis listens, as the ledger keeps it; no secrets."""
