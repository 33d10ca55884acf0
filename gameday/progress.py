"""What is known of a run while it runs: follows the files of the run directory as they grow."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from journal.frame_file import FrameTail
from journal.frames import EndpointSecond, Frame
from journal.histogram import Histogram
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Endpoint, Kind, Outcome
from journal.plan import Slo
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, Phase, TimelineTail

RECENT_S = 10
HISTORY_S = 120
_OF_ARRIVALS = (ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS)


@dataclass
class Tally:
    """Counts of one journey: all of the load phase, and the last seconds."""

    samples: int = 0
    bad: int = 0
    recent: deque[tuple[int, int, int]] = field(default_factory=deque)

    def add(self, second: int, samples: int, bad: int) -> None:
        """Adds one second's counts."""
        self.samples += samples
        self.bad += bad
        self.recent.append((second, samples, bad))
        while self.recent and self.recent[0][0] <= second - RECENT_S:
            self.recent.popleft()

    @property
    def recent_good_share(self) -> float | None:
        """The good share of the last ten seconds, or None without a sample."""
        samples = sum(entry[1] for entry in self.recent)
        return 1 - sum(entry[2] for entry in self.recent) / samples if samples else None


@dataclass
class Second:
    """All requests of one second, over all workers."""

    samples: int = 0
    bad: int = 0
    service: Histogram = field(default_factory=Histogram)


@dataclass
class Arrived:
    """The arrivals of an open model so far, from its first second on: due, started, late ones among these, dropped."""

    due: int = 0
    started: int = 0
    late: int = 0
    dropped: int = 0

    def add(self, endpoint: Endpoint, seen: EndpointSecond) -> None:
        """Takes what a worker says of one second."""
        if endpoint == ARRIVALS:
            self.due += seen.started
            self.started += sum(ended.count for ended in seen.outcomes.values())
        elif endpoint == DROPPED_ARRIVALS:
            self.due += seen.started
            self.dropped += seen.started
        elif endpoint == LATE_ARRIVALS:
            self.late += seen.started

    @property
    def words(self) -> str:
        """All of them in one line."""
        return f"arrivals {self.due}: started {self.started}, late {self.late}, dropped {self.dropped}"


@dataclass
class FaultProgress:
    """One fault as it stands."""

    id: str
    name: str
    state: str = "planned"
    target: str = ""
    effect: str = ""
    since_ns: int = 0


