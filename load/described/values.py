"""What templates stand for while a user is under way: secrets, extracted values, data, and what is made on demand."""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

_LARGEST = 2**31 - 1


class Values(dict[str, Any]):
    """Name → value; the names of `journal.profile_journeys.BUILT_INS` are made each time that they are asked for."""

    def __init__(self, chance: random.Random, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self.chance = chance

    def __missing__(self, name: str) -> Any:
        return _MADE[name](self.chance)

    def copy(self) -> "Values":
        """The same values; what is added to the copy stays there."""
        return Values(self.chance, self)


def _now_iso(_: random.Random) -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_MADE: dict[str, Callable[[random.Random], Any]] = {
    "random.uuid": lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    "random.int": lambda chance: chance.randint(0, _LARGEST),
    "now.ms": lambda _: time.time_ns() // 1_000_000,
    "now.iso": _now_iso,
}
