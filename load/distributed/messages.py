"""The messages between the master and its workers, sent through Locust's own connection; a local run uses the same.

CLOCK       worker → master  {"asked_ns": n}            several at the start, and again every ten seconds
TIME        master → worker  {"asked_ns": n, "at_ns": n}
OFFSET      worker → master  `Correction`
HELLO       worker → master  {"index": n} or {}         sent again until the assignment arrives
ASSIGNMENT  master → worker  `Assignment`
REPORT      worker → master  `Parcel`                   sent again until acknowledged
ACK         master → worker  {"sequence": n}
COMMAND     master → worker  {"command": `Command`}     sent again until answered
RESULT      worker → master  {"command": …, "data": {…}}
READY       worker → master  {"free": n}                of an open model: users who wait for their first pass
LEASE       master → worker  {"begin_ns": …, "shares": […], "until_ns": …}      sent again and again, each time anew
FAILED      worker → master  {"error": …}               sent each second until the load ends
LOAD_BEGAN  master → worker  {"at_ns": n}               of a plan with storms: sent again and again
STORM       worker → master  {"storm_id": …, "state": …, …}                     sent again until it was heard
STORM_HEARD master → worker  {"storm_id": …, "state": …}
"""

from enum import StrEnum
from typing import Any, Protocol

CLOCK = "gameday-clock"
TIME = "gameday-time"
OFFSET = "gameday-offset"
HELLO = "gameday-hello"
ASSIGNMENT = "gameday-assignment"
REPORT = "gameday-report"
ACK = "gameday-ack"
COMMAND = "gameday-command"
RESULT = "gameday-result"
READY = "gameday-ready"
LEASE = "gameday-lease"
FAILED = "gameday-failed"
LOAD_BEGAN = "gameday-load-began"
STORM = "gameday-storm"
STORM_HEARD = "gameday-storm-heard"


class Command(StrEnum):
    """What the master asks of workers, in this order."""

    PREPARE = "prepare"
    DRAIN = "drain"
    CHECK_TASKS = "check-tasks"
    CHECK_SUPPLY = "check-supply"
    CLOSE = "close"


class Send(Protocol):
    """Sends one message; `client_id` names the worker, None from a worker to the master."""

    def __call__(self, msg_type: str, data: dict[str, Any] | None = None, client_id: str | None = None) -> None:
        """Sends it, at most once."""
