"""One connection of one user: a request goes out once, and comes back as an answer or as a named error."""

import ssl
from time import monotonic_ns, time_ns

from load.client import stamps
from load.client.answer import Answer, Parsing
from load.client.dialing import dial
from load.client.errors import ConnectionCut, TimedOut
from load.client.origin import Limits, Origin
from load.client.reactor import NEVER_NS, reactor
from load.client.stream import Stream
from load.client.tls import TlsWire
from load.client.wire import Wire

# while a request is on its way the wall clock may be corrected by that much and a thousandth of the time; beyond that
# the kernel's stamp is not believed
CLOCK_SLACK_NS = 1_000_000

Sessions = dict[Origin, ssl.SSLSession]


def _ns(seconds: float | None) -> int:
    return NEVER_NS if seconds is None else round(seconds * 1e9)


class Connection:
    """A keep-alive connection. It is opened when needed, and given up after anything but a whole answer.

    Nothing is sent twice: a connection that the server closed while it was idle is noticed before sending, one that
    breaks afterwards is an error. `sessions` are the TLS sessions to resume, by origin. `head_before` is the header of
    the last answer on this connection, or on the one that has just been lost: it says who is at the other end.
    """

    __slots__ = (
        "_began_mono_ns",
        "_began_ns",
        "_connect_ns",
        "_deadline_ns",
        "_first_deadline_ns",
        "_first_ns",
        "_limits",
        "_parsing",
        "_reactor",
        "_read_ns",
        "_sessions",
        "_total_ns",
        "_wire",
        "head_before",
        "origin",
    )

    def __init__(self, origin: Origin, limits: Limits, sessions: Sessions | None = None) -> None:
        self.origin = origin
        self.head_before = b""
        self._limits = limits
        self._sessions: Sessions = {} if sessions is None else sessions
        self._reactor = reactor()
        self._parsing = Parsing(limits)
        self._wire: Wire | TlsWire | None = None
        self._connect_ns, self._read_ns, self._total_ns = (
            _ns(seconds) for seconds in (limits.connect_s, limits.read_s, limits.total_s)
        )
        self._first_ns = min(self._read_ns, self._total_ns)
        self._began_ns = self._began_mono_ns = self._deadline_ns = self._first_deadline_ns = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, which the other side may have closed meanwhile."""
        return self._wire is not None

    @property
    def began_ns(self) -> int:
        """The epoch time at which the present or last request began."""
        return self._began_ns

    @property
    def elapsed_ns(self) -> int:
        """The time since then."""
        return monotonic_ns() - self._began_mono_ns

    # Whole answers

    def exchange(self, request: bytes, *, without_body: bool = False) -> Answer:
        """Sends the request and returns the whole answer; `without_body` for a HEAD.

        Raises:
            RequestError: what became of it instead.
        """
        answer = Answer()
        self.exchange_into(answer, request, without_body)
        return answer

    def exchange_into(self, answer: Answer, request: bytes, without_body: bool) -> None:
        """The same, into an answer of the caller's."""
        self.send(request, without_body)
        parsing, done = self._parsing, False
        try:
            while not parsing.complete:
                self._receive()
            done = True
        finally:
            if not done:  # also when the user is stopped in the middle: the answer would be taken for the next one's
                self.close()
        self._received(parsing, answer)

    def _received(self, parsing: Parsing, answer: Answer) -> None:
        wire = self._wire
        assert wire is not None
        stamp_ns = self._believed_stamp_ns()
        answer.status, answer.head, answer.body = parsing.status, parsing.head, parsing.take()
        answer.began_ns = self._began_ns
        if stamp_ns:
            answer.received_ns = stamp_ns
            answer.service_ns = stamp_ns - self._began_ns
            answer.lag_ns = wire.read_ns - stamp_ns
            answer.stamped = True
            stamps.count.stamped += 1
        else:
            answer.service_ns = wire.read_mono_ns - self._began_mono_ns
            answer.received_ns = self._began_ns + answer.service_ns
            stamps.count.unstamped += 1
        answer.head_before, self.head_before = self.head_before, parsing.head
        if not parsing.keep_alive:
            self.close()

    def _believed_stamp_ns(self) -> int:
        """The kernel's stamp of the last bytes; 0 if it lies outside the exchange, or the wall clock was set."""
        wire = self._wire
        assert wire is not None
        began_ns, stamp_ns, read_ns = self._began_ns, wire.stamp_ns, wire.read_ns
        if not began_ns <= stamp_ns <= read_ns:
            return 0
        elapsed_ns = wire.read_mono_ns - self._began_mono_ns
        off_ns = read_ns - began_ns - elapsed_ns
        if -CLOCK_SLACK_NS <= off_ns <= CLOCK_SLACK_NS or abs(off_ns) <= CLOCK_SLACK_NS + (elapsed_ns >> 10):
            return stamp_ns
        return 0

    # Answers that are read while they arrive

    def stream(self, request: bytes) -> Stream:
        """Sends the request and returns when the header of its answer is there; see `load.client.stream`.

        From then on the total time-out bounds each silence, not the whole: streams may go on for as long as they like.

        Raises:
            RequestError: what became of it instead.
        """
        self.send(request)
        parsing, done = self._parsing, False
        try:
            while not parsing.head:
                self._receive()
            done = True
        finally:
            if not done:
                self.close()
        return Stream(self, parsing.latest_status, parsing.head, self._began_ns, self._limits.body_bytes)

    def more(self) -> bytes | None:
        """The next piece of the body of a stream, None at its end. Raises RequestError."""
        parsing, done = self._parsing, False
        self._deadline_ns = monotonic_ns() + self._total_ns
        try:
            while not parsing.complete and not parsing.pieces:
                self._receive()
            done = True
        finally:
            if not done:
                self.close()
        parsing.body_bytes = 0
        return parsing.take() if parsing.pieces else None

    def arrived_ns(self) -> int:
        """The epoch time of the last bytes of a stream, by the kernel where its stamp can be believed."""
        wire = self._wire
        assert wire is not None
        return self._believed_stamp_ns() or self._began_ns + wire.read_mono_ns - self._began_mono_ns

    def end_stream(self) -> None:
        """The stream has been read to its end: the connection can be used again where the answer allows that."""
        self.head_before = self._parsing.head
        if not self._parsing.keep_alive:
            self.close()

    # Both

    def send(self, request: bytes, without_body: bool = False) -> None:
        """Opens the connection where that is necessary, and sends the request.

        Raises:
            RequestError: it could not be sent, or not all of it.
        """
        self._began_ns, began_ns = time_ns(), monotonic_ns()
        self._began_mono_ns = began_ns
        self._deadline_ns = began_ns + self._total_ns
        first_deadline_ns = self._first_deadline_ns = began_ns + self._first_ns
        wire = self._wire
        if wire is None or not wire.is_fresh():
            wire = self._open()
            first_deadline_ns = self._first_deadline_ns = min(self._deadline_ns, monotonic_ns() + self._first_ns)
        self._parsing.begin(without_body)
        sent = False
        try:
            wire.send(request, first_deadline_ns)
            sent = True
        except TimedOut:
            raise TimedOut(f"not sent within {self._patience()}") from None
        except OSError as error:
            raise ConnectionCut(f"connection broke while sending: {error}") from error
        finally:
            if not sent:
                self.close()

    def connect(self) -> None:
        """Opens the connection before there is a request for it. Raises NotConnected."""
        self._began_mono_ns = monotonic_ns()
        self._deadline_ns = self._began_mono_ns + self._total_ns
        self._open()

    def drop(self) -> bool:
        """Breaks the connection, also under a request, which finds it cut; False when there is none."""
        if self._wire is None:
            return False
        self._wire.drop()
        return True

    def _open(self) -> Wire | TlsWire:
        self.close()
        self.head_before = b""
        deadline_ns = min(self._deadline_ns, self._began_mono_ns + self._connect_ns)
        wire = self._wire = dial(self.origin, self._reactor, deadline_ns, self._sessions)
        return wire

    def _next_deadline_ns(self) -> int:
        if self._read_ns == NEVER_NS:
            return self._deadline_ns
        return min(self._deadline_ns, monotonic_ns() + self._read_ns)

    def _receive(self) -> None:
        wire = self._wire
        assert wire is not None
        try:  # the first silence begins with the request, and its end is known
            data = wire.receive(self._first_deadline_ns or self._next_deadline_ns())
        except TimedOut:
            raise TimedOut(f"nothing within {self._patience()}") from None
        except OSError as error:
            raise ConnectionCut(f"connection broke: {error}") from error
        self._first_deadline_ns = 0
        if data:
            self._parsing.feed(data)
        else:
            self._parsing.at_end()

    def _patience(self) -> str:
        waits_s = [seconds for seconds in (self._limits.read_s, self._limits.total_s) if seconds is not None]
        return f"{min(waits_s):g} s" if waits_s else "the time given"

    def close(self) -> None:
        """Closes the connection, if there is one; the next exchange opens another."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
            self._parsing.release()
            self._parsing = Parsing(self._limits)
