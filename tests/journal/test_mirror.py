"""A copy of a run directory follows its original over streams that may be cut, damaged, or lie."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import MirrorBroken, RunDirectoryError
from journal.mirror import CHUNK_BYTES, Receiver, Request, Sender, grows, serve

FILES = {
    "manifest.json": b'{"schema": "x"}',
    "frames.bin": bytes(range(256)) * 400,
    "timeline.jsonl": b'{"at_ns":1}\n' * 50,
    "logs/master.log": b"hello\n",
    "logs/empty.log": b"",
    "logs/F1-journal.json": b"{}",
}


def fill(directory: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def stream(directory: Path, request: Request) -> bytes:
    """What a sender has to say to a request at this moment."""
    out = io.BytesIO()
    serve(directory, request, out, lambda: True)
    return out.getvalue()


def record(header: dict[str, object], payload: bytes = b"") -> bytes:
    checked = json.dumps({**header, "length": len(payload)}).encode() + b"\n" + payload
    return b"%08x " % zlib.crc32(checked) + checked


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return fill(tmp_path / "original", FILES)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def test_a_fresh_copy_equals_the_original(original: Path, copy: Path) -> None:
    receiver = Receiver(copy)
    assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ()
    assert contents(copy) == FILES


def test_only_growth_is_sent_again_and_files_that_are_replaced(original: Path, copy: Path) -> None:
    receiver = Receiver(copy)
    receiver.receive(io.BytesIO(stream(original, receiver.request())))
    with (original / "frames.bin").open("ab") as file:
        file.write(b"more")
    (original / "manifest.json").write_bytes(b"{}")
    again = stream(original, receiver.request())
    assert len(again) < 2_000
    assert receiver.receive(io.BytesIO(again)) == ()
    assert contents(copy) == contents(original)


@given(st.integers(0, 1_000_000), st.lists(st.integers(0, 1_000_000), max_size=4))
def test_a_stream_cut_at_any_byte_is_resumed_to_an_equal_copy(first: int, more: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        original, copy = fill(Path(folder) / "original", FILES), Path(folder) / "copy"
        copy.mkdir()
        receiver = Receiver(copy)
        for place in (first, *more):
            whole = stream(original, receiver.request())
            before = sum(receiver.request().have.values())
            cut = whole[: place % len(whole)]
            with pytest.raises(MirrorBroken):
                receiver.receive(io.BytesIO(cut))
            assert sum(receiver.request().have.values()) >= before
        assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ()
        assert contents(copy) == FILES


@given(st.integers(0, 1_000_000), st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        original, copy = fill(Path(folder) / "original", FILES), Path(folder) / "copy"
        copy.mkdir()
        damaged = bytearray(stream(original, Request({})))
        damaged[place % len(damaged)] ^= 1 << bit
        try:
            differing = Receiver(copy).receive(io.BytesIO(bytes(damaged)))
        except MirrorBroken:
            return
        # a sum may be written with capital digits too
        assert differing == ()
        assert contents(copy) == FILES


def test_a_copy_that_differs_is_named_and_fetched_from_its_beginning(original: Path, copy: Path) -> None:
    fill(copy, {"frames.bin": b"x" * 100, "timeline.jsonl": FILES["timeline.jsonl"][:30]})
    receiver = Receiver(copy)
    assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ("frames.bin",)
    receiver.forget("frames.bin")
    assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ()
    assert contents(copy) == FILES


def test_a_copy_with_more_than_the_original_begins_anew(original: Path, copy: Path) -> None:
    fill(copy, {"timeline.jsonl": FILES["timeline.jsonl"] + b"and more\n"})
    receiver = Receiver(copy)
    assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ()
    assert contents(copy) == FILES


def test_what_only_the_copy_has_is_left_alone(original: Path, copy: Path) -> None:
    fill(copy, {"verdict.json": b"mine"})
    receiver = Receiver(copy)
    assert receiver.receive(io.BytesIO(stream(original, receiver.request()))) == ()
    assert (copy / "verdict.json").read_bytes() == b"mine"


def test_a_replaced_file_is_never_seen_half_written(original: Path, copy: Path) -> None:
    fill(original, {"report.html": b"new" * CHUNK_BYTES})
    fill(copy, {"report.html": b"old"})
    out = io.BytesIO()
    Sender(original, {name: len(data) for name, data in FILES.items() if grows(name)}, out).send_new()
    with pytest.raises(MirrorBroken):
        Receiver(copy).receive(io.BytesIO(out.getvalue()[:-1]))
    assert (copy / "report.html").read_bytes() == b"old"


def test_files_that_are_still_being_written_and_links_do_not_travel(original: Path, copy: Path, tmp_path: Path) -> None:
    fill(original, {"manifest.tmp": b"half"})
    (tmp_path / "secret").write_text("secret")
    (original / "link.json").symlink_to(tmp_path / "secret")
    Receiver(copy).receive(io.BytesIO(stream(original, Request({}))))
    assert contents(copy) == FILES


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/outside", "logs/../../outside", "", ".", "logs//x", "a\\b", "a\0b", "a\nb", "x" * 201, 7],
)
@pytest.mark.parametrize("kind", ["growth", "whole"])
def test_nothing_outside_of_the_directory_is_ever_written(copy: Path, tmp_path: Path, kind: str, name: object) -> None:
    header = {"record": kind, "file": name, "offset": 0, "size": 4}
    with pytest.raises(MirrorBroken):
        Receiver(copy).receive(io.BytesIO(record(header, b"evil")))
    assert [path.name for path in tmp_path.rglob("*")] == ["copy"]


def test_a_link_that_lies_in_the_copy_is_not_followed(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (copy / "logs").symlink_to(tmp_path / "elsewhere")
    (copy / "frames.bin").symlink_to(tmp_path / "elsewhere" / "frames.bin")
    for name in ("logs/master.log", "frames.bin"):
        with pytest.raises(MirrorBroken):
            Receiver(copy).receive(io.BytesIO(record({"record": "growth", "file": name, "offset": 0}, b"evil")))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"Defaulted container",
        b"error: unable to upgrade connection\n",
        b"00000000 {}\n",
        record({"record": "growth", "file": "frames.bin", "offset": 5}, b"gap"),
        record({"record": "growth", "file": "frames.bin"}, b"no offset"),
        record({"record": "surprise", "file": "frames.bin", "offset": 0}),
        record({"file": "frames.bin"}),
        record({"record": "inventory"}, b"[1]"),
        record({"record": "inventory"}, b"no json"),
        b"00000000 " + b'{"record": "beat", "length": 99999999}\n',
        b"00000000 " + b'{"record": "beat", "length": -1}\n',
        b"x" * 100_000,
    ],
)
def test_what_is_no_record_is_refused(copy: Path, sent: bytes) -> None:
    with pytest.raises(MirrorBroken):
        Receiver(copy).receive(io.BytesIO(sent))


def test_a_copy_that_cannot_be_written_is_bad_input(original: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(RunDirectoryError):
        Receiver(tmp_path / "file").receive(io.BytesIO(stream(original, Request({}))))


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"have": 1, "follow": true}', b"\xff"])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(MirrorBroken):
        Request.decode(line)


class SenderProcess:
    """The real sender, on pipes."""

    def __init__(self, directory: Path, request: Request) -> None:
        command = [sys.executable, "-P", "-m", "journal.mirror_sender", str(directory)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stdin.write(request.encode())
        self.stdin.flush()


@pytest.fixture
def start_sender() -> Iterator[Callable[[Path, Request], SenderProcess]]:
    started: list[SenderProcess] = []

    def start(directory: Path, request: Request) -> SenderProcess:
        started.append(SenderProcess(directory, request))
        return started[-1]

    yield start
    for sender in started:
        sender.process.kill()
        sender.process.wait()
        sender.stdout.close()
        with contextlib.suppress(OSError):
            sender.stdin.close()


def eventually(look: Callable[[], object], what: str) -> None:
    ends_s = time.monotonic() + 30
    while not look():
        assert time.monotonic() < ends_s, what
        time.sleep(0.02)


def test_a_sender_follows_a_directory_that_is_yet_to_come_until_its_receiver_has_enough(
    tmp_path: Path, copy: Path, start_sender: Callable[[Path, Request], SenderProcess]
) -> None:
    original, receiver = tmp_path / "original", Receiver(copy)
    sender = start_sender(original, receiver.request(follow=True))
    beats, differing = [], []
    thread = threading.Thread(
        target=lambda: differing.append(receiver.receive(sender.stdout, lambda: beats.append(time.monotonic())))
    )
    thread.start()
    eventually(lambda: len(beats) >= 2, "signs of life without any news")
    fill(original, FILES)
    eventually(lambda: contents(copy) == FILES, "the copy is complete")
    with (original / "timeline.jsonl").open("ab") as file:
        file.write(b"{}\n")
    eventually(lambda: contents(copy) == contents(original), "the copy follows")
    sender.stdin.close()
    thread.join(30)
    assert differing == [()]
    assert sender.process.wait(30) == 0


def test_a_sender_ends_when_its_receiver_is_gone(
    original: Path, start_sender: Callable[[Path, Request], SenderProcess]
) -> None:
    fill(original, {"frames.bin": os.urandom(3_000_000)})
    sender = start_sender(original, Request({}, follow=True))
    sender.stdout.read(1000)
    sender.stdout.close()
    assert sender.process.wait(30) != 0
