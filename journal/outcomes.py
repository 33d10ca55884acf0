"""How an operation against the target can end, and what kinds of operation are counted."""

from enum import IntEnum
from typing import NamedTuple


class Outcome(IntEnum):
    """The closed set of endings; the numbers are part of the file format and never change."""

    OK = 0
    WRONG_ANSWER = 1
    CLIENT_ERROR = 2
    SERVER_ERROR = 3
    LIMITED = 4
    TIMEOUT = 5
    CUT = 6
    REFUSED = 7

    @property
    def answered(self) -> bool:
        """Whether a whole answer arrived, good or bad."""
        return self <= Outcome.LIMITED

    @property
    def label(self) -> str:
        """The name that people see."""
        return self.name.lower().replace("_", " ")


class Kind(IntEnum):
    """What is counted: only requests enter the account that is compared with the target's own counters."""

    REQUEST = 0
    WORKFLOW = 1
    MESSAGE = 2
    GENERATOR = 3


class Endpoint(NamedTuple):
    """One row of a report: what was called, by which journey, and what kind of operation that is."""

    kind: Kind
    journey: str
    name: str


# What an open model says of its own schedule: arrivals by the second in which they were due. Those that were handed to
# a user, whose "response" histogram is the delay with which they began; those that found nobody; those that began late.
ARRIVALS = Endpoint(Kind.GENERATOR, "generator", "arrivals")
DROPPED_ARRIVALS = Endpoint(Kind.GENERATOR, "generator", "arrivals dropped")
LATE_ARRIVALS = Endpoint(Kind.GENERATOR, "generator", "arrivals late")
