"""What one storm does to one user, and what a user must offer so that storms reach it."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from journal.plan_storms import Storm

REFUSALS = frozenset({401, 403})
"""What says that a token is not good."""


@dataclass(slots=True)
class Blow:
    """One user struck by one storm, from then on until it is back, or gone.

    It comes back at `back_at_s` of the monotonic clock at the earliest. `noticed`: it has done something about it;
    `refused`: answers that told it of its useless tokens. `over_at_s` is 0 while it is not over.
    """

    storm: Storm
    back_at_s: float = field(default_factory=time.monotonic)
    connections: int = 0
    websockets: int = 0
    tokens: int = 0
    refused: int = 0
    noticed: bool = False
    gone: bool = False
    over_at_s: float = 0.0

    @property
    def hit(self) -> bool:
        """Whether the user had anything to lose."""
        return bool(self.connections or self.websockets or self.tokens)

    @property
    def back(self) -> bool:
        """Whether the user has again what it lost."""
        return bool(self.over_at_s) and not self.gone

    def end(self, *, gone: bool = False) -> None:
        """The user is back, or has left the run."""
        self.gone, self.over_at_s = gone, time.monotonic()


class Exposed(Protocol):
    """A user that storms reach."""

    def can_lose(self, storm: Storm) -> bool:
        """Whether it has what such a storm takes, now or at other times."""

    def strike(self, blow: Blow) -> None:
        """Loses what the storm takes, and notes in `blow` how much that was."""
