"""Adds up what the target's replicas counted in memory that survives them."""

import struct
from dataclasses import astuple, dataclass
from pathlib import Path

from journal.errors import TargetUnreachable
from probes.target_state import TargetState

_LAYOUT = struct.Struct("<6Q16x")


@dataclass(frozen=True, slots=True)
class Counters:
    """Requests and WebSockets that replicas began and finished; *load* is what carries the harness's header."""

    load_started: int = 0
    load_finished: int = 0
    other_started: int = 0
    other_finished: int = 0
    websocket_opened: int = 0
    websocket_closed: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def read_counters(state: TargetState) -> Counters:
    """The sum over all replicas, those that are down included: a slot is continued by its next incarnation.

    Raises:
        TargetUnreachable: a replica has no counters that can be read.
    """
    files = [Path(process.counters) for process in state.with_role("api") if process.counters]
    return sum((_read(file) for file in files), Counters())


def _read(file: Path) -> Counters:
    try:
        return Counters(*_LAYOUT.unpack(file.read_bytes()))
    except OSError as error:
        raise TargetUnreachable(f"{file}: the replica's counters cannot be read: {error.strerror}") from error
    except struct.error as error:
        raise TargetUnreachable(f"{file}: expected {_LAYOUT.size} bytes of counters") from error
