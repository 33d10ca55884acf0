"""What a look at the target shows, and how to look until it shows something."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

POLL_S = 0.05

Evidence = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at the target showed: whether the fact in question holds, since when, and the figures behind it."""

    holds: bool
    evidence: Evidence = field(default_factory=dict)
    at_ns: int = field(default_factory=time.time_ns)


def wait_until(condition: Callable[[], bool], timeout_s: float, *, poll_s: float = POLL_S) -> bool:
    """Looks every `poll_s` until the condition is true; whether it became so in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(poll_s, left_s))
    return True
