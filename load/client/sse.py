"""Server-sent events, by the WHATWG's rules: text in, events out."""

from collections.abc import Iterator
from dataclasses import dataclass

from load.client.errors import TooLarge

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `received_ns` is the epoch time at which the kernel had its end."""

    data: str
    event: str = "message"
    id: str = ""
    received_ns: int = 0


class EventParser:
    """Takes the body of an event stream in pieces of any size. What no empty line has ended is no event."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._data: list[str] = []
        self._event = self._id = ""
        self._held_bytes = 0

    def feed(self, piece: bytes, received_ns: int = 0) -> Iterator[Event]:
        """The events that this piece completes.

        Raises:
            TooLarge: one event grows beyond 8 MiB.
        """
        for line in self._lines(piece):
            if line:
                self._field(line)
            elif self._data:
                yield Event("\n".join(self._data), self._event or "message", self._id, received_ns)
                self._forget()
            else:
                self._forget()
        if len(self._rest) + self._held_bytes > MAX_EVENT_BYTES:
            raise TooLarge(f"an event is larger than {MAX_EVENT_BYTES} bytes")

    def _forget(self) -> None:
        self._data, self._event, self._held_bytes = [], "", 0

    def _lines(self, piece: bytes) -> list[bytes]:
        """Whole lines; the last one may still be going on, or end in CR with its LF still to come."""
        text = self._rest + piece
        if not self._begun and len(text) >= len(_BYTE_ORDER_MARK):
            text, self._begun = text.removeprefix(_BYTE_ORDER_MARK), True
        held = text[-1:] if text.endswith(b"\r") else b""
        text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._held_bytes += len(line)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
