"""What a worker is told when it joins: who it is, which run this is, what to do, and against what."""

from dataclasses import dataclass, field
from typing import Any

from journal.capacity import Search
from journal.plan import Plan
from journal.profile import Profile
from journal.records import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The orders of one worker; `index` counts from 0: the one that the worker brought along, else as they joined.

    `data` are the rows of test data that this worker's users may take, by the name of their set. `capacity`: of a
    search, whose levels come later.
    """

    run_id: str
    worker: str
    index: int
    base_url: str
    plan: Plan
    profile: Profile
    data: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict, repr=False)
    capacity: Search | None = None

    def encode(self) -> dict[str, Any]:
        """The assignment as a message."""
        encoded: dict[str, Any] = to_json(self)
        return encoded

    @classmethod
    def decode(cls, data: dict[str, Any]) -> "Assignment":
        """The assignment of a message. Raises RunDirectoryError when master and worker are of different versions."""
        return from_json(cls, data, "assignment")
