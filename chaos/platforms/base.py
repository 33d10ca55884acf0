"""What faults ask of the place where the target runs; the same operations on processes here and on pods elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from probes.redis import Ping


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


class Platform(Protocol):
    """Where the target runs. All operations raise TargetUnreachable when it cannot be asked."""

    def reference(self) -> dict[str, str]:
        """What the ledger keeps in order to open this platform again, from another process."""

    def environment(self) -> str:
        """The label that the target carries, to be compared with the profile's."""

    def base_url(self) -> str:
        """The public address of the target that faults here would hit."""

    def exists(self) -> bool:
        """Whether the target still runs as a whole."""

    def is_alive(self, target: Target) -> bool:
        """Whether this very incarnation still runs."""

    def ready_replicas(self) -> list[Target]:
        """The API replicas that serve now, in order of their names."""

    def store(self) -> Target:
        """Redis."""

    def termination(self, targets: Sequence[Target], *, graceful: bool) -> Means:
        """Pins the targets, ready to end them. Raises FaultRefused when one is gone."""

    def stalling(self, target: Target, *, off_ms: float, on_ms: float) -> tuple[Means, str]:
        """Ready to stop the target for `off_ms` and let it run for `on_ms`, in turn; and the name of what will."""

    def stalling_goes_on(self, staller: str) -> bool:
        """Whether the one that stalls still does."""

    def is_stopped(self, target: Target) -> bool:
        """Whether the target stands still; one that is gone does not."""

    def end_stalling(self, target: Target, staller: str) -> None:
        """Ends the stalling and lets the target run; idempotent."""

    def ping_store(self, originals: Mapping[str, object], *, count: int, interval_ms: float) -> list[Ping]:
        """PINGs to the Redis described by `endpoint_of_store`, due every `interval_ms`."""

    def endpoint_of_store(self) -> dict[str, str | int]:
        """Where Redis listens, as the ledger keeps it; no secrets."""
