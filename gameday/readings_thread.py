"""Writes down once a second what the target's processes use, and when one of them was replaced."""

import threading
from pathlib import Path

from journal.errors import GamedayError
from journal.readings import Reading, ReadingWriter
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Timeline
from probes.resources import ResourceSampler
from probes.target_state import read_target_state

INTERVAL_S = 1.0


class ReadingsThread:
    """A thread that samples until it is stopped; use as a context manager."""

    def __init__(self, run: RunDirectory, state_file: Path, timeline: Timeline) -> None:
        self._state_file = state_file
        self._timeline = timeline
        self._writer = ReadingWriter(run.readings)
        self._sampler = ResourceSampler()
        self._incarnations: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, name="readings")

    def __enter__(self) -> "ReadingsThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._writer.close()

    def _sample_until_stopped(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            try:
                state = read_target_state(self._state_file)
            except GamedayError:
                continue  # the target is going down or being replaced; its absence shows as a gap
            readings = self._sampler.sample(state.processes)
            self._writer.write(readings)
            self._note_replaced(readings)

    def _note_replaced(self, readings: list[Reading]) -> None:
        for reading in readings:
            before = self._incarnations.get(reading.subject)
            if before is not None and before != reading.incarnation:
                self._timeline.write(
                    EventKind.TARGET,
                    at_ns=reading.at_ns,
                    process=reading.subject,
                    state="restarted",
                    incarnation=reading.incarnation,
                )
            self._incarnations[reading.subject] = reading.incarnation
