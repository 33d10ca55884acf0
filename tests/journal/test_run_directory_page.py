"""A reader written from docs/run-directory.md alone, with struct and zlib, reads what the journal writes."""

import struct
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.frame_file import scan
from journal.frames import Frame, encode
from journal.histogram import BUCKETS, MAX_VALUE_US, bucket_index
from journal.manifest import Clock, Machine, Manifest, ReadingsOrigin
from journal.readings import Reading
from tests.journal.frame_strategies import runs_of_frames

Read = dict[str, Any]


class Payload:
    """Takes values from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        (size,) = self.numbers("H")
        return bytes(self.numbers(f"{size}B")).decode()


def read_payload(data: bytes) -> Read:
    payload = Payload(data)
    sequence, second, users, flags = payload.numbers("qqIB")
    worker = payload.text()
    (number,) = payload.numbers("H")
    endpoints = [read_endpoint(payload) for _ in range(number)]
    if payload.at != len(data):
        raise ValueError("something is left over")
    head = {"sequence": sequence, "second": second, "users": users, "last": bool(flags & 1), "worker": worker}
    return {**head, "endpoints": endpoints}


def read_endpoint(payload: Payload) -> Read:
    kind, started, in_flight, outcomes = payload.numbers("BIIB")
    journey, name = payload.text(), payload.text()
    head = {"kind": kind, "started": started, "in_flight": in_flight, "journey": journey, "name": name}
    return {**head, "outcomes": [read_outcome(payload) for _ in range(outcomes)]}


def read_outcome(payload: Payload) -> Read:
    outcome, count, thresholds, histograms = payload.numbers("BIBB")
    over = [payload.numbers("II") for _ in range(thresholds)]
    return {
        "outcome": outcome,
        "count": count,
        "over": over,
        "histograms": [read_histogram(payload) for _ in range(histograms)],
    }


def read_histogram(payload: Payload) -> tuple[str, list[tuple[int, int]]]:
    name = payload.text()
    (size,) = payload.numbers("I")
    indices, counts = payload.numbers(f"{size}I"), payload.numbers(f"{size}I")
    return name, list(zip(indices, counts, strict=True))


def read_frame(data: bytes, at: int) -> tuple[Read, int] | None:
    if data[at : at + 4] != b"\xf1\x47\x44\x46" or len(data) < at + 12:
        return None
    length, checksum = struct.unpack_from("<II", data, at + 4)
    payload = data[at + 12 : at + 12 + length]
    if len(payload) < length or zlib.crc32(data[at + 4 : at + 8] + payload) != checksum:
        return None
    try:
        return read_payload(payload), at + 12 + length
    except (struct.error, ValueError):
        return None


def read_file(data: bytes) -> tuple[list[Read], list[tuple[int, int]]]:
    """Frames, and damage as (offset, length)."""
    frames: list[Read] = []
    damage: list[tuple[int, int]] = []
    at = good = 0
    while at < len(data):
        found = read_frame(data, at)
        if found is None:
            at += 1
            continue
        if at > good:
            damage.append((good, at - good))
        frame, at = found
        good = at
        frames.append(frame)
    return frames, damage + ([(good, at - good)] if at > good else [])


def described(frame: Frame) -> Read:
    """A frame of ours in the words of the page."""
    endpoints = [
        {
            "kind": int(endpoint.kind),
            "started": seen.started,
            "in_flight": seen.in_flight,
            "journey": endpoint.journey,
            "name": endpoint.name,
            "outcomes": [
                {
                    "outcome": int(outcome),
                    "count": ended.count,
                    "over": sorted(ended.over.items()),
                    "histograms": [(name, sorted(buckets.items())) for name, buckets in ended.histograms.items()],
                }
                for outcome, ended in seen.outcomes.items()
            ],
        }
        for endpoint, seen in frame.endpoints.items()
    ]
    head = {"sequence": frame.sequence, "second": frame.second, "users": frame.users, "last": frame.last}
    return {**head, "worker": frame.worker, "endpoints": endpoints}


@given(runs_of_frames(), st.data())
def test_the_page_suffices_to_read_a_file_with_its_damage(written: list[Frame], data: st.DataObject) -> None:
    content = bytearray(b"".join(map(encode, written)))
    for place in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=2), "damaged bytes"):
        content[place : place + 1] = bytes([content[place] ^ 0x10]) if content else b"?"
    frames, damage = read_file(bytes(content))
    ours = list(scan(bytes(content)))
    assert frames == [described(found) for found in ours if isinstance(found, Frame)]
    assert damage == [(found.offset, found.length) for found in ours if not isinstance(found, Frame)]


@given(st.integers(0, MAX_VALUE_US))
def test_the_page_suffices_to_find_the_bucket_of_a_value_and_the_values_of_a_bucket(value: int) -> None:
    bits = (value | 2047).bit_length()
    index = ((bits - 10) << 10) + (value >> (bits - 11)) - 1024

    def first(i: int) -> int:
        block = max((i >> 10) - 1, 0)
        return (i - (block << 10)) << block

    assert index == bucket_index(value)
    assert 0 <= index < BUCKETS
    assert first(index) <= value < first(index + 1)


@pytest.mark.parametrize("record", [Manifest, Machine, Clock, ReadingsOrigin, Reading])
def test_the_page_names_every_key_of_a_manifest_and_of_a_reading(record: type) -> None:
    page = (Path(__file__).parents[2] / "docs" / "run-directory.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(record) if f"`{field.name}`" not in page] == []
