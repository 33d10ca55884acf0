"""The append-only file of frames: written whole frames at a time, read back past any damage, which is named."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from journal.frames import HEADER, MAX_PAYLOAD_BYTES, SYNC, Frame, checksum_holds, decode, encode

TORN = "torn frame"


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a file that cannot be read: byte offset, length, and what seems to have happened.

    Length 0: what is there was read, but cannot be true.
    """

    path: str
    offset: int
    length: int
    what: str

    def __str__(self) -> str:
        if self.length == 0:
            return f"{self.path}: {self.what}"
        return f"{self.path}: {self.length} bytes at offset {self.offset} are unreadable ({self.what})"


class FrameWriter:
    """Appends frames to one file; each frame is one `write`, so a crash tears at most the last one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def lock(self) -> None:
        """Says until the end of this process that the file is being written; see `journal.collecting`.

        Raises:
            BlockingIOError: another process writes it.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, frame: Frame) -> None:
        """Writes one frame."""
        self.append_encoded(encode(frame))

    def append_encoded(self, encoded: bytes) -> None:
        """Writes one frame, or several, that came as bytes from a worker."""
        view = memoryview(encoded)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """Flushes to the disk and closes; safe to call twice."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def scan(data: bytes | mmap, path: str = "") -> Iterator[Frame | Damage]:
    """Every frame in `data` in order, and between them every stretch that is not one."""
    offset, end = 0, len(data)
    while offset < end:
        frame, after, what = _read_at(data, offset)
        if frame is not None:
            yield frame
            offset = after
            continue
        resume = _next_readable(data, offset + 1)
        if what == TORN and resume < end:
            what = "length runs past the next frame"
        yield Damage(path, offset, resume - offset, what)
        offset = resume


def _read_at(data: bytes | mmap, offset: int) -> tuple[Frame | None, int, str]:
    if len(data) - offset < HEADER.size:
        return None, 0, TORN
    sync, length, checksum = HEADER.unpack_from(data, offset)
    if sync != SYNC:
        return None, 0, "no sync word"
    start = offset + HEADER.size
    if length > MAX_PAYLOAD_BYTES or start + length > len(data):
        return None, 0, TORN if length <= MAX_PAYLOAD_BYTES else "impossible length"
    payload = data[start : start + length]
    if not checksum_holds(length, checksum, payload):
        return None, 0, "checksum mismatch"
    try:
        return decode(payload), start + length, ""
    except ValueError as error:
        return None, 0, str(error)


def _next_readable(data: bytes | mmap, offset: int) -> int:
    """The next offset at which a frame can be read; sync words that occur by chance inside damage are passed over."""
    while (offset := data.find(SYNC, offset)) >= 0:
        if _read_at(data, offset)[0] is not None:
            return offset
        offset += 1
    return len(data)


class FrameTail:
    """Follows a file that is still being written: each call returns the frames that became whole since the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._pending = b""

    def read(self) -> list[Frame]:
        """New frames; a torn end is kept for the next call, damage is skipped (the final reading names it)."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(fresh)
        data = self._pending + fresh
        found = list(scan(data))
        torn = found[-1] if found and isinstance(found[-1], Damage) else None
        self._pending = data[torn.offset :] if torn is not None and torn.length < MAX_PAYLOAD_BYTES else b""
        return [frame for frame in found if isinstance(frame, Frame)]
