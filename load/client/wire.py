"""A connected socket on the event loop: bytes out, bytes in, each with the time at which the kernel received them.

The hub's own watchers are used instead of gevent's sockets, and one deadline instead of a timer for each wait.
"""

import socket
from contextlib import suppress
from select import POLLIN
from time import monotonic_ns, time_ns
from typing import Any

from gevent.monkey import get_original
from greenlet import getcurrent

from load.client.errors import TimedOut
from load.client.reactor import NEVER_NS, Reactor
from load.client.stamps import SPACE, TIMESPEC

RECEIVE_BYTES = 65_536
READ, WRITE = 1, 2
_LATE_READS = 32
_poll = get_original("select", "poll")


class Wire:
    """One connected, non-blocking socket, for one greenlet at a time.

    When the last bytes came: `stamp_ns` by the kernel, 0 where it gave none; `read_ns` when they were read. Both are
    epoch times; `read_mono_ns` is the same moment as `read_ns` on the monotonic clock.
    """

    __slots__ = (
        "_deadlines",
        "_expired",
        "_late_reads",
        "_poll",
        "_reactor",
        "_readable",
        "_receive",
        "_send",
        "_socket",
        "_switch",
        "_waiting",
        "_watching",
        "deadline_ns",
        "listed_ns",
        "read_mono_ns",
        "read_ns",
        "stamp_ns",
    )

    def __init__(self, raw: socket.socket, reactor: Reactor) -> None:
        self._socket = raw
        self._reactor = reactor
        self._deadlines, self._switch = reactor.deadlines, reactor.switch
        self._send, self._receive = raw.send, raw.recvmsg
        self._readable: Any = reactor.loop.io(raw.fileno(), READ)
        poller = _poll()
        poller.register(raw.fileno(), POLLIN)
        self._poll = poller.poll
        self._waiting: Any = None
        self._watching = self._expired = False
        self._late_reads = 0
        self.deadline_ns = self.listed_ns = NEVER_NS
        self.stamp_ns = self.read_ns = self.read_mono_ns = 0

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    # Waiting

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.switch()
        else:  # nobody waits: what is there will be found before the next request
            self._readable.stop()
            self._watching = False

    def expire(self) -> None:
        """The deadline has passed. Whoever waits looks once more: this process may have stood still meanwhile."""
        self._expired = True
        self._late_reads = 0
        self._wake()

    def _wait(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns
        if deadline_ns < self.listed_ns:
            self._deadlines.watch(self)
        self._waiting = getcurrent()
        try:
            self._switch()
        finally:
            self._waiting = None
            self.deadline_ns = NEVER_NS

    # Bytes

    def receive(self, deadline_ns: int) -> bytes:
        """The next bytes; empty when the other side has closed.

        Raises:
            TimedOut: none came before the deadline, which is on the monotonic clock.
            OSError: the connection broke.
        """
        if not self._watching:
            self._readable.start(self._wake)
            self._watching = True
        while True:
            if self._expired:
                self._late_reads += 1
                if self._late_reads > _LATE_READS:
                    raise TimedOut
            else:
                self.deadline_ns = deadline_ns  # as in `_wait`, without its call
                if deadline_ns < self.listed_ns:
                    self._deadlines.watch(self)
                self._waiting = getcurrent()
                try:
                    self._switch()
                finally:
                    self._waiting = None
                    self.deadline_ns = NEVER_NS
            try:
                data, ancillary, _, _ = self._receive(RECEIVE_BYTES, SPACE)
            except BlockingIOError:
                if self._expired:
                    raise TimedOut from None
                continue
            self.read_ns, self.read_mono_ns = time_ns(), monotonic_ns()
            if ancillary:
                seconds, rest_ns = TIMESPEC.unpack(ancillary[0][2])
                self.stamp_ns = seconds * 1_000_000_000 + rest_ns
            else:
                self.stamp_ns = 0
            return data

    def send(self, data: bytes, deadline_ns: int) -> None:
        """Sends all of it. Raises as `receive` does."""
        self._expired = False
        try:  # as in `_send_some`, without its call
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], deadline_ns)

    def _send_some(self, data: memoryview) -> int:
        try:
            return self._send(data)
        except BlockingIOError:
            return 0

    def _send_rest(self, rest: memoryview, deadline_ns: int) -> None:
        if self._watching:  # an answer that comes too early would wake us again and again
            self._readable.stop()
            self._watching = False
        writable = self._reactor.loop.io(self.fileno(), WRITE)
        try:
            writable.start(self._wake)
            while rest:
                self._wait(deadline_ns)
                sent = self._send_some(rest)
                if not sent and self._expired:
                    raise TimedOut
                rest = rest[sent:]
        finally:
            writable.stop()
            writable.close()

    def wait_connected(self, deadline_ns: int) -> None:
        """Waits until a connection that is being opened has been, or has failed; raises TimedOut."""
        writable = self._reactor.loop.io(self.fileno(), WRITE)
        try:
            writable.start(self._wake)
            self._wait(deadline_ns)
            if self._expired:
                raise TimedOut
        finally:
            writable.stop()
            writable.close()

    def is_fresh(self) -> bool:
        """Whether nothing has come since the last answer: neither the end of the connection nor unasked bytes."""
        return not self._poll(0)

    def drop(self) -> None:
        """Ends the connection in both directions: whoever waits for bytes finds it closed, as does the next request."""
        with suppress(OSError):  # it was broken already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the socket."""
        self.deadline_ns = NEVER_NS
        self._deadlines.forget(self)
        self._readable.stop()
        self._readable.close()
        self._socket.close()