@dataclass
class Progress:
    """The run so far; `refresh` reads what has been added.

    `under_way`: what arrived in the last second, and requests without an answer at its end, by worker. `level`: the
    newest of a search in arrivals whose moments were shared out, with its begin.
    """

    run: RunDirectory
    slo: Slo
    phase: Phase | None = None
    phase_since_ns: int = 0
    load_began_ns: int | None = None
    users_planned: int = 0
    journeys: dict[str, Tally] = field(default_factory=dict)
    seconds: dict[int, Second] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    level: int = -1
    level_began_ns: int = 0
    arrivals: Arrived | None = None
    lag: Histogram = field(default_factory=Histogram)
    faults: dict[str, FaultProgress] = field(default_factory=dict)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    messages: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._frames = FrameTail(self.run.frames)
        self._events = TimelineTail(self.run.timeline)

    def refresh(self) -> list[Event]:
        """Takes in what was added since the last call; returns the new events."""
        events = self._events.read()
        for event in events:
            self._take_event(event)
        self._take_frames(self._frames.read())
        return events

    def _take_event(self, event: Event) -> None:
        if event.kind is EventKind.PHASE:
            self.phase, self.phase_since_ns = Phase(event.data["phase"]), event.at_ns
            if self.phase is Phase.LOAD:
                self.load_began_ns = event.at_ns
        elif event.kind is EventKind.USERS:
            self.users_planned = int(event.data["users"])
        elif event.kind is EventKind.FAULT:
            self._take_fault(event)
        elif event.kind is EventKind.WORKER and event.data["state"] == "lost":
            self._forget(str(event.data["worker"]))
        elif event.kind is EventKind.ARRIVALS and "level" in event.data:
            self.level, self.level_began_ns = int(event.data["level"]), int(event.data["begin_ns"])
        message = describe(event)
        if message:
            self.messages.append((event.at_ns, message))

    def _forget(self, worker: str) -> None:
        """Nobody is with a lost worker any more; should it come back, its next frame says who is."""
        self.users.pop(worker, None)
        self.under_way.pop(worker, None)

    def _take_fault(self, event: Event) -> None:
        data = event.data
        fault = self.faults.setdefault(
            data["fault_id"], FaultProgress(data["fault_id"], str(data.get("experiment", "")))
        )
        fault.state, fault.since_ns = str(data["state"]), event.at_ns
        fault.target = str(data.get("target") or fault.target)
        if fault.state in {"effective", "no-effect"}:
            fault.effect = "seen" if fault.state == "effective" else "none"

    def _take_frames(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.users[frame.worker] = frame.users
            self.under_way[frame.worker] = _under_way(frame)
            for endpoint, seen in frame.endpoints.items():
                if endpoint in _OF_ARRIVALS:
                    self.arrivals = self.arrivals or Arrived()
                    self.arrivals.add(endpoint, seen)
                elif endpoint.kind is Kind.GENERATOR:
                    self._take_lag(seen)
                elif endpoint.kind is Kind.REQUEST:
                    self._take_requests(frame.second, endpoint, seen)
        for second in sorted(self.seconds)[:-HISTORY_S]:
            del self.seconds[second]

    def _take_lag(self, seen: EndpointSecond) -> None:
        for ended in seen.outcomes.values():
            if "lag" in ended.histograms:
                self.lag.add_sparse(ended.histograms["lag"])

    def _take_requests(self, second: int, endpoint: Endpoint, seen: EndpointSecond) -> None:
        row = self.seconds.setdefault(second, Second())
        for outcome, ended in seen.outcomes.items():
            bad = ended.over.get(self.slo.threshold_us, 0) if outcome is Outcome.OK else ended.count
            row.samples += ended.count
            row.bad += bad
            judged = ended.histograms.get("response", ended.histograms.get("service"))
            if outcome is Outcome.OK and judged is not None:
                row.service.add_sparse(judged)
            if self.in_load(second):
                self.journeys.setdefault(endpoint.journey, Tally()).add(second, ended.count, bad)
            if outcome is not Outcome.OK:
                key = (outcome.label, endpoint.name)
                self.errors[key] = self.errors.get(key, 0) + ended.count

    def in_load(self, second: int) -> bool:
        """Whether a second belongs to the load phase, as far as is known."""
        return self.phase is Phase.LOAD and self.load_began_ns is not None and second * 10**9 >= self.load_began_ns


def _under_way(frame: Frame) -> int:
    requests = (seen.in_flight for endpoint, seen in frame.endpoints.items() if endpoint.kind is Kind.REQUEST)
    arrivals = (seen.started for endpoint, seen in frame.endpoints.items() if endpoint in (ARRIVALS, DROPPED_ARRIVALS))
    return sum(requests) + sum(arrivals)


def describe(event: Event) -> str:
    """One line for people about an event; empty for those that are no news."""
    data = defaultdict(str, event.data)
    if event.kind is EventKind.FAULT:
        return f"{data['fault_id']} {data['fault'] or data['experiment']} {data['state']} {data['target']}".rstrip()
    if event.kind is EventKind.INVARIANT and not data["violated"]:
        return ""
    if event.kind is EventKind.LEVEL:
        data["size"] = f"{data['users']} users" if "users" in data else f"{data['arrivals_per_s']} arrivals/s"
        return ("{size}: {result}, {reason}" if data["result"] else "going to {size}").format_map(data).rstrip(", ")
    return _SENTENCES.get(event.kind, "").format_map(data).rstrip()


_SENTENCES = {
    EventKind.PHASE: "phase {phase}",
    EventKind.TARGET: "{process} {state} {reason}",
    EventKind.WORKER: "generator {worker} {state}",
    EventKind.CALIBRATION: "generator {worker} can do {ceiling_per_s} requests/s",
    EventKind.STORM: "{storm_id} {storm} {state} on {worker}",
    EventKind.INVARIANT: "invariant {name} violated {violated} times",
    EventKind.GUARD: "guard {guard}: {measured} (limit {limit})",
    EventKind.WARNING: "warning: {message}",
    EventKind.INTERRUPTED: "interrupted by {signal}",
}
