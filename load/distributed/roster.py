"""The workers as the master knows them: who joined, who left in order, who was lost, and what each was asked."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import gevent

from journal.timeline import LOST_AFTER_S, EventKind, Timeline
from load.distributed.messages import COMMAND, Command, Send

NOTABLE_SILENCE_S = 3.0  # workers report every second
ASK_AGAIN_AFTER_S = 1.0
NOTABLE_NS = 5_000_000


@dataclass(slots=True)
class Member:
    """One worker; `state` is "joined", "left" or "lost"."""

    node_id: str
    index: int
    name: str
    heard_s: float
    state: str = "joined"
    free_users: int = 0
    results: dict[Command, dict[str, Any]] = field(default_factory=dict)
    clock_known: bool = False


class Roster:
    """Keeps the members by their node, and writes their comings and goings into the timeline."""

    def __init__(self, send: Send, timeline: Timeline, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._timeline = timeline
        self._clock = clock
        self._members: dict[str, Member] = {}
        self.patient = True

    def join(self, node_id: str, wanted: int) -> Member:
        """The member of this node, made when it is new: under the index that it wants, or the next free one.

        An index is never given twice, even when its first holder is lost: the frames of two would pass for one's.
        """
        member = self._members.get(node_id)
        if member is None:
            taken = {other.index for other in self._members.values()}
            index = next(number for number in count(wanted) if number not in taken)
            member = self._members[node_id] = Member(node_id, index, f"worker-{index}", self._clock())
            self._note(member, "joined")
        return member

    def heard(self, node_id: str) -> Member | None:
        """The member of this node, which shows a sign of life, noted after a long silence; None for strangers."""
        member = self._members.get(node_id)
        if member is not None:
            silent_s, member.heard_s = self._clock() - member.heard_s, self._clock()
            if member.state == "lost" or (member.state == "joined" and silent_s >= NOTABLE_SILENCE_S):
                self._note(member, "joined", silent_s=round(silent_s, 1))
        return member

    def silence_s(self, member: Member) -> float:
        """For how long the member has shown no sign of life."""
        return self._clock() - member.heard_s

    def is_news(self, member: Member, correction: Mapping[str, int]) -> bool:
        """Whether a member's clock is known for the first time, or had run away by more than anybody would overlook."""
        known, member.clock_known = member.clock_known, True
        return not known or abs(correction["off_ns"]) > NOTABLE_NS

    def left(self, member: Member) -> None:
        """The member has delivered its last frame."""
        if member.state != "left":
            self._note(member, "left")

    def living(self) -> list[Member]:
        """Members that are expected to answer."""
        return [member for member in self._members.values() if member.state == "joined"]

    def reachable(self) -> list[Member]:
        """Members that are living, or left in order and may have said before what will be asked."""
        return [member for member in self._members.values() if member.state != "lost"]

    def find_lost(self) -> None:
        """Notes members that have been silent for too long."""
        for member in self.living():
            if self._clock() - member.heard_s > LOST_AFTER_S:
                self._note(member, "lost")

    def _note(self, member: Member, state: str, **data: Any) -> None:
        member.state = state
        self._timeline.write(EventKind.WORKER, worker=member.name, state=state, **data)

    def ask(self, command: Command, members: list[Member], within_s: float) -> dict[str, dict[str, Any]]:
        """Sends a command until every living one of `members` has answered; the answers by worker name."""
        ends_s = self._clock() + within_s
        again_s = self._clock()
        while self._clock() < ends_s and self.patient:
            open_ = [member for member in members if command not in member.results and member.state == "joined"]
            if not open_:
                break
            if self._clock() >= again_s:
                again_s += ASK_AGAIN_AFTER_S
                for member in open_:
                    self._send(COMMAND, {"command": command.value}, member.node_id)
            gevent.sleep(0.02)
            self.find_lost()
        return {member.name: member.results[command] for member in members if command in member.results}
