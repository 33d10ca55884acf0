"""What a search for the capacity was told to do; it is part of the manifest, so that its run can be judged again."""

from dataclasses import dataclass, field
from typing import Any

USERS, ARRIVALS_PER_S = "users", "arrivals/s"
"""What the levels of a search are counted in."""

LOOKS = (1, 2, 4)
"""A level is judged after so many times `level_s`, until the evidence decides."""


_LEVEL_SPARE_S = 600.0


@dataclass(frozen=True, kw_only=True)
class HeldFault:
    """An experiment whose fault is in force while a level is measured, with settings for its configuration."""

    experiment: str
    configuration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where a search begins, how far and how fine it goes, and how long it may take.

    `resolution`: the interval is narrow enough when it is this share of its upper end, or one of its `unit`, which is
    users, or arrivals a second. A level is measured for `level_s` at first, once it has begun and `settle_s` have
    passed. `fault`: the search is done once without and once with it.
    """

    start: int
    most: int
    resolution: float = 0.1
    level_s: int = 24
    settle_s: float = 4.0
    max_duration_s: float = 1800.0
    spawn_rate_per_s: float = 10.0
    at_least: int | None = None
    fault: HeldFault | None = None
    unit: str = USERS

    @property
    def longest_level_s(self) -> float:
        """How long the arrivals of one level last at least; every level is over long before."""
        return max(LOOKS) * self.level_s + self.settle_s + _LEVEL_SPARE_S
