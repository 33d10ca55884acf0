"""Everything a run directory holds, read once, with the run's windows laid over the axis of seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from journal.columns import FrameColumns, read_columns
from journal.errors import Problem, RunDirectoryError
from journal.failures import Failure, read_failures
from journal.frame_file import Damage
from journal.histogram import highest_values
from journal.manifest import Manifest
from journal.outcomes import Kind, Outcome
from journal.readings import ReadingSeries, read_readings
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, Phase, read_timeline

NS = 1_000_000_000
_AFTER_LOAD = (Phase.DRAIN, Phase.INVARIANTS, Phase.ENDED)

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in epoch nanoseconds, begin included, end not."""

    begin_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return max(0, self.end_ns - self.begin_ns) / NS


@dataclass(frozen=True, slots=True)
class Times:
    """The times of one endpoint's proper answers: column of the second, bucket index, count; equal lengths."""

    second: NDArray[np.int32]
    index: NDArray[np.int32]
    count: Counts


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run left behind.

    `load` is the phase that is judged: from the end of the warm-up to the drain, or to the last frame when the run
    ended before; None when it never began. Arrays over seconds have one element per column of `columns` (S in all);
    E is the number of its endpoints.
    """

    manifest: Manifest
    columns: FrameColumns
    events: tuple[Event, ...]
    readings: tuple[ReadingSeries, ...]
    failures: tuple[Failure, ...]
    damages: tuple[Damage, ...]
    load: Window | None

    @property
    def load_s(self) -> float:
        """How long the load phase lasted; 0 when it never began."""
        return self.load.duration_s if self.load is not None else 0.0

    @property
    def origin_ns(self) -> int:
        """Where elapsed time is 0: the begin of the load phase, else the first frame, else the run's creation."""
        if self.load is not None:
            return self.load.begin_ns
        return self.columns.first_second * NS if self.columns.users.size else self.manifest.created_at_ns

    def elapsed_s(self, at_ns: int) -> float:
        """Seconds since the origin."""
        return (at_ns - self.origin_ns) / NS

    @cached_property
    def seconds_s(self) -> NDArray[np.float64]:
        """The begin of each column in seconds since the origin, shape (S,)."""
        return np.asarray((self.columns.seconds * NS - self.origin_ns) / NS, dtype=np.float64)

    @cached_property
    def in_load(self) -> Mask:
        """The columns that lie wholly in the load phase, shape (S,)."""
        if self.load is None:
            return np.zeros(self.columns.users.size, dtype=bool)
        begins_ns = self.columns.seconds * NS
        return np.asarray((begins_ns >= self.load.begin_ns) & (begins_ns + NS <= self.load.end_ns))

    @cached_property
    def before_load(self) -> Mask:
        """The columns of the warm-up, shape (S,): those that begin before the load phase."""
        return np.asarray(self.seconds_s < 0)

    def touching(self, begin_s: float, end_s: float) -> Mask:
        """The columns that share time with [begin, end], both in seconds since the origin, shape (S,)."""
        return np.asarray((self.seconds_s + 1 > begin_s) & (self.seconds_s <= end_s))

    def events_of(self, kind: EventKind) -> tuple[Event, ...]:
        """The events of one kind in order of time."""
        return tuple(event for event in self.events if event.kind is kind)

    @property
    def ended(self) -> bool:
        """Whether the run came to its orderly end."""
        return any(event.data.get("phase") == Phase.ENDED for event in self.events_of(EventKind.PHASE))

    def rows(self, *kinds: Kind) -> list[int]:
        """The indices of the endpoints of these kinds."""
        return [index for index, endpoint in enumerate(self.columns.endpoints) if endpoint.kind in kinds]

    @cached_property
    def samples(self) -> Counts:
        """Operations that ended, by endpoint and second, shape (E, S)."""
        return np.asarray(self.columns.count.sum(axis=1))

    @cached_property
    def failed(self) -> Counts:
        """Operations that ended in any other way than a proper answer, shape (E, S)."""
        return np.asarray(self.samples - self.columns.count[:, Outcome.OK])

    @cached_property
    def answered_badly(self) -> Counts:
        """Failed operations that the target did answer, shape (E, S): no fault of the generator explains these."""
        answered = [outcome for outcome in Outcome if outcome.answered and outcome is not Outcome.OK]
        return np.asarray(self.columns.count[:, answered].sum(axis=1))

    @cached_property
    def slow(self) -> Counts:
        """Proper answers at or above the plan's threshold, shape (E, S)."""
        threshold_us = self.manifest.plan.slo.threshold_us
        if threshold_us in self.columns.thresholds_us:
            plane = self.columns.thresholds_us.index(threshold_us)
            return np.asarray(self.columns.over[plane, :, Outcome.OK])
        return self._slow_from_buckets(threshold_us)

    def _slow_from_buckets(self, threshold_us: int) -> Counts:
        """Where raw values were not compared with this threshold, a bucket that contains it counts as slow."""
        slow = np.zeros_like(self.samples)
        for row in range(len(self.columns.endpoints)):
            times = self.times(row)
            over = highest_values(times.index.astype(np.int64)) >= threshold_us
            np.add.at(slow[row], times.second[over], times.count[over])
        return slow

    @cached_property
    def bad(self) -> Counts:
        """Slow and failed operations, shape (E, S)."""
        return self.slow + self.failed

    @cached_property
    def response_measured(self) -> bool:
        """Whether requests have a response time, from their intended start: those of an open model."""
        table = self.columns.histograms
        if "response" not in table.names:
            return False
        measured = np.unique(table.endpoint[table.name == table.names.index("response")])
        return bool(np.isin(self.rows(Kind.REQUEST), measured).any())

    def histogram_of(self, kind: Kind) -> str:
        """The name of the histogram that holds the time by which a kind of operation is judged."""
        return "response" if kind is Kind.REQUEST and self.response_measured else "service"

    def times(self, row: int) -> Times:
        """The times by which one endpoint (by index) is judged, of its proper answers."""
        rows = self._rows_of[self.histogram_of(self.columns.endpoints[row].kind)]
        table, chosen = self.columns.histograms, rows.get(row, np.zeros(0, dtype=np.int64))
        return Times(table.second[chosen], table.index[chosen], table.count[chosen])

    @cached_property
    def _rows_of(self) -> dict[str, dict[int, NDArray[np.int64]]]:
        return {name: self._rows_by_endpoint(name) for name in ("service", "response")}

    def _rows_by_endpoint(self, name: str) -> dict[int, NDArray[np.int64]]:
        # sorted once: looking through the whole table again for each endpoint costs seconds on a long run
        table = self.columns.histograms
        if name not in table.names:
            return {}
        chosen = np.flatnonzero((table.name == table.names.index(name)) & (table.outcome == int(Outcome.OK)))
        chosen = chosen[np.argsort(table.endpoint[chosen], kind="stable")]
        rows, begins = np.unique(table.endpoint[chosen], return_index=True)
        return dict(zip(rows.tolist(), np.split(chosen, begins[1:]), strict=True))


