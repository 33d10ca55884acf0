"""What a fault is: prepared, injected, verified, reverted, and its revert proven; see docs/writing-a-fault.md."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from chaos.finding import Finding
from chaos.platforms.base import Means, Platform, Target
from journal.profile import Platform as PlatformProfile


@dataclass(frozen=True, slots=True)
class Redundancy:
    """How many of the target's equal parts a fault takes away, out of how many that serve now."""

    taken: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault about to happen: its pinned targets and, for the ledger, what the state was and how it is undone.

    `redundancy` is None when the fault takes no part away.
    """

    targets: tuple[Target, ...]
    originals: Mapping[str, Any]
    means: Means
    redundancy: Redundancy | None = None
    may_take_all: bool = False


class InForce(Protocol):
    """As much of a ledger record as a fault needs in order to verify and undo itself."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """What it acts on."""

    @property
    def originals(self) -> Mapping[str, Any]:
        """What `prepare` found and noted."""

    @property
    def expires_at_ns(self) -> int:
        """When it ends by itself or is reaped."""


class Fault(ABC):
    """One way to break something. Its fields are its options; an instance keeps no state between the calls.

    `heals_by_itself`: there is nothing that `revert` could do, the target has to recover.
    """

    name: ClassVar[str]
    heals_by_itself: ClassVar[bool] = False

    @classmethod
    def why_not_on(cls, profile: PlatformProfile) -> str:  # noqa: ARG003  # most faults know every platform
        """Why the profile's platform rules this fault out, told before a run begins; "" when it does not."""
        return ""

    @property
    @abstractmethod
    def expires_after_s(self) -> float:
        """After so many seconds the fault is over by itself, or the reaper undoes it."""

    @abstractmethod
    def prepare(self, platform: Platform, chance: Random) -> Injection:
        """Chooses and pins the targets, notes the state; changes nothing. Raises FaultRefused, TargetUnreachable."""

    @abstractmethod
    def verify(self, platform: Platform, record: InForce) -> Finding:
        """Whether the fault's own physical effect is there. Raises TargetUnreachable."""

    @abstractmethod
    def revert(self, platform: Platform, record: InForce) -> None:
        """Undoes the fault; may be called at any time, any number of times, from any process."""

    @abstractmethod
    def prove(self, platform: Platform, record: InForce) -> Finding:
        """Whether the state is as it was before. A target that no longer exists has nothing to be undone."""

    def has_ended(self, platform: Platform, record: InForce) -> bool:
        """Whether the fault is over by itself already."""
        return self.prove(platform, record).holds
