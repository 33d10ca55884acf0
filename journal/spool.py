"""The spool of a worker: what its master has not acknowledged yet, in files that survive the death of both.

Two files lie in the folder of spools, named after run and worker, and are removed after an orderly end:

    RUN-WORKER.spool   a line of JSON about the spool, then one line of JSON for each parcel, its frame in base64
    RUN-WORKER.tally   four little-endian unsigned 64-bit numbers in shared memory, see `Tally`

Nothing is flushed to the disk itself: what a killed process has written is safe with the kernel, and a machine that
fails takes its part of the load, and so the measurement, with it.
"""

import base64
import binascii
import json
import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal.frame_file import Damage, scan
from journal.frames import Frame
from journal.json_lines import read_records

SCHEMA = "aia-gameday/spool/1"
SPOOL_SUFFIX, TALLY_SUFFIX = ".spool", ".tally"
LIMIT_BYTES = 64 * 1024 * 1024
STARTED, ANSWERED, CUT, ALIVE_NS = range(4)
_TALLY = struct.Struct("<4Q")

Counts = Any
"""Four whole numbers that can be read and set by index; a memoryview or an array."""


def no_tally() -> Counts:
    """Counts that nobody will read, for who has no spool."""
    return array("Q", [0] * 4)


@dataclass(frozen=True, slots=True)
class Tally:
    """A worker's own count of its requests, whole even when it was killed, and when it was last alive."""

    worker: str
    started: int
    answered: int
    cut: int
    alive_ns: int


class Spool:
    """Keeps the parcels of one worker until they are forgotten. Of what would cross the limit it keeps nothing.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, run_id: str, worker: str, limit_bytes: int = LIMIT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{run_id}-{worker}{SPOOL_SUFFIX}"
        self.refused = 0
        self._tally_path = self.path.with_suffix(TALLY_SUFFIX)
        self._limit_bytes = limit_bytes
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._write({"schema": SCHEMA, "run_id": run_id, "worker": worker})
        self._empty = self._size = os.fstat(self._descriptor).st_size
        self.counts: Counts = self._shared_counts()

    def _shared_counts(self) -> Counts:
        descriptor = os.open(self._tally_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(descriptor, _TALLY.size)
            return memoryview(mmap.mmap(descriptor, _TALLY.size)).cast("Q")
        finally:
            os.close(descriptor)

    def keep(self, record: Mapping[str, Any]) -> bool:
        """Appends a parcel, whose `frame` is bytes; whether there was room for it."""
        encoded = {**record, "frame": base64.b64encode(record["frame"]).decode()}
        if not self._write(encoded):
            self.refused += 1
            return False
        return True

    def _write(self, record: Mapping[str, Any]) -> bool:
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        if size + len(line) > self._limit_bytes:
            return False
        try:
            os.write(self._descriptor, line)
        except OSError:  # a full disk, which must not end the load: the master has most of it, and the loss is counted
            os.ftruncate(self._descriptor, size)
            return False
        return True

    def forget(self) -> None:
        """The master has everything that was kept."""
        os.ftruncate(self._descriptor, self._empty)

    def remove(self) -> None:
        """Nobody needs the files any more."""
        _remove(self.path)


def _remove(path: Path) -> None:
    """Removes both files of a spool, and the folder with the last of them."""
    path.unlink(missing_ok=True)
    path.with_suffix(TALLY_SUFFIX).unlink(missing_ok=True)
    with suppress(OSError):  # others still have their spools there
        path.parent.rmdir()


@dataclass(frozen=True, slots=True)
class Spooled:
    """One parcel of a spool: its frame, decoded and as bytes, and what came with it."""

    frame: Frame
    encoded: bytes
    failures: tuple[Mapping[str, Any], ...]
    readings: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A spool that a worker left behind; `tally` is None where its file is missing or cut."""

    path: Path
    run_id: str
    worker: str
    tally: Tally | None

    def read(self) -> tuple[list[Spooled], list[Damage]]:
        """Its parcels in order, and what could not be read."""
        records, damages = read_records(self.path, _parcel, "a parcel")
        return [record for record in records if isinstance(record, Spooled)], damages

    def remove(self) -> None:
        """Removes its files."""
        _remove(self.path)


def find_spools(folder: Path) -> Iterator[SpoolFile]:
    """The spools in a folder, in order of their names; files that are none are passed over."""
    for path in sorted(folder.glob(f"*{SPOOL_SUFFIX}")):
        found = open_spool(path)
        if found is not None:
            yield found


def open_spool(path: Path) -> SpoolFile | None:
    """The spool at `path`; None when there is none that can be read."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(4096))
        if head["schema"] != SCHEMA:
            return None
        worker = str(head["worker"])
        return SpoolFile(path, str(head["run_id"]), worker, _read_tally(path.with_suffix(TALLY_SUFFIX), worker))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_tally(path: Path, worker: str) -> Tally | None:
    try:
        numbers = _TALLY.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    return Tally(worker, *numbers) if numbers[ALIVE_NS] else None


def _parcel(record: dict[str, Any]) -> Spooled | str | None:
    """The parcel of a line, or the schema in the line about the spool itself."""
    if "schema" in record:
        return str(record["schema"])
    try:
        encoded = base64.b64decode(record["frame"], validate=True)
        frames = list(scan(encoded))
        extras = [tuple(record[name]) for name in ("failures", "readings", "warnings")]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    if len(frames) != 1 or not isinstance(frames[0], Frame):
        return None
    return Spooled(frames[0], encoded, *extras)
