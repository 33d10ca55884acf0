"""The master's side of storms: says when the load began, by which all workers reckon, and notes what they tell."""

from typing import Any

import gevent
from gevent import Greenlet

from journal.timeline import EventKind, Timeline
from load.distributed.messages import LOAD_BEGAN, STORM_HEARD, Send
from load.distributed.roster import Roster

_SAY_EVERY_S = 0.5


class StormDesk:
    """The storms of a run as its master sees them."""

    def __init__(self, send: Send, roster: Roster, timeline: Timeline) -> None:
        self._send, self._roster, self._timeline = send, roster, timeline
        self._known: set[tuple[str, str, str]] = set()
        self._saying: Greenlet | None = None

    def load_began(self, at_ns: int) -> None:
        """Tells all workers again and again, since some may join late."""
        self._saying = gevent.spawn(self._say, at_ns)

    def _say(self, at_ns: int) -> None:
        while True:
            for member in self._roster.living():
                self._send(LOAD_BEGAN, {"at_ns": at_ns}, member.node_id)
            gevent.sleep(_SAY_EVERY_S)

    def load_ended(self) -> None:
        """Nobody else needs to know."""
        if self._saying is not None:
            self._saying.kill()

    def on_told(self, msg: Any, **_: Any) -> None:
        """A worker tells of a storm; it does so until it hears that it was heard, and counts once."""
        member = self._roster.heard(msg.node_id)
        if member is None:
            return
        told = dict(msg.data)
        key = (told["storm_id"], told["state"], member.name)
        if key not in self._known:
            self._known.add(key)
            self._timeline.write(EventKind.STORM, at_ns=told.pop("at_ns"), worker=member.name, **told)
        self._send(STORM_HEARD, {"storm_id": key[0], "state": key[1]}, msg.node_id)
