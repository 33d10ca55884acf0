"""Brings what spools hold into their run directory, each parcel once, whatever has arrived there before."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from journal.errors import Problem, RunDirectoryError
from journal.frame_file import FrameWriter, scan
from journal.frames import Frame
from journal.json_lines import JsonLines
from journal.run_directory import RunDirectory, unwritable
from journal.spool import Spooled, SpoolFile, Tally, find_spools, open_spool
from journal.timeline import EventKind, Timeline


@dataclass
class Collected:
    """What was brought in: parcels by worker; `others`: how many spools of other runs were left alone."""

    parcels: dict[str, int] = field(default_factory=dict)
    others: int = 0

    def __str__(self) -> str:
        told = ", ".join(f"{number} of {worker}" for worker, number in sorted(self.parcels.items()))
        found = f"collected from spools: seconds {told}" if told else "there was no spool of this run to collect"
        return f"{found}; of other runs {self.others} were left alone" if self.others else found


@contextmanager
def sole_writer(run: RunDirectory) -> Iterator[None]:
    """Makes sure that no master is still writing this run.

    Raises:
        RunDirectoryError: one is.
    """
    descriptor = os.open(run.frames, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        what, remedy = "the run is still being written", "wait for its end; a master that is gone no longer holds it"
        raise RunDirectoryError([Problem(str(run.path), what, remedy)]) from None
    finally:
        os.close(descriptor)


def collect(run: RunDirectory, paths: Iterable[Path]) -> Collected:
    """Merges the spools of this run that lie at `paths`, files or folders, and removes them; others are left alone.

    Interrupted at any moment and begun again, it takes nothing twice but single failures of the parcel in hand.

    Raises:
        RunDirectoryError: the run has no readable manifest, is still being written, or cannot be written.
    """
    run_id, found = run.read_manifest().run_id, list(_spools(paths))
    spools = [spool for spool in found if spool.run_id == run_id]
    collected = Collected(others=len(found) - len(spools))
    if not spools:
        return collected
    try:
        with sole_writer(run):
            merge = _Merge(run)
            try:
                for spool in spools:
                    collected.parcels[spool.worker] = merge.take(spool)
            finally:
                merge.close()
            for spool in spools:
                spool.remove()
    except OSError as error:
        raise unwritable(run.path, error) from error
    return collected


def _spools(paths: Iterable[Path]) -> Iterator[SpoolFile]:
    for path in paths:
        if path.is_dir():
            yield from find_spools(path)
        elif (spool := open_spool(path)) is not None:
            yield spool


class _Merge:
    """The files of a run that spools are merged into."""

    def __init__(self, run: RunDirectory) -> None:
        self._seen: set[tuple[str, int]] = set()
        self._ended: set[str] = set()
        for found in scan(run.frames.read_bytes()):
            if isinstance(found, Frame):
                self._note(found)
        self._writer = FrameWriter(run.frames)
        self._failures, self._readings = JsonLines(run.failures), JsonLines(run.readings)
        self._timeline = Timeline(run.timeline)

    def take(self, spool: SpoolFile) -> int:
        """Takes what is new of a spool; how many parcels that were."""
        parcels, damages = spool.read()
        new = [parcel for parcel in parcels if (spool.worker, parcel.frame.sequence) not in self._seen]
        for parcel in new:
            self._write(spool.worker, parcel)
        for damage in damages:
            self._timeline.write(EventKind.WARNING, message=f"spool of {spool.worker}: {damage}")
        if spool.tally is not None and spool.worker not in self._ended:
            self._write_tally(spool.tally)
        return len(new)

    def _write(self, worker: str, parcel: Spooled) -> None:
        self._note(parcel.frame)
        self._writer.append_encoded(parcel.encoded)
        for failure in parcel.failures:
            self._failures.append(failure)
        for reading in parcel.readings:
            self._readings.append(reading)
        for warning in parcel.warnings:
            self._timeline.write(EventKind.WARNING, message=f"{worker}: {warning}")

    def _note(self, frame: Frame) -> None:
        self._seen.add((frame.worker, frame.sequence))
        if frame.last:
            self._ended.add(frame.worker)

    def _write_tally(self, tally: Tally) -> None:
        self._timeline.write(
            EventKind.TALLY,
            at_ns=tally.alive_ns,
            worker=tally.worker,
            started=tally.started,
            answered=tally.answered,
            cut=tally.cut,
        )

    def close(self) -> None:
        """Closes the files, the frames safely on the disk: the spools are removed next."""
        for file in (self._writer, self._failures, self._readings, self._timeline):
            file.close()
