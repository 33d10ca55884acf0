"""What a search for the capacity was told to do; it is part of the manifest, so that its run can be judged again."""

from dataclasses import dataclass, field
from typing import Any

LOOKS = (1, 2, 4)
"""A level is judged after so many times `level_s`, until the evidence decides."""


@dataclass(frozen=True, kw_only=True)
class HeldFault:
    """An experiment whose fault is in force while a level is measured, with settings for its configuration."""

    experiment: str
    configuration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where a search begins, how far and how fine it goes, and how long it may take.

    `resolution`: the interval is narrow enough when it is this share of its upper end, or one user. A level is measured
    for `level_s` at first, once its users are there and `settle_s` have passed. `fault`: the search is done once
    without and once with it.
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
