"""The users of an open model while nobody needs them: each waits, with an account and a connection, for a pass."""

from collections import deque
from collections.abc import Callable

from gevent.event import AsyncResult


class Pool:
    """Free users by journey; who has waited longest goes first, so that all of them take turns."""

    def __init__(self) -> None:
        self._free: dict[str, deque[AsyncResult]] = {}

    @property
    def free(self) -> int:
        """How many users wait."""
        return sum(len(waiting) for waiting in self._free.values())

    def wait(self, journey: str) -> int:
        """Called by a user: waits until a pass is due, and returns its intended start in epoch ns."""
        place: AsyncResult = AsyncResult()
        waiting = self._free.setdefault(journey, deque())
        waiting.append(place)
        try:
            return int(place.get())
        except BaseException:  # the user is stopped while it waits: nobody may be handed to it any more
            if place in waiting:
                waiting.remove(place)
            raise

    def hand(self, journey: str, intended_at_ns: int) -> bool:
        """Wakes a user for a pass; False when none is free."""
        waiting = self._free.get(journey)
        if not waiting:
            return False
        waiting.popleft().set(intended_at_ns)
        return True


def choose(weights: dict[str, int]) -> Callable[[float], str]:
    """Which journey a choice in [0, 1) means, by the weights of the mix."""
    names = [name for name, weight in weights.items() if weight]
    total, ends, sum_ = sum(weights.values()), [], 0
    for name in names:
        sum_ += weights[name]
        ends.append(sum_ / total)

    def chosen(choice: float) -> str:
        return next((name for name, end in zip(names, ends, strict=True) if choice < end), names[-1])

    return chosen
