"""Everything that the users of one worker share; one object per worker process."""

import random
from itertools import count

from gevent.event import Event

from journal.profile import with_planned_mix
from journal.spool import Counts
from load.accounts import Accounts
from load.arrivals.open_model import OpenModel
from load.described.data import Data
from load.distributed.assignment import Assignment
from load.distributed.clock import RunClock
from load.http import RUN_HEADER, Client, Session
from load.logbook import Logbook
from load.recorder import Recorder
from load.secrets import Secrets
from load.storms.blow import Exposed
from load.tasks import AcceptedTasks


class RunContext:
    """What journeys reach through their base class: the assignment, where counts go, accounts, accepted tasks."""

    def __init__(self, assignment: Assignment, tally: Counts | None = None, clock: RunClock | None = None) -> None:
        self.assignment = assignment
        self.clock = clock or RunClock()
        self.plan = with_planned_mix(assignment.plan, assignment.profile)
        self.profile = assignment.profile
        threshold_us = assignment.plan.slo.threshold_us
        self.logbook = Logbook(Recorder(assignment.worker, (threshold_us,), self.clock.time, tally))
        is_open = self.plan.load.arrivals is not None
        self.open_model = OpenModel(self.plan, self.logbook.recorder, assignment.capacity) if is_open else None
        self.accounts = Accounts(f"{assignment.run_id}-{assignment.worker}", self.connect)
        self.tasks = AcceptedTasks(retention_s=assignment.profile.task_retention_s)
        self.secrets = Secrets(assignment.profile)
        self.data = Data(assignment.profile, assignment.data)
        self.failure = ""
        self.user_numbers = count()
        self.exposed: dict[Exposed, None] = {}  # in the order in which they came
        self.stopping = False
        self._warnings: list[str] = []
        self._random = random.Random(f"{assignment.plan.seed}/{assignment.index}")
        self._warned: set[str] = set()

    def connect(self) -> Client:
        """A connection for what is not load."""
        return Client(self.assignment.base_url, self.profile)

    def session(self, journey: str) -> Session:
        """A recorded session for one user."""
        client = Client(self.assignment.base_url, self.profile, {RUN_HEADER: self.assignment.run_id})
        return Session(client, self.logbook, journey)

    def new_random(self) -> random.Random:
        """A generator of its own for one user, so that a run can be repeated with the same choices."""
        return random.Random(self._random.random())

    def fail(self, why: str) -> None:
        """The run cannot go on as the profile wants it; the worker tells the master, who ends it."""
        self.failure = self.failure or why

    def warn(self, message: str) -> None:
        """Says something once to whoever reads the timeline."""
        if message not in self._warned and len(self._warned) < 100:
            self._warned.add(message)
            self._warnings.append(message)

    def take_warnings(self) -> list[str]:
        """What was said since the last call."""
        taken, self._warnings = self._warnings, []
        return taken


class _Present:
    """The context of this process: workers get theirs when the assignment arrives, users wait for it."""

    def __init__(self) -> None:
        self.awaited = False
        self.arrived = Event()
        self.context: RunContext | None = None


_present = _Present()


def set_context(context: RunContext) -> None:
    """Makes `context` the one of this process."""
    _present.context = context
    _present.arrived.set()


def expect_context() -> None:
    """Says that this process belongs to a run, and will be told which."""
    _present.awaited = True


def is_awaited() -> bool:
    """Whether this process belongs to a run; else Locust runs by itself."""
    return _present.awaited or _present.context is not None


def await_context(timeout_s: float | None = None) -> RunContext:
    """The context of this process; waits until there is one."""
    _present.arrived.wait(timeout_s)
    assert _present.context is not None, "users run only after the assignment has arrived"
    return _present.context
