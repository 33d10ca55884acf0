"""Counts of one API replica in a file that is mapped into memory, so that they survive its SIGKILL.

The file holds eight unsigned 64-bit little-endian numbers, in the order of `NAMES`. The kernel keeps what was written
to the mapping however the replica ends, and its next incarnation goes on counting in the same file.
"""

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

NAMES = (
    "load_started",
    "load_finished",
    "other_started",
    "other_finished",
    "websocket_opened",
    "websocket_closed",
    "connections_opened",
    "reserved_7",
)
_LAYOUT = struct.Struct("<8Q")
_INDEX = {name: index for index, name in enumerate(NAMES)}


def create(path: Path) -> None:
    """Write a file in which nothing was counted yet."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(_LAYOUT.size))


def read(path: Path) -> dict[str, int]:
    """All counts by name, at one moment up to the few nanoseconds a copy takes."""
    return dict(zip(NAMES, _LAYOUT.unpack(path.read_bytes()), strict=True))


class Counters:
    """The counts of one replica, to be incremented by a single thread; open with `with`."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LAYOUT.size)
        # Aligned eight bytes are stored at once, so that a reader never sees half of a carry. The machines this runs on
        # (x86-64, ARM64) are little-endian, as the file is.
        self._numbers = memoryview(self._memory).cast("Q")

    def increment(self, name: str) -> None:
        """Add one."""
        self._numbers[_INDEX[name]] += 1

    def values(self) -> dict[str, int]:
        """All counts by name."""
        return dict(zip(NAMES, self._numbers, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._numbers.release()
        self._memory.close()