def load_evidence(run: RunDirectory) -> Evidence:
    """Reads a run directory; damaged files are read as far as they go and the damage is kept.

    Raises:
        RunDirectoryError: there is no such directory, its manifest is missing, unreadable or of an unknown schema, or
            another of its files may not be opened.
    """
    manifest = run.read_manifest()
    try:
        return _read(run, manifest)
    except OSError as error:
        where, remedy = str(error.filename or run.path), "judge it as a user who may, or from a whole copy"
        raise RunDirectoryError([Problem(where, f"cannot be read: {error.strerror}", remedy)]) from error


def _read(run: RunDirectory, manifest: Manifest) -> Evidence:
    columns = read_columns(run.frames)
    events, broken_events = read_timeline(run.timeline)
    readings, broken_readings = read_readings(run.readings)
    failures, broken_failures = read_failures(run.failures)
    return Evidence(
        manifest=manifest,
        columns=columns,
        events=tuple(events),
        readings=tuple(readings),
        failures=tuple(failures),
        damages=(*columns.damages, *broken_events, *broken_readings, *broken_failures),
        load=_load_window(events, columns),
    )


def _load_window(events: Iterable[Event], columns: FrameColumns) -> Window | None:
    phases = [(event.at_ns, event.data.get("phase")) for event in events if event.kind is EventKind.PHASE]
    begin_ns = next((at_ns for at_ns, phase in phases if phase == Phase.LOAD), None)
    if begin_ns is None:
        return None
    ends = (at_ns for at_ns, phase in phases if phase in _AFTER_LOAD and at_ns >= begin_ns)
    last_frame_ns = (columns.first_second + columns.users.size) * NS
    return Window(begin_ns, next(ends, max(begin_ns, last_frame_ns)))
