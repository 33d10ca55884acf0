"""A copy of a run directory elsewhere, kept up while the run goes on, over any two byte streams.

The receiver asks with one line of JSON, `{"have": {file: bytes}, "follow": true}`, and goes on to send empty lines as
signs of life; the end of that stream tells a sender that follows to come to its end. The sender answers with records:

    CRC-32 of all that follows as 8 hex digits, a space, a header as one line of JSON, and `length` bytes of payload

    {"record": "growth", "file": f, "offset": n, "length": n}               bytes of a file that only ever grows
    {"record": "whole", "file": f, "offset": n, "length": n, "size": n}     a part of a file that is replaced as a whole
    {"record": "beat", "length": 0}                                         nothing new for a second
    {"record": "inventory", "length": n}     the last one; its payload: {file: {"size": n, "sha256": hex}} as JSON

Growth resumes where the receiver's copy ends, so a cut at any byte costs nothing but the record that it hit. Whatever
damage the sums of the records do not show, the hashes of the inventory do.
"""

import contextlib
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from journal.errors import MirrorBroken, Problem, RunDirectoryError

BEAT_S = 1.0
LOOK_EVERY_S = 0.25
CHUNK_BYTES = 64 * 1024
_MAX_HEADER_BYTES, _MAX_PAYLOAD_BYTES = 16 * 1024, 4 * 1024 * 1024
_GROWING = {".bin", ".jsonl", ".log"}
_UNFINISHED = {".tmp", ".draft", ".part"}


def grows(file: str) -> bool:
    """Whether a file of a run directory is only ever appended to; all others are replaced as a whole."""
    return PurePosixPath(file).suffix in _GROWING


