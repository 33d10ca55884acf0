"""The master's side of the accounts: parcels of all workers, each written down once, then acknowledged."""

from dataclasses import dataclass, field

from journal.frame_file import FrameWriter, scan
from journal.frames import Frame
from journal.json_lines import JsonLines
from journal.outcomes import Kind, Outcome
from journal.run_directory import RunDirectory
from load.distributed.reporter import Parcel

RECENT_S = 4


@dataclass(slots=True)
class Received:
    """What arrived from one worker."""

    sequences: set[int] = field(default_factory=set)
    lowest_missing: int = 1
    ended: bool = False

    def is_new(self, sequence: int) -> bool:
        """Whether this sequence number has not been seen; it has been from now on."""
        if sequence < self.lowest_missing or sequence in self.sequences:
            return False
        self.sequences.add(sequence)
        while self.lowest_missing in self.sequences:
            self.sequences.remove(self.lowest_missing)
            self.lowest_missing += 1
        return True


class Collector:
    """Writes frames, failures and readings into the run directory."""

    def __init__(self, run: RunDirectory) -> None:
        self._frames = FrameWriter(run.frames)
        self._frames.lock()
        self._failures = JsonLines(run.failures)
        self._readings = JsonLines(run.readings)
        self._received: dict[str, Received] = {}
        self._recent: dict[int, list[Frame]] = {}

    def take(self, worker: str, parcel: Parcel) -> bool:
        """Writes a parcel, unless it arrived before; returns whether it was new. Then it may be acknowledged."""
        received = self._received.setdefault(worker, Received())
        if not received.is_new(parcel.sequence):
            return False
        self._frames.append_encoded(parcel.frame)
        for failure in parcel.failures:
            self._failures.append(failure)
        self.write_readings(parcel.readings)
        received.ended |= parcel.last
        for found in scan(parcel.frame):
            if isinstance(found, Frame):
                self._recent.setdefault(found.second, []).append(found)
        for second in sorted(self._recent)[:-RECENT_S]:
            del self._recent[second]
        return True

    @property
    def recent(self) -> list[Frame]:
        """The frames of the last few seconds, of all workers."""
        return [frame for frames in self._recent.values() for frame in frames]

    def write_readings(self, readings: list[dict[str, object]]) -> None:
        """Writes readings of processes of the generator."""
        for reading in readings:
            self._readings.append(reading)

    def complete(self, worker: str) -> bool:
        """Whether everything of a worker has arrived, the last frame included."""
        received = self._received.get(worker)
        return received is not None and received.ended and not received.sequences

    def close(self) -> None:
        """Closes the files."""
        for file in (self._frames, self._failures, self._readings):
            file.close()


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the load went in one second: requests that ended, those that were slow or failed, those that failed."""

    users: int
    requests: int
    bad: int
    failed: int

    @property
    def bad_share(self) -> float:
        """Bad requests by all requests, 0 when there were none."""
        return self.bad / self.requests if self.requests else 0.0

    @property
    def failed_share(self) -> float:
        """Failed requests by all requests, 0 when there were none."""
        return self.failed / self.requests if self.requests else 0.0


def pulse(frames: list[Frame]) -> Pulse:
    """The newest second of which every worker in `frames` may have reported: the last but one."""
    seconds = sorted({frame.second for frame in frames})
    second = seconds[-2] if len(seconds) > 1 else -1
    users = requests = slow = failed = 0
    for frame in frames:
        if frame.second != second:
            continue
        users += frame.users
        for endpoint, seen in frame.endpoints.items():
            if endpoint.kind is not Kind.REQUEST:
                continue
            for outcome, ended in seen.outcomes.items():
                requests += ended.count
                if outcome is Outcome.OK:
                    slow += max(ended.over.values(), default=0)
                else:
                    failed += ended.count
    return Pulse(users, requests, slow + failed, failed)
