"""Writes down what the target uses, again and again, until the run is over."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from journal.errors import GamedayError
from journal.readings import Reading, ReadingWriter
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Timeline
from probes.resources import ResourceSampler
from probes.target_state import read_target_state

Sample = Callable[[], list[Reading]]
"""The readings that are new; raises GamedayError where there are none to be had."""


class ReadingsThread:
    """A thread that samples until it is stopped; use as a context manager.

    A source that fails is asked again as if nothing had been: the first failure in a row becomes a warning.
    """

    def __init__(
        self, run: RunDirectory, timeline: Timeline, sample: Sample, *, interval_s: float, first: Iterable[Reading] = ()
    ) -> None:
        self._timeline, self._sample, self._interval_s = timeline, sample, interval_s
        self._writer = ReadingWriter(run.readings)
        self._writer.write(first)
        self._failing = False
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
        while not self._stopping.wait(self._interval_s):
            try:
                self._writer.write(self._sample())
                self._failing = False
            except GamedayError as error:
                if not self._failing:
                    self._timeline.write(EventKind.WARNING, message=f"the target's readings pause: {error}")
                self._failing = True
            except OSError:
                return  # a full disk, which the conductor sees too: it ends the run and says so


class LocalProcesses:
    """The processes of a state file, and when one of them was replaced."""

    def __init__(self, state_file: Path, timeline: Timeline) -> None:
        self._state_file, self._timeline = state_file, timeline
        self._sampler = ResourceSampler()
        self._incarnations: dict[str, str] = {}

    def sample(self) -> list[Reading]:
        """One reading of each process that runs."""
        try:
            state = read_target_state(self._state_file)
        except GamedayError:
            return []  # the target is going down or being replaced; its absence shows as a gap
        readings = self._sampler.sample(state.processes)
        self._note_replaced(readings)
        return readings

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
