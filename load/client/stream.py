"""Answers that are read while they arrive: piece by piece, or event by event.

    with connection.stream(request) as stream:
        if stream.is_event_stream:
            for event in stream.events():
                …
        else:
            body = stream.read()
    stream.first_byte_us, stream.first_event_us, stream.service_us

Leaving the block before the end closes the connection, since nothing else would stop the target from sending.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from load.client.decoding import Decoder
from load.client.errors import TooLarge
from load.client.headers import Headers
from load.client.sse import Event, EventParser


def _nothing() -> None:
    pass


class Source(Protocol):
    """The connection, as a stream sees it."""

    head_before: bytes

    def more(self) -> bytes | None:
        """The next piece of the body, None at its end."""

    def arrived_ns(self) -> int:
        """The epoch time of the last bytes, by the kernel where it stamped them."""

    def end_stream(self) -> None:
        """The end was reached; `arrived_ns` may not be asked any more."""

    def close(self) -> None:
        """Gives the connection up."""


class Stream:
    """An answer whose header has arrived. Times are in µs since the sending began; 0 until they are known.

    `first_byte_us` is when the first bytes of the answer came, `first_event_us` when the first event was whole, and
    `service_us` when the last byte of what was read came, which is `received_ns` as epoch time. Where several segments
    are read at once, the last counts.
    """

    def __init__(self, source: Source, status: int, head: bytes, began_ns: int, limit_bytes: int) -> None:
        self.status = status
        self.head, self.head_before = head, source.head_before
        self.headers = Headers(head)
        self.began_ns = began_ns
        self.first_event_us = 0
        self.ended = False
        self.when_over: Callable[[], None] = _nothing
        self.received_ns = 0
        self._source = source
        self._limit_bytes = limit_bytes
        self._decoder = Decoder(self.headers.get("content-encoding", ""), limit_bytes)
        self.first_byte_us = self.service_us = self._elapsed_us()

    @property
    def is_event_stream(self) -> bool:
        """Whether the answer says that it consists of server-sent events."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream"

    def _elapsed_us(self) -> int:
        self.received_ns = self._source.arrived_ns()
        return max(0, self.received_ns - self.began_ns) // 1000

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, decoded.

        Raises:
            RequestError: it did not come to its end, or not in order.
        """
        while (piece := self._source.more()) is not None:
            self.service_us = self._elapsed_us()
            self._decoder.renew()
            decoded = self._decoder.feed(piece)
            if decoded:
                yield decoded
        self.service_us = self._elapsed_us()
        self.ended = True
        self._source.end_stream()
        self.when_over()
        self._decoder.finish()

    def events(self) -> Iterator[Event]:
        """The server-sent events as they come. Raises as `pieces` does."""
        parser = EventParser()
        for piece in self.pieces():
            for event in parser.feed(piece, self.received_ns):
                if not self.first_event_us:
                    self.first_event_us = self.service_us
                yield event

    def read(self) -> bytes:
        """The rest of the body. Raises as `pieces` does, and TooLarge when there is no end of it."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > self._limit_bytes:
                raise TooLarge(f"the body is larger than {self._limit_bytes} bytes")
        return bytes(body)

    def close(self) -> None:
        """Gives the answer up, and the connection with it, unless it has come to its end."""
        if not self.ended:
            self.ended = True
            self._source.close()
            self.when_over()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
