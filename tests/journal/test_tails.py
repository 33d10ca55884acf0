"""A tail that follows a growing file gives, in the end, what a full reading gives, however the bytes arrived."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from journal.frame_file import FrameTail, scan
from journal.frames import Frame, encode
from journal.json_lines import JsonLinesTail, read_records
from tests.journal.frame_strategies import runs_of_frames

PIECES = st.lists(st.integers(0, 60), max_size=30)


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces of these sizes, and the rest."""
    pieces, offset = [], 0
    for size in sizes:
        pieces.append(data[offset : offset + size])
        offset += size
    return [*pieces, data[offset:]]


def feed(path: Path, pieces: list[bytes], tail: FrameTail | JsonLinesTail) -> list[object]:
    found: list[object] = []
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            file.write(piece)
            found += tail.read()
    return found + list(tail.read())


@given(runs_of_frames(), st.data(), PIECES)
def test_frames_in_pieces_give_what_a_full_reading_gives(
    tmp_path_factory, written: list[Frame], data: st.DataObject, sizes: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "frames.bin"
    content = bytearray(b"".join(map(encode, written)))
    for place in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=2), "damaged bytes"):
        content[place : place + 1] = b"?"
    whole = [found for found in scan(bytes(content)) if isinstance(found, Frame)]
    assert feed(path, chunks(bytes(content), sizes), FrameTail(path)) == whole


@given(st.lists(st.binary(max_size=12), max_size=8), PIECES)
def test_json_lines_in_pieces_give_what_a_full_reading_gives(
    tmp_path_factory, lines: list[bytes], sizes: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "timeline.jsonl"
    content = b"\n".join([*lines, b'{"a":1}', b'\xf0{"a":2}', b'{"a":\r3}', b""])
    found = feed(path, chunks(content, sizes), JsonLinesTail(path))
    path.write_bytes(content)
    assert found == read_records(path, dict, "an object")[0]
    assert {"a": 3} in found


def test_a_tail_of_a_file_that_does_not_exist_yet_is_empty_and_picks_it_up_later(tmp_path: Path) -> None:
    frames, lines = FrameTail(tmp_path / "frames.bin"), JsonLinesTail(tmp_path / "timeline.jsonl")
    assert (frames.read(), lines.read()) == ([], [])
    one = Frame("worker-1", 1, 1_700_000_000, 5, {})
    (tmp_path / "frames.bin").write_bytes(encode(one))
    (tmp_path / "timeline.jsonl").write_bytes(b"{}\n")
    assert (frames.read(), lines.read()) == ([one], [{}])
    assert (frames.read(), lines.read()) == ([], [])


def test_a_damaged_length_that_claims_more_than_follows_does_not_hold_back_later_frames(tmp_path: Path) -> None:
    path = tmp_path / "frames.bin"
    tail = FrameTail(path)
    first, second = (Frame("worker-1", number, 1_700_000_000, 5, {}) for number in (1, 2))
    broken = bytearray(encode(first))
    broken[6] ^= 1  # 65,536 bytes more than there are
    path.write_bytes(broken)
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(encode(second))
    assert tail.read() == [second]
