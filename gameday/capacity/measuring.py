"""Judges the level that is being measured, from the frames as they come."""

from collections.abc import Iterable
from pathlib import Path

from analysis.capacity.level import Visit, judge_level
from analysis.evidence import NS, Evidence, Window
from journal.columns import merge
from journal.frame_file import FrameTail
from journal.frames import Frame
from journal.manifest import Manifest
from journal.readings import read_readings
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, TimelineTail


def lost_workers(lost: set[str], events: Iterable[Event]) -> set[str]:
    """Who is lost after these events, when `lost` were before."""
    for event in events:
        if event.kind is EventKind.WORKER:
            worker = {str(event.data["worker"])}
            lost = lost | worker if event.data["state"] == "lost" else lost - worker
    return lost


class Measuring:
    """The seconds since `begin`; older frames are forgotten."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._tail, self._events = FrameTail(run.frames), TimelineTail(run.timeline)
        self._frames: list[Frame] = []
        self._seen: list[Event] = []
        self._last_second: dict[str, int] = {}
        self._lost: set[str] = set()
        self._manifest: Manifest | None = None
        self.begin_second = 0

    def begin(self, second: int) -> None:
        """A new level is measured from this epoch second on."""
        self.begin_second = second

    def refresh(self) -> None:
        """Takes in what was written since the last call."""
        events = self._events.read()
        self._seen += events
        self._lost = lost_workers(self._lost, events)
        for frame in self._tail.read():
            self._last_second[frame.worker] = max(frame.second, self._last_second.get(frame.worker, 0))
            self._frames.append(frame)
        self._frames = [frame for frame in self._frames if frame.second >= self.begin_second]

    @property
    def whole_s(self) -> int:
        """How many seconds since the begin every worker has told of that is not lost."""
        told = min((second for worker, second in self._last_second.items() if worker not in self._lost), default=0)
        return max(0, told + 1 - self.begin_second)

    def window(self, seconds: int) -> Window:
        """The first so many seconds of this level."""
        return Window(self.begin_second * NS, (self.begin_second + seconds) * NS)

    def judge(self, seconds: int, n: int, fault_id: str) -> Visit:
        """What the first so many seconds say."""
        return judge_level(self._evidence(self._frames), self.window(seconds), n, fault_id)

    def _evidence(self, frames: Iterable[Frame]) -> Evidence:
        if self._manifest is None:
            self._manifest = self._run.read_manifest()
        return Evidence(
            manifest=self._manifest,
            columns=merge(frames),
            events=tuple(self._seen),
            readings=tuple(read_readings(Path(self._run.readings))[0]),
            failures=(),
            damages=(),
            load=None,
        )
