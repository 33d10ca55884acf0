"""A file of frames is read back past any damage: every damaged stretch is named, every other frame is kept."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from journal.errors import HarnessDefect
from journal.frame_file import Damage, FrameWriter, scan
from journal.frames import HEADER, MAX_PAYLOAD_BYTES, SYNC, Frame, encode
from tests.journal.frame_strategies import frames, runs_of_frames

# bytes in which sync words are as likely as anything else
GARBAGE = st.lists(st.one_of(st.just(SYNC), st.binary(max_size=8)), max_size=8).map(b"".join)


def split(data: bytes) -> tuple[list[Frame], list[Damage]]:
    found = list(scan(data, "frames.bin"))
    return [item for item in found if isinstance(item, Frame)], [item for item in found if isinstance(item, Damage)]


@given(runs_of_frames())
def test_an_undamaged_file_gives_all_frames_in_order_and_names_no_damage(written: list[Frame]) -> None:
    assert split(b"".join(map(encode, written))) == (written, [])


@given(runs_of_frames(min_size=1), st.data())
def test_a_torn_last_frame_is_named_and_all_others_are_kept(written: list[Frame], data: st.DataObject) -> None:
    *whole, last = map(encode, written)
    kept = data.draw(st.integers(1, len(last) - 1), "bytes of the last frame that were written")
    found, damages = split(b"".join(whole) + last[:kept])
    assert found == written[:-1]
    assert damages == [Damage("frames.bin", sum(map(len, whole)), kept, "torn frame")]


@settings(max_examples=500)
@given(runs_of_frames(min_size=1), st.data())
def test_any_single_flipped_bit_is_named_and_costs_exactly_its_own_frame(
    written: list[Frame], data: st.DataObject
) -> None:
    encoded = [encode(frame) for frame in written]
    victim = data.draw(st.integers(0, len(encoded) - 1), "frame")
    bit = data.draw(st.integers(0, 8 * len(encoded[victim]) - 1), "bit")
    flipped = bytearray(encoded[victim])
    flipped[bit // 8] ^= 1 << bit % 8
    found, damages = split(b"".join([*encoded[:victim], bytes(flipped), *encoded[victim + 1 :]]))
    assert found == written[:victim] + written[victim + 1 :]
    assert [(damage.offset, damage.length) for damage in damages] == [
        (sum(map(len, encoded[:victim])), len(encoded[victim]))
    ]


def test_every_bit_of_a_frame_is_guarded() -> None:
    first, second = (Frame("worker-1", number, 1_700_000_000, 5, {}) for number in (1, 2))
    encoded = encode(first)
    for bit in range(8 * len(encoded)):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        found, damages = split(bytes(flipped) + encode(second))
        assert (found, len(damages)) == ([second], 1), f"bit {bit}"


@given(frames(), GARBAGE, frames())
def test_reading_resumes_after_garbage_that_contains_sync_words(before: Frame, garbage: bytes, after: Frame) -> None:
    start = len(encode(before))
    found, damages = split(encode(before) + garbage + encode(after))
    assert found == [before, after]
    assert [(damage.offset, damage.length) for damage in damages] == ([(start, len(garbage))] if garbage else [])


def test_a_length_beyond_the_file_in_the_middle_is_not_called_a_torn_end() -> None:
    first, second = (Frame("worker-1", number, 1_700_000_000, 5, {}) for number in (1, 2))
    broken = bytearray(encode(first))
    HEADER.pack_into(broken, 0, SYNC, MAX_PAYLOAD_BYTES, 0)
    found, (damage,) = split(bytes(broken) + encode(second))
    assert found == [second]
    assert damage.what == "length runs past the next frame"


def test_damage_says_where_it_is_and_what_it_seems_to_be() -> None:
    (damage,) = split(b"nothing of ours")[1]
    assert str(damage) == "frames.bin: 15 bytes at offset 0 are unreadable (no sync word)"


def test_false_sync_words_with_long_lengths_do_not_make_reading_quadratic() -> None:
    """A thousand of them, each claiming a megabyte: one checksum each, of the megabyte, is the most it may cost."""
    claim = HEADER.pack(SYNC, 100_000, 1)
    last = Frame("worker-1", 1, 1_700_000_000, 5, {})
    data = (claim + bytes(988)) * 1000 + encode(last)
    found, damages = split(data)
    assert found == [last]
    assert damages == [Damage("frames.bin", 0, 1_000_000, "checksum mismatch")]


def test_frames_appended_by_a_later_writer_follow_those_that_are_there(tmp_path: Path) -> None:
    written = [Frame("worker-1", number, 1_700_000_000, 5, {}) for number in (1, 2)]
    for frame in written:
        writer = FrameWriter(tmp_path / "frames.bin")
        writer.append(frame)
        writer.close()
        writer.close()
    assert split((tmp_path / "frames.bin").read_bytes()) == (written, [])


def test_a_frame_that_cannot_be_encoded_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "frames.bin")
    try:
        writer.append(Frame("worker-1", 1, 2**70, 5, {}))
    except HarnessDefect as error:
        assert "does not fit" in str(error)
    else:
        raise AssertionError("the frame was written")
    finally:
        writer.close()
    assert (tmp_path / "frames.bin").read_bytes() == b""
