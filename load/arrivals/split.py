"""Which worker takes which arrivals: pure arithmetic on the numbers of the one schedule.

In a split of n members, member i takes the arrivals whose number leaves i when divided by n, from the number on at
which the split comes into force until the next one does. So every arrival belongs to exactly one member of exactly one
split, and nothing drifts: members share the schedule's moments, not its rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker takes from arrival `first` on: each `of`-th, those that leave `place`; `of` 0: nothing."""

    first: int
    place: int
    of: int


@dataclass(frozen=True, slots=True)
class Split:
    """From arrival `first` on, the members take turns."""

    first: int
    members: tuple[str, ...]

    def share(self, member: str) -> Share:
        """What a member takes; nothing when it is none."""
        if member not in self.members:
            return Share(self.first, 0, 0)
        return Share(self.first, self.members.index(member), len(self.members))


def shares_of(splits: Sequence[Split], member: str) -> list[Share]:
    """The shares of one worker, in order of the splits, which is that of their first arrivals."""
    return [split.share(member) for split in splits]


def mine(shares: Sequence[Share], index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these arrivals, by number, belong to the worker with these shares."""
    result = np.zeros(index.shape, dtype=bool)
    for number, share in enumerate(shares):
        within = index >= share.first
        if number + 1 < len(shares):
            within &= index < shares[number + 1].first
        if share.of:
            result |= within & (index % share.of == share.place)
    return result


def encode(shares: Sequence[Share]) -> list[list[int]]:
    """Shares as a message."""
    return [[share.first, share.place, share.of] for share in shares]


def decode(data: Sequence[Sequence[Any]]) -> list[Share]:
    """The shares of a message."""
    return [Share(int(first), int(place), int(of)) for first, place, of in data]
