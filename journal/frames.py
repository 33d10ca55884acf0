"""One frame: what one worker saw in one second, as bytes and back. docs/run-directory.md has the layout."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from journal.errors import HarnessDefect
from journal.histogram import BUCKETS
from journal.outcomes import Endpoint, Kind, Outcome

SYNC = b"\xf1GDF"
HEADER = struct.Struct("<4sII")
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024

_PREFIX = struct.Struct("<qqIB")
_ENDPOINT = struct.Struct("<BIIB")
_OUTCOME = struct.Struct("<BIBB")
_THRESHOLD = struct.Struct("<II")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")
_LAST = 1

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class OutcomeSecond:
    """The operations of one endpoint that ended in one way in one second.

    `over` maps a threshold in µs to the number of raw values at or above it; `histograms` maps a name
    ("service", "response", "lag") to {bucket index: count}.
    """

    count: int
    over: Mapping[int, int] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointSecond:
    """One endpoint in one second: `started` counts intended starts within it, `in_flight` those open at its end."""

    started: int
    in_flight: int
    outcomes: Mapping[Outcome, OutcomeSecond]


@dataclass(frozen=True, slots=True)
class Frame:
    """One worker's second. Sequence numbers begin at 1 and have no gaps; `last` marks a worker's orderly end."""

    worker: str
    sequence: int
    second: int
    users: int
    endpoints: Mapping[Endpoint, EndpointSecond]
    last: bool = False


def encode(frame: Frame) -> bytes:
    """The frame as bytes: sync word, payload length, CRC-32 of length and payload, payload.

    Raises:
        HarnessDefect: a number or the whole does not fit into the format.
    """
    try:
        payload = _encode_payload(frame)
    except struct.error as error:
        raise HarnessDefect(f"frame {frame.sequence} of {frame.worker} does not fit its format: {error}") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise HarnessDefect(
            f"frame {frame.sequence} of {frame.worker} has {len(payload)} bytes, too many to be read back"
        )
    length = _U32.pack(len(payload))
    return HEADER.pack(SYNC, len(payload), zlib.crc32(payload, zlib.crc32(length))) + payload


def checksum_holds(length: int, checksum: int, payload: bytes | memoryview) -> bool:
    """Whether the CRC-32 covers this length and payload."""
    return zlib.crc32(payload, zlib.crc32(_U32.pack(length))) == checksum


def _text(value: str) -> bytes:
    raw = value.encode()
    return _U16.pack(len(raw)) + raw


def _encode_payload(frame: Frame) -> bytes:
    parts = [_PREFIX.pack(frame.sequence, frame.second, frame.users, _LAST if frame.last else 0), _text(frame.worker)]
    parts.append(_U16.pack(len(frame.endpoints)))
    for endpoint, seen in frame.endpoints.items():
        parts.append(_ENDPOINT.pack(endpoint.kind, seen.started, seen.in_flight, len(seen.outcomes)))
        parts += (_text(endpoint.journey), _text(endpoint.name))
        for outcome, ended in seen.outcomes.items():
            parts += _encode_outcome(outcome, ended)
    return b"".join(parts)


def _encode_outcome(outcome: Outcome, ended: OutcomeSecond) -> list[bytes]:
    parts = [_OUTCOME.pack(outcome, ended.count, len(ended.over), len(ended.histograms))]
    parts += [_THRESHOLD.pack(threshold_us, count) for threshold_us, count in sorted(ended.over.items())]
    for name, buckets in ended.histograms.items():
        indices = sorted(buckets)
        counts = [buckets[index] for index in indices]
        parts += (_text(name), _U32.pack(len(indices)), struct.pack(f"<{2 * len(indices)}I", *indices, *counts))
    return parts


class _Cursor:
    """Reads a payload from front to back; struct.error or IndexError mean that it does not hold what it claims."""

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, layout: struct.Struct) -> tuple[int, ...]:
        values = layout.unpack_from(self.data, self.offset)
        self.offset += layout.size
        return values

    def pair(self, layout: struct.Struct) -> tuple[int, int]:
        first, second = self.take(layout)
        return first, second

    def text(self) -> str:
        (length,) = self.take(_U16)
        start, self.offset = self.offset, self.offset + length
        if self.offset > len(self.data):
            raise struct.error("text runs past the end")
        return self.data[start : self.offset].decode()

    def numbers(self, count: int) -> tuple[int, ...]:
        layout = struct.Struct(f"<{count}I")
        return self.take(layout)


def decode(payload: bytes) -> Frame:
    """The frame of a payload whose checksum holds. Raises ValueError when it is not a frame all the same."""
    try:
        return _decode_payload(_Cursor(payload))
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"not a frame: {error}") from error


def _decode_payload(cursor: _Cursor) -> Frame:
    sequence, second, users, flags = cursor.take(_PREFIX)
    worker = cursor.text()
    (number,) = cursor.take(_U16)
    endpoints = _distinct([_decode_endpoint(cursor) for _ in range(number)])
    if sequence < 1 or cursor.offset != len(cursor.data):
        raise ValueError(f"sequence number {sequence}, {len(cursor.data) - cursor.offset} bytes left over")
    return Frame(worker, sequence, second, users, endpoints, bool(flags & _LAST))


def _decode_endpoint(cursor: _Cursor) -> tuple[Endpoint, EndpointSecond]:
    kind, started, in_flight, outcomes = cursor.take(_ENDPOINT)
    endpoint = Endpoint(Kind(kind), cursor.text(), cursor.text())
    return endpoint, EndpointSecond(started, in_flight, _distinct([_decode_outcome(cursor) for _ in range(outcomes)]))


def _decode_outcome(cursor: _Cursor) -> tuple[Outcome, OutcomeSecond]:
    outcome, count, thresholds, histograms = cursor.take(_OUTCOME)
    over = _distinct([cursor.pair(_THRESHOLD) for _ in range(thresholds)])
    named = _distinct([_decode_histogram(cursor) for _ in range(histograms)])
    return Outcome(outcome), OutcomeSecond(count, over, named)


def _decode_histogram(cursor: _Cursor) -> tuple[str, dict[int, int]]:
    name = cursor.text()
    (size,) = cursor.take(_U32)
    numbers = cursor.numbers(2 * size)
    indices, counts = numbers[:size], numbers[size:]
    if max(indices, default=0) >= BUCKETS:
        raise ValueError(f"bucket {max(indices)} of {BUCKETS}")
    buckets = dict(zip(indices, counts, strict=True))
    if len(buckets) != size:
        raise ValueError("a bucket is listed twice")
    return name, buckets


def _distinct(pairs: list[tuple[Key, Value]]) -> dict[Key, Value]:
    """The pairs as a dict; a key that is there twice would drop what came first, so it is an error."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("something is listed twice")
    return found
