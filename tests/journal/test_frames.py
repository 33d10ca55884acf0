"""Frames survive the way to bytes and back; what cannot be a frame is refused."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import HarnessDefect
from journal.frames import HEADER, SYNC, EndpointSecond, Frame, OutcomeSecond, checksum_holds, decode, encode
from journal.histogram import BUCKETS
from journal.outcomes import Endpoint, Kind, Outcome
from tests.journal.frame_strategies import U32, frames

ENDPOINT = Endpoint(Kind.REQUEST, "auth", "POST /auth/login")


def frame(**outcome: object) -> Frame:
    ended = OutcomeSecond(**{"count": 1, **outcome})  # type: ignore[arg-type]
    return Frame("worker-1", 1, 1_700_000_000, 5, {ENDPOINT: EndpointSecond(1, 0, {Outcome.OK: ended})})


def payload_of(encoded: bytes) -> bytes:
    return encoded[HEADER.size :]


@given(frames(counts=U32))
def test_a_frame_comes_back_from_its_bytes_as_it_was(original: Frame) -> None:
    assert decode(payload_of(encode(original))) == original


@given(frames())
def test_a_header_names_the_length_and_a_checksum_over_length_and_payload(original: Frame) -> None:
    encoded = encode(original)
    sync, length, checksum = HEADER.unpack_from(encoded)
    payload = payload_of(encoded)
    assert (sync, length) == (SYNC, len(payload))
    assert checksum == zlib.crc32(length.to_bytes(4, "little") + payload)
    assert checksum_holds(length, checksum, payload)
    assert not checksum_holds(length + 1, checksum, payload)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_payload_are_refused_in_one_known_way(payload: bytes) -> None:
    try:
        found = decode(payload)
    except ValueError as error:
        assert str(error).startswith("not a frame")
    else:
        assert payload_of(encode(found)) == payload


@given(frames(), st.data())
def test_a_payload_cut_short_is_refused(original: Frame, data: st.DataObject) -> None:
    payload = payload_of(encode(original))
    with pytest.raises(ValueError, match="not a frame"):
        decode(payload[: data.draw(st.integers(0, len(payload) - 1))])


def test_a_payload_with_bytes_left_over_is_refused() -> None:
    with pytest.raises(ValueError, match="1 bytes left over"):
        decode(payload_of(encode(frame())) + b"\0")


def test_a_bucket_outside_the_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match=f"bucket {BUCKETS} of {BUCKETS}"):
        decode(payload_of(encode(frame(histograms={"service": {BUCKETS: 1}}))))


def test_an_endpoint_listed_twice_is_refused_instead_of_losing_the_first() -> None:
    once = payload_of(encode(Frame("w", 1, 1, 1, {ENDPOINT: EndpointSecond(1, 0, {})})))
    start = once.index(b"\x01\x00", 21 + 3)  # the number of endpoints, behind the prefix and the name "w"
    twice = once[:start] + b"\x02\x00" + 2 * once[start + 2 :]
    with pytest.raises(ValueError, match="listed twice"):
        decode(twice)


def test_a_bucket_listed_twice_is_refused_instead_of_losing_the_first() -> None:
    ended = {Outcome.OK: OutcomeSecond(2, {}, {"service": {5: 1, 7: 1}})}
    once = payload_of(encode(Frame("w", 1, 1, 1, {ENDPOINT: EndpointSecond(2, 0, ended)})))
    twice = once.replace(struct.pack("<2I", 5, 7), struct.pack("<2I", 5, 5))
    assert twice != once
    with pytest.raises(ValueError, match="a bucket is listed twice"):
        decode(twice)


@pytest.mark.parametrize("impossible", [{"count": 2**32}, {"over": {-1: 1}}, {"histograms": {"x" * 70_000: {}}}])
def test_a_frame_that_does_not_fit_the_format_is_a_defect_of_the_harness(impossible: dict[str, object]) -> None:
    with pytest.raises(HarnessDefect, match="frame 1 of worker-1"):
        encode(frame(**impossible))


def test_a_frame_too_long_to_be_read_back_is_not_written() -> None:
    histogram = dict.fromkeys(range(BUCKETS), 1)
    outcomes = {Outcome.OK: OutcomeSecond(1, {}, {f"h{number}": histogram for number in range(120)})}
    with pytest.raises(HarnessDefect, match="too many to be read back"):
        encode(Frame("w", 1, 1, 1, {ENDPOINT: EndpointSecond(1, 0, outcomes)}))