@dataclass(frozen=True, slots=True)
class Request:
    """What a receiver asks for: how many bytes of which growing files it has, and whether to follow further growth."""

    have: Mapping[str, int]
    follow: bool = False

    def encode(self) -> bytes:
        """The request as its line."""
        return json.dumps({"have": dict(self.have), "follow": self.follow}).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Request":
        """The request of a line. Raises MirrorBroken."""
        try:
            data = json.loads(line)
            have = {str(file): int(size) for file, size in data["have"].items()}
            return cls(have, bool(data["follow"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MirrorBroken(f"{line!r:.80} is no request for a run directory") from error


class Sender:
    """The side that has the directory; `send_new` may be called as often as one likes."""

    def __init__(self, directory: Path, have: Mapping[str, int], out: BinaryIO) -> None:
        self._directory = directory
        self._out = out
        self._sent = dict(have)
        self._whole: dict[str, tuple[tuple[int, int, int], str, int]] = {}

    def send_new(self) -> bool:
        """Sends what the receiver does not have yet; whether there was anything."""
        anything = False
        for file, path in _files(self._directory):
            with contextlib.suppress(FileNotFoundError):  # replaced or removed since it was listed
                anything |= self._send_growth(file, path) if grows(file) else self._send_whole(file, path)
        return anything

    def _send_growth(self, file: str, path: Path) -> bool:
        offset, size = self._sent.get(file, 0), path.stat().st_size
        if offset > size:  # it is not the file that the receiver has begun with
            offset = 0
        if offset == size and file in self._sent:
            return False
        with path.open("rb") as source:
            source.seek(offset)
            while True:  # at least once, so that an empty file is there too
                chunk = source.read(min(CHUNK_BYTES, size - offset))
                self._record({"record": "growth", "file": file, "offset": offset}, chunk)
                offset += len(chunk)
                if offset >= size or not chunk:
                    break
        self._sent[file] = offset
        return True

    def _send_whole(self, file: str, path: Path) -> bool:
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns, status.st_ino)
        if file in self._whole and self._whole[file][0] == state:
            return False
        data = path.read_bytes()
        for offset in range(0, max(1, len(data)), CHUNK_BYTES):
            header = {"record": "whole", "file": file, "offset": offset, "size": len(data)}
            self._record(header, data[offset : offset + CHUNK_BYTES])
        self._whole[file] = (state, hashlib.sha256(data).hexdigest(), len(data))
        return True

    def beat(self) -> None:
        """Tells that the sender lives."""
        self._record({"record": "beat"}, b"")

    def send_inventory(self) -> None:
        """Sends what the receiver's files must be like by now; the last record."""
        listed = {file: {"size": size, "sha256": digest} for file, (_, digest, size) in self._whole.items()}
        for file, path in _files(self._directory):
            if grows(file) and file in self._sent:
                listed[file] = {"size": self._sent[file], "sha256": _sha256(path, self._sent[file])}
        self._record({"record": "inventory"}, json.dumps(listed).encode())

    def _record(self, header: Mapping[str, Any], payload: bytes) -> None:
        checked = json.dumps({**header, "length": len(payload)}).encode() + b"\n" + payload
        self._out.write(b"%08x " % zlib.crc32(checked) + checked)
        self._out.flush()


def serve(directory: Path, request: Request, out: BinaryIO, is_over: Callable[[], bool]) -> None:
    """Answers a request; one to follow until `is_over`, then the inventory closes the answer.

    Raises:
        BrokenPipeError: the receiver is gone.
    """
    sender = Sender(directory, request.have, out)
    spoke_s = time.monotonic()
    while request.follow and not is_over():
        now_s = time.monotonic()
        if sender.send_new():
            spoke_s = now_s
        elif now_s - spoke_s >= BEAT_S:
            sender.beat()
            spoke_s = now_s
        time.sleep(LOOK_EVERY_S)
    sender.send_new()
    sender.send_inventory()


class Receiver:
    """The side that keeps the copy. Nothing outside of its directory is ever written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def request(self, *, follow: bool = False) -> Request:
        """What to ask for, by what is there."""
        found = {file: path.stat().st_size for file, path in _files(self._directory) if grows(file)}
        return Request(found, follow)

    def receive(self, stream: BinaryIO, on_record: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Takes records until the inventory; the files that differ from it, which are then to be asked for again.

        Raises:
            MirrorBroken: the stream is damaged, ends early, or names a file outside of the directory.
            RunDirectoryError: the copy cannot be written.
        """
        try:
            while True:
                header, payload = _read_record(stream)
                on_record()
                if header["record"] == "inventory":
                    return self._differing(payload)
                self._take(header, payload)
        except OSError as error:
            problem = Problem(str(self._directory), f"the copy of the run directory cannot be written: {error}")
            raise RunDirectoryError([problem]) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MirrorBroken(f"a record that is none of ours: {error!r}") from error

    def forget(self, file: str) -> None:
        """Removes a file of the copy, so that it is asked for again from its beginning."""
        self._path(file).unlink(missing_ok=True)

    def _take(self, header: Mapping[str, Any], payload: bytes) -> None:
        kind = header["record"]
        if kind == "beat":
            return
        path, offset = self._path(header["file"]), int(header["offset"])
        if kind == "whole":
            part = path.with_name(f"{path.name}.part")
            _write_at(part, offset, payload)
            if offset + len(payload) == header["size"]:
                part.replace(path)
        elif kind == "growth":
            _write_at(path, offset, payload)
        else:
            raise MirrorBroken(f"{kind!r:.40} is no kind of record")

    def _path(self, file: Any) -> Path:
        """Where a file of the run directory lies here. Raises MirrorBroken for any that would lie outside."""
        parts = file.split("/") if isinstance(file, str) else []
        root = self._directory.resolve()
        odd = not parts or len(file) > 200 or not file.isprintable() or "\\" in file
        if odd or any(part in {"", ".", ".."} for part in parts):
            raise MirrorBroken(f"{file!r:.80} is no name of a file in a run directory")
        path = root.joinpath(*parts)
        if path.resolve() != path:
            raise MirrorBroken(f"{file!r:.80} leads out of the run directory")
        return path

    def _differing(self, payload: bytes) -> tuple[str, ...]:
        differing = []
        for file, wanted in json.loads(payload).items():
            path, size = self._path(file), int(wanted["size"])
            if size == 0 and not path.exists():
                _write_at(path, 0, b"")
            if not path.is_file() or path.stat().st_size != size or _sha256(path, size) != wanted["sha256"]:
                differing.append(file)
        return tuple(differing)


def _read_record(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    first = stream.readline(_MAX_HEADER_BYTES)
    if not first.endswith(b"\n"):
        raise MirrorBroken("the stream of the run directory was cut" if len(first) < _MAX_HEADER_BYTES else "no record")
    try:
        checksum, header = int(first[:8], 16), json.loads(first[9:])
        length = header["length"]
    except (ValueError, KeyError, TypeError):
        raise MirrorBroken(f"{first!r:.80} is no record of a run directory") from None
    if not isinstance(length, int) or not 0 <= length <= _MAX_PAYLOAD_BYTES:
        raise MirrorBroken(f"{length!r:.20} is no length of a record")
    payload = stream.read(length)
    if len(payload) < length:
        raise MirrorBroken("the stream of the run directory was cut")
    if zlib.crc32(first[9:] + payload) != checksum:
        raise MirrorBroken("a record of the run directory was damaged on its way")
    return header, payload


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Lets the file go on with `data` from `offset`; what it had from there on is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        if offset > file.seek(0, os.SEEK_END):
            raise MirrorBroken(f"{path.name} goes on at {offset}, but the copy has less")
        file.truncate(offset)
        file.seek(offset)
        file.write(data)


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    """The finished files of a run directory by their names in it; none while there is no directory."""
    for path in sorted(directory.rglob("*")):
        if path.suffix not in _UNFINISHED and path.is_file() and not path.is_symlink():
            yield path.relative_to(directory).as_posix(), path


def _sha256(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (chunk := file.read(min(size, CHUNK_BYTES))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()
