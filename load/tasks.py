"""The tasks that the target accepted from the users of one worker, kept to ask for them again after the drain."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from load.accounts import Account

KEPT_SEEN = 20_000


@dataclass(slots=True)
class Task:
    """An accepted task: `template` is the path at which its owner reads it, `parameter` the placeholder of its id."""

    template: str
    parameter: str
    id: str
    owner: Account


class AcceptedTasks:
    """Every task that nobody has seen completed yet, and the newest of those that somebody has.

    The latter are forgotten `retention_s` after they were accepted: by then the target may have forgotten them too.
    """

    def __init__(
        self, kept_seen: int = KEPT_SEEN, retention_s: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._unseen: dict[str, Task] = {}
        self._seen: OrderedDict[str, Task] = OrderedDict()
        self._accepted_s: dict[str, float] = {}
        self._kept_seen = kept_seen
        self._retention_s = retention_s
        self._clock = clock
        self.repeated_ids: list[str] = []

    def add(self, task: Task) -> None:
        """Takes a task that was accepted just now; an id that was given out before is noted."""
        if task.id in self._unseen or task.id in self._seen:
            self.repeated_ids.append(task.id)
            return
        self._unseen[task.id] = task
        self._accepted_s[task.id] = self._clock()

    def seen_completed(self, task_id: str) -> None:
        """Somebody saw the task completed; it is asked for again all the same, it might be completed twice."""
        task = self._unseen.pop(task_id, None)
        if task is None:
            return
        self._seen[task_id] = task
        if len(self._seen) > self._kept_seen:
            self._accepted_s.pop(self._seen.popitem(last=False)[0])

    def of_another(self, account: Account, template: str) -> Task | None:
        """The newest task that is read at `template` and belongs to somebody else; None when there is none yet."""
        newest = reversed(self._seen.values())
        near = (task for task, _ in zip(newest, range(50), strict=False))
        return next((task for task in near if task.owner is not account and task.template == template), None)

    def all(self) -> list[Task]:
        """The tasks to check, unseen ones first."""
        since_s = self._clock() - self._retention_s
        return [*self._unseen.values(), *(task for task in self._seen.values() if self._accepted_s[task.id] >= since_s)]
