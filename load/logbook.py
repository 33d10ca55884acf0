"""What the users of one worker leave behind: counts, single failures, checked invariants."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from journal.failures import Failure
from journal.outcomes import Endpoint, Kind, Outcome
from load.client.reply import Reply
from load.recorder import Recorder, Series

MAX_FAILURES_PER_S = 100
MAX_EXAMPLES = 5

RequestListener = Callable[[Endpoint, Outcome, Reply, str, float], None]


@dataclass(slots=True)
class Invariant:
    """How often one promise was put to the test, how often it was broken, and a few cases by name.

    `unknown`: how often the target would not say, however often it was asked.
    """

    checked: int = 0
    violated: int = 0
    unknown: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, *, violated: bool, example: str = "") -> None:
        """Counts one test of the promise."""
        self.checked += 1
        if violated:
            self.violated += 1
            if len(self.examples) < MAX_EXAMPLES:
                self.examples.append(example)


class Logbook:
    """Where the operations of all users of one worker end up."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.invariants: dict[str, Invariant] = {}
        self.listeners: list[RequestListener] = []
        self.unnamed_failures = 0
        self._series: dict[Endpoint, Series] = {}
        self._failures: deque[Failure] = deque()
        self._second, self._kept = 0, 0

    def series(self, endpoint: Endpoint) -> Series:
        """The counts of one endpoint."""
        return self.recorder.series(endpoint)

    def ended(self, endpoint: Endpoint, outcome: Outcome, reply: Reply, detail: str, began_s: float) -> None:
        """Takes note of one ended request: a failure is kept by name, and listeners hear of it."""
        if outcome is not Outcome.OK:
            self.failed(endpoint, outcome, detail, reply.served_by)
        for listener in self.listeners:
            listener(endpoint, outcome, reply, detail, began_s)

    def failed(self, endpoint: Endpoint, outcome: Outcome, detail: str, served_by: str = "") -> None:
        """Keeps one failure by name, as long as there are not too many in this second."""
        now_ns = time.time_ns() + self.recorder.offset_ns
        second = now_ns // 1_000_000_000
        if second != self._second:
            self._second, self._kept = second, 0
        self._kept += 1
        if self._kept > MAX_FAILURES_PER_S:
            self.unnamed_failures += 1
            return
        worker = self.recorder.worker
        failure = Failure.of(endpoint, outcome, at_ns=now_ns, worker=worker, detail=detail, served_by=served_by)
        self._failures.append(failure)

    def checked(self, invariant: str, *, violated: bool, example: str = "") -> None:
        """Counts one test of a promise."""
        self.invariants.setdefault(invariant, Invariant()).count(violated=violated, example=example)

    def take_failures(self) -> list[Failure]:
        """The failures since the last call."""
        taken = list(self._failures)
        self._failures.clear()
        return taken

    def pauses(self, journey: str, seconds: float, what: str = "think") -> None:
        """Notes that a user is about to pause: with its requests that makes up its time, by Little's law.

        `what` else it did that is no load.
        """
        if seconds > 0:
            series = self.recorder.series(Endpoint(Kind.GENERATOR, journey, what))
            series.start()
            series.end(Outcome.OK, round(seconds * 1e6))

    def workflow(self, journey: str, name: str) -> "Timing":
        """Measures an end-to-end series from here on; see `Timing`."""
        return Timing(self, Endpoint(Kind.WORKFLOW, journey, name))


class Timing:
    """One operation that is not a request: begun when made, ended once, or left unfinished when the user is stopped."""

    __slots__ = ("_began_ns", "_endpoint", "_logbook", "_series")

    def __init__(self, logbook: Logbook, endpoint: Endpoint) -> None:
        self._logbook = logbook
        self._endpoint = endpoint
        self._series = logbook.series(endpoint)
        self._series.start()
        self._began_ns = time.perf_counter_ns()

    @property
    def name(self) -> str:
        """What is being timed."""
        return self._endpoint.name

    def end(
        self, outcome: Outcome = Outcome.OK, detail: str = "", served_by: str = "", took_us: int | None = None
    ) -> None:
        """Counts the end; the duration runs from the making of this object, unless somebody knows better."""
        self._series.end(outcome, (time.perf_counter_ns() - self._began_ns) // 1000 if took_us is None else took_us)
        if outcome is not Outcome.OK:
            self._logbook.failed(self._endpoint, outcome, detail, served_by)
