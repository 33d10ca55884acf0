"""The bytes of one answer, parsed by llhttp; bounded, and complete or not, never guessed."""

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from load.client.errors import BadAnswer, ConnectionCut, SurplusBytes, TooLarge
from load.client.headers import Headers
from load.client.origin import Limits

END_OF_HEAD = b"\r\n\r\n"
_INFORMATIONAL = b"1"


class Parsing:
    """One answer after the other on one connection. `begin` before each, `feed` until it is `complete`."""

    __slots__ = (
        "_keep_alive",
        "_parser",
        "_raw",
        "_status",
        "_without_body",
        "body_bytes",
        "complete",
        "head",
        "keep_alive",
        "limits",
        "pieces",
        "status",
        "surplus",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._parser: Any = None
        self._without_body = False
        self._renew()
        self.pieces: list[bytes] = []
        self.begin(without_body=False)

    def _renew(self) -> None:
        # llhttp is told of a HEAD by nobody; only then is it worth a call to hear of the end of each header
        self._parser = HttpResponseParser(_AnswerToHead(self) if self._without_body else self)
        self._status: Any = self._parser.get_status_code
        self._keep_alive: Any = self._parser.should_keep_alive

    def begin(self, without_body: bool) -> None:
        """Forgets the last answer. The next one answers a HEAD if it is `without_body`."""
        if self._without_body or without_body:  # after a HEAD it still waits for a body
            self._without_body = without_body
            self._renew()
        self.complete = self.surplus = self.keep_alive = False
        self.head = self._raw = b""
        if self.pieces:
            self.pieces = []
        self.status = self.body_bytes = 0

    # What llhttp calls

    def on_message_begin(self) -> None:
        """Another answer begins."""
        if self.complete:
            self.surplus = True

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without the marks between chunks."""
        self.pieces.append(piece)
        self.body_bytes += len(piece)

    def on_message_complete(self) -> None:
        """The answer is whole; those with a status of 1xx only announce it."""
        status = self._status()
        if status >= 200 and not self.complete:
            self.complete, self.status = True, status
            self.keep_alive = self._keep_alive()

    # What the connection calls

    def feed(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            BadAnswer: they are no answer, too much of one, or more than one.
        """
        if not self.head:
            self._find_head(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise BadAnswer("the target changes the protocol without being asked") from error
        except HttpParserError as error:
            if self.complete:
                raise SurplusBytes("more bytes than the answer announced") from error
            raise BadAnswer(f"no HTTP answer: {error}") from error
        if self.surplus or (self._without_body and self.body_bytes):
            raise SurplusBytes("more bytes than the answer announced")
        if self.body_bytes > self.limits.body_bytes:
            raise TooLarge(f"the body is larger than {self.limits.body_bytes} bytes")

    def _find_head(self, data: bytes) -> None:
        """Looks for the end of the header; those of 1xx answers are left out."""
        raw = self._raw + data if self._raw else data
        start = 0
        while (end := raw.find(END_OF_HEAD, start)) >= 0:
            if raw[start + 9 : start + 10] != _INFORMATIONAL:
                break
            start = end + 4
        if end >= 0:
            self.head, self._raw = raw[start : end + 2], b""
        else:
            self._raw = raw[start:]
        if (end - start if end >= 0 else len(self._raw)) > self.limits.header_bytes:
            raise TooLarge(f"the header is larger than {self.limits.header_bytes} bytes")

    @property
    def latest_status(self) -> int:
        """The status of an answer whose header is there."""
        return int(self._status())

    def at_end(self) -> None:
        """The target has closed the connection, which is how some answers end.

        Raises:
            ConnectionCut: not this one.
        """
        if not self.head:
            what = "within the header" if self._raw else "before any answer"
            raise ConnectionCut(f"connection closed {what}")
        headers = Headers(self.head)
        if "content-length" in headers or "transfer-encoding" in headers:
            raise ConnectionCut("connection closed within the body")
        self.status, self.complete, self.keep_alive = self._status(), True, False

    def release(self) -> None:
        """Lets go of the parser, which holds this object in turn."""
        self._parser = self._status = self._keep_alive = None

    def take(self) -> bytes:
        """The body so far, which is forgotten here."""
        pieces, self.pieces = self.pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _AnswerToHead:
    """What llhttp calls while it reads the answer to a HEAD, which is whole when its header is."""

    def __init__(self, parsing: Parsing) -> None:
        self.on_message_begin, self.on_body = parsing.on_message_begin, parsing.on_body
        self.on_message_complete = self.on_headers_complete = parsing.on_message_complete


class Answer:
    """A whole answer and its times; `head_before` is of the answer before. Epoch times: `began_ns`, `received_ns`.

    `service_ns` spans from the sending, or from the opening of the connection where one had to be opened, to the
    arrival of the last byte at the kernel; `lag_ns` from there until it was read, 0 where the kernel gave no stamp.
    """

    status = began_ns = received_ns = service_ns = lag_ns = 0
    head = body = head_before = b""
    stamped = False

    @property
    def headers(self) -> Headers:
        """The fields of the header, taken apart on each call."""
        return Headers(self.head)
