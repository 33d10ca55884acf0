"""Who runs which users: keeps every worker's users where they are, and gives those of a lost worker to the others.

Locust's own dispatcher computes the distribution anew when a worker comes or goes, which stops users that could have
stayed. This one starts what is missing before it stops what is too much, so the number of users never dips on the way.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import gevent


class UserClass(Protocol):
    """What is asked of a class of users."""

    __name__: str
    weight: float
    fixed_count: int


class Node(Protocol):
    """What is asked of a worker."""

    id: str


Distribution = dict[str, dict[str, int]]


class Placement:
    """The users of each worker by class, changed one user at a time; it knows of no time and of no connection."""

    def __init__(self, weights: Mapping[str, float], fixed: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._fixed = dict(fixed)
        self._workers: Distribution = {}
        self._loads: dict[str, int] = {}
        self._counts = dict.fromkeys(sorted({*weights, *fixed}), 0)
        self._weighted = 0

    @property
    def total(self) -> int:
        """How many users there are."""
        return sum(self._counts.values())

    @property
    def emptiest(self) -> int:
        """How many users the worker with the fewest has."""
        return min(self._loads.values(), default=0)

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._workers)

    def on(self, worker: str) -> int:
        """How many users a worker has."""
        return self._loads[worker]

    def count(self, name: str) -> int:
        """How many users of a class there are."""
        return self._counts[name]

    def join(self, worker: str, users: Mapping[str, int] | None = None) -> None:
        """Takes a worker in, with the users that it has; one that is known keeps its own."""
        if worker not in self._workers:
            self._workers[worker], self._loads[worker] = dict.fromkeys(self._counts, 0), 0
            for name, number in (users or {}).items():
                self._change(worker, name, number)

    def leave(self, worker: str) -> dict[str, int]:
        """Takes a worker out; the users that it had."""
        users = dict(self._workers.get(worker, {}))
        for name, number in users.items():
            self._change(worker, name, -number)
        self._workers.pop(worker, None)
        self._loads.pop(worker, None)
        return users

    def _change(self, worker: str, name: str, by: int) -> None:
        self._workers[worker][name] += by
        self._loads[worker] += by
        self._counts[name] += by
        self._weighted += by if name in self._weights else 0

    def add(self) -> bool:
        """One user more, of the class that lacks most, on the worker with the fewest; whether that was possible."""
        name = next((name for name in sorted(self._fixed) if self._counts[name] < self._fixed[name]), None)
        name = name or max(self._weights, key=self._missing, default=None)
        if name is None or not self._workers:
            return False
        worker = min(self._workers, key=lambda each: (self._loads[each], self._workers[each][name]))
        self._change(worker, name, 1)
        return True

    def _missing(self, name: str) -> float:
        """By how much a class would be behind its share, were there one user more."""
        share = self._weights.get(name, 0.0) / (sum(self._weights.values()) or 1.0)
        return share * (self._weighted + 1) - self._counts[name]

    def remove(self) -> bool:
        """One user less, on the worker with the most, of the class that has most too many; whether that was possible.

        Classes of fixed size go last.
        """
        most = max(self._loads.values(), default=0)
        fullest = [worker for worker, load in self._loads.items() if most and load == most]
        running = [(worker, name) for worker in fullest for name, number in self._workers[worker].items() if number]
        if not running:
            return False
        self._change(*min(running, key=self._worth), -1)
        return True

    def _worth(self, user: tuple[str, str]) -> tuple[bool, float, int]:
        """The user with the least goes first."""
        worker, name = user
        return name in self._fixed, self._missing(name), -self._workers[worker][name]

    def snapshot(self) -> Distribution:
        """The users of each worker, as workers are told."""
        return {worker: dict(users) for worker, users in self._workers.items()}


@dataclass(frozen=True, slots=True)
class Goal:
    """So many users, approached at so many a second."""

    users: int
    rate_per_s: float

    @property
    def batch(self) -> int:
        """How many users change at once: so many that this happens about once a second, at least one."""
        return max(1, int(self.rate_per_s))

    @property
    def pause_s(self) -> float:
        """The time from one batch to the next."""
        return self.batch / self.rate_per_s


class Dispatcher(Iterator[Distribution]):
    """Has the interface of Locust's dispatcher: iterated, it gives what each worker is to run, until the goal is met.

    `unsettled` tells that workers came or went since: somebody has to begin a dispatch then. Locust would, in the
    greenlet in which it hears its workers, and hear none of them for as long; so it is told that one is in progress.
    """

    dispatch_in_progress = True

    def __init__(
        self,
        worker_nodes: Sequence[Node],
        user_classes: Sequence[UserClass],
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        weights = {cls.__name__: float(cls.weight) for cls in user_classes if not cls.fixed_count and cls.weight > 0}
        fixed = {cls.__name__: cls.fixed_count for cls in user_classes if cls.fixed_count}
        self.unsettled = False
        self._goal = Goal(0, 1.0)
        self._placement = Placement(weights, fixed)
        self._silent: Distribution = {}
        self._steps: Iterator[Distribution] = iter(())
        self._sleep = sleep
        for node in worker_nodes:
            self._placement.join(node.id)

    def add_worker(self, worker_node: Node) -> None:
        """A worker came, or came back: then it still runs what it ran when it fell silent."""
        self._placement.join(worker_node.id, self._silent.pop(worker_node.id, None))
        self.unsettled = True

    def remove_worker(self, worker_node: Node) -> None:
        """A worker is gone, or silent."""
        users = self._placement.leave(worker_node.id)
        if users:
            self._silent[worker_node.id] = users
            self.unsettled = True

    def new_dispatch(
        self,
        target_user_count: int,
        spawn_rate: float,
        user_classes: Sequence[UserClass] | None = None,  # noqa: ARG002  # Locust gives it, of use only to its web page
    ) -> None:
        """Begins the way to so many users."""
        self._goal = Goal(target_user_count, spawn_rate)
        self._steps = self._approach()

    def __next__(self) -> Distribution:
        return next(self._steps)

    def _approach(self) -> Iterator[Distribution]:
        due_s = time.monotonic()
        while True:
            self.unsettled = False
            changed = self._change()
            yield self._placement.snapshot()
            if not self.unsettled and (not changed or self._arrived()):
                return
            due_s = max(due_s + self._goal.pause_s, time.monotonic())
            self._sleep(due_s - time.monotonic())

    def _arrived(self) -> bool:
        return self._placement.total == self._goal.users and self._placement.emptiest >= self._fair_share()

    def _fair_share(self) -> int:
        return self._goal.users // max(1, self._placement.workers)

    def _change(self) -> bool:
        """One batch of changes; whether there was any.

        An uneven distribution of the right number gets more users where there are few; the next batch takes them away
        where there are many.
        """
        lacking = self._goal.users - self._placement.total
        if lacking > 0:
            return self._repeat(self._placement.add, lacking)
        if lacking < 0:
            return self._repeat(self._placement.remove, -lacking)
        added = 0
        while added < self._goal.batch and self._placement.emptiest < self._fair_share():
            added += self._placement.add()
        return added > 0

    def _repeat(self, change: Callable[[], bool], times: int) -> bool:
        return sum(change() for _ in range(min(times, self._goal.batch))) > 0
