"""One WebSocket over a wire of the client: frames as websocket-client reads and writes them, times by the kernel.

Everything is bounded: the handshake's header, each frame, each message, and every wait by a deadline.
"""

import base64
import hashlib
import os
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic_ns, time_ns

from websocket import ABNF, WebSocketException, continuous_frame, frame_buffer

from load.client.connection import CLOCK_SLACK_NS
from load.client.dialing import dial
from load.client.errors import (
    BadAnswer,
    BadFrame,
    BadStatus,
    ConnectionCut,
    RequestError,
    SocketClosed,
    TimedOut,
    TooLarge,
)
from load.client.headers import Headers
from load.client.origin import Origin
from load.client.reactor import reactor
from load.client.tls import TlsWire
from load.client.wire import Wire

MAX_HEADER_BYTES = 65_536
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
CLOSES_WITHIN_S = 1.0
NORMAL, GOING_AWAY, NO_CODE = 1000, 1001, 1005
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_CONTROL, _FIRST_CONTROL = 125, 8
_NOT_ASKED_FOR = ("sec-websocket-extensions", "sec-websocket-protocol")

Message = str | bytes


class WebSocket:
    """An open WebSocket, for one greenlet at a time; `handshake_us` is how long opening it took, connecting included.

    After any error but TimedOut it is closed.
    """

    def __init__(self, wire: Wire | TlsWire, *, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._wire = wire
        self._max_bytes = max_bytes
        self._frames = _Frames(self._take, max_bytes)
        self._whole = continuous_frame(False, True)
        self._collected = 0
        self._data, self._at = b"", 0
        self._deadline_ns = 0
        self._open = True
        self.headers = Headers()
        self.handshake_us = 0

    @classmethod
    def connect(
        cls,
        origin: Origin,
        target: str,
        headers: Mapping[str, str],
        *,
        within_s: float,
        max_bytes: int = MAX_MESSAGE_BYTES,
    ) -> "WebSocket":
        """Opens a WebSocket at the path `target`, within the time given for all of it.

        Raises:
            NotConnected: nobody is there.
            BadStatus, BadAnswer, TooLarge, TimedOut, ConnectionCut: the handshake was not answered as it must be.
        """
        began_ns, began_mono_ns = time_ns(), monotonic_ns()
        deadline_ns = began_mono_ns + round(within_s * 1e9)
        made = cls(dial(origin, reactor(), deadline_ns, {}), max_bytes=max_bytes)
        done = False
        try:
            made._shake_hands(origin, target, headers, deadline_ns)
            made.handshake_us = made.since_us(began_ns, began_mono_ns)
            done = True
        except TimedOut:
            raise TimedOut(f"no handshake within {within_s:g} s") from None
        except OSError as error:
            raise ConnectionCut(f"connection broke in the handshake: {error}") from error
        finally:
            if not done:
                made.abandon()
        return made

    def _shake_hands(self, origin: Origin, target: str, headers: Mapping[str, str], deadline_ns: int) -> None:
        key = base64.b64encode(os.urandom(16))
        lines = {
            "Host": origin.authority,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key.decode(),
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if not {"\r", "\n"} & set(value))
        self._wire.send(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace"), deadline_ns)
        self.headers = _accepted(self._read_head(deadline_ns), key)

    def _read_head(self, deadline_ns: int) -> bytes:
        """The header of the answer; what follows it are frames already."""
        received = b""
        while b"\r\n\r\n" not in received:
            if len(received) > MAX_HEADER_BYTES:
                raise TooLarge(f"the header of the handshake is larger than {MAX_HEADER_BYTES} bytes")
            data = self._wire.receive(deadline_ns)
            if not data:
                raise ConnectionCut("connection ended in the handshake")
            if monotonic_ns() > deadline_ns:
                raise TimedOut
            received += data
        head, _, self._data = received.partition(b"\r\n\r\n")
        return head

    def since_us(self, began_ns: int, began_mono_ns: int) -> int:
        """From a moment, by both clocks, to the arrival of what was received last; 0 where that was there before."""
        wire = self._wire
        elapsed_ns = wire.read_mono_ns - began_mono_ns
        drift_ns = wire.read_ns - began_ns - elapsed_ns
        if wire.stamp_ns and abs(drift_ns) <= CLOCK_SLACK_NS + (abs(elapsed_ns) >> 10):
            elapsed_ns = min(elapsed_ns, wire.stamp_ns - began_ns)
        return max(0, elapsed_ns) // 1000

    # Messages

    def send(self, message: Message, within_s: float) -> None:
        """Sends a message. Raises TimedOut, ConnectionCut."""
        opcode = ABNF.OPCODE_TEXT if isinstance(message, str) else ABNF.OPCODE_BINARY
        deadline_ns = monotonic_ns() + round(within_s * 1e9)
        try:
            self._wire.send(ABNF.create_frame(message, opcode).format(), deadline_ns)
        except TimedOut:
            self.abandon()  # half of it may have been sent
            raise TimedOut(f"not sent within {within_s:g} s") from None
        except OSError as error:
            self.abandon()
            raise ConnectionCut(f"connection broke while sending: {error}") from error

    def receive(self, deadline_ns: int) -> Message:
        """The next message, whole, over pings, which are answered; the deadline is on the monotonic clock.

        Raises:
            TimedOut: it was not whole in time.
            SocketClosed, ConnectionCut: it will not come.
            BadFrame, TooLarge: what came breaks the rules.
        """
        self._deadline_ns = deadline_ns
        try:
            while monotonic_ns() < deadline_ns:
                message = self._taken_in(self._frames.recv_frame())
                if message is not None:
                    return message
            raise TimedOut
        except TimedOut:
            raise
        except RequestError:
            self.abandon()
            raise
        except WebSocketException as error:
            self.abandon()
            raise BadFrame(f"a frame breaks the rules: {error}"[:200]) from error
        except OSError as error:
            self.abandon()
            raise ConnectionCut(f"connection broke: {error}") from error

    def _take(self, most: int) -> bytes:
        """Up to so many bytes, as the reader of frames asks for them."""
        if self._at == len(self._data):
            self._data, self._at = self._wire.receive(self._deadline_ns), 0
            if not self._data:
                raise ConnectionCut("connection ended without a word")
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def _taken_in(self, frame: ABNF) -> Message | None:
        """The message that this frame completes, if it does."""
        if frame.mask_value:
            raise BadFrame("a frame breaks the rules: those of a server are not masked")
        if frame.opcode >= _FIRST_CONTROL:
            self._controlled(frame)
            return None
        self._whole.validate(frame)
        self._collected += len(frame.data)
        if self._collected > self._max_bytes:
            raise TooLarge(f"a message is larger than {self._max_bytes} bytes")
        self._whole.add(frame)
        if not frame.fin:
            return None
        opcode, whole = self._whole.extract(frame)
        self._collected = 0
        return _text(whole.data) if opcode == ABNF.OPCODE_TEXT else bytes(whole.data)

    def _controlled(self, frame: ABNF) -> None:
        data = frame.data if isinstance(frame.data, bytes) else frame.data.encode()
        if not frame.fin or len(data) > _LONGEST_CONTROL:
            raise BadFrame("a frame breaks the rules: a ping, a pong or a close is one short frame")
        if frame.opcode == ABNF.OPCODE_PING:
            self._wire.send(ABNF.create_frame(data, ABNF.OPCODE_PONG).format(), self._deadline_ns)
        elif frame.opcode == ABNF.OPCODE_CLOSE:
            self._say_close()
            raise SocketClosed(*_closing(data))

    # The end

    def _say_close(self) -> None:
        deadline_ns = monotonic_ns() + round(CLOSES_WITHIN_S * 1e9)
        with suppress(OSError, TimedOut):  # the other side may have gone
            self._wire.send(ABNF.create_frame(struct.pack("!H", NORMAL), ABNF.OPCODE_CLOSE).format(), deadline_ns)

    def close(self) -> None:
        """Says that it closes, and waits a moment for the other side to say so too."""
        if not self._open:
            return
        self._say_close()
        deadline_ns = monotonic_ns() + round(CLOSES_WITHIN_S * 1e9)
        try:
            while True:
                self.receive(deadline_ns)
        except RequestError:
            pass
        finally:
            self.abandon()

    def drop(self) -> bool:
        """Breaks the connection as a network does; False when it is closed already."""
        if self._open:
            self._wire.drop()
        return self._open

    def abandon(self) -> None:
        """Closes the connection at once."""
        if self._open:
            self._open = False
            self._wire.close()


class _Frames(frame_buffer):
    """The library's reader of frames, which refuses a frame that is too large before any of it is kept."""

    def __init__(self, receive: Callable[[int], bytes], max_bytes: int) -> None:
        super().__init__(receive, True)  # whether text is UTF-8 is found out when it is decoded
        self._max_bytes = max_bytes

    def recv_length(self) -> None:
        super().recv_length()
        if (self.length or 0) > self._max_bytes:
            raise TooLarge(f"a frame of {self.length} bytes is larger than {self._max_bytes}")


def _accepted(head: bytes, key: bytes) -> Headers:
    """The header of a handshake that was answered as it must be."""
    version, _, rest = head.partition(b" ")
    status = int(rest[:3]) if rest[:3].isdigit() and version.startswith(b"HTTP/1.") else 0
    headers = Headers(head)
    if status >= 400:
        raise BadStatus(status, f"the handshake was answered {status}")
    if status != 101:
        raise BadAnswer(f"the handshake was answered {status or head[:40]!r} instead of 101")
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    upgrades = headers.get("upgrade", "").lower() == "websocket" and "upgrade" in headers.get("connection", "").lower()
    if not upgrades or headers.get("sec-websocket-accept") != proof:
        raise BadAnswer("the handshake does not prove that the target speaks WebSocket")
    for name in _NOT_ASKED_FOR:
        if name in headers:
            raise BadAnswer(f"the handshake agrees to a {name} that nobody asked for")
    return headers


def _text(data: bytes) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        raise BadFrame("a text is not in UTF-8") from None


def _closing(data: bytes) -> tuple[int, str]:
    """Code and reason of a close frame."""
    return (struct.unpack("!H", data[:2])[0], data[2:].decode(errors="replace")) if len(data) > 1 else (NO_CODE, "")
