"""The tasks that the target accepted from the users of one worker, kept to ask for them again after the drain."""

from collections import OrderedDict
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
    """Every task that nobody has seen completed yet, and the newest of those that somebody has."""

    def __init__(self, kept_seen: int = KEPT_SEEN) -> None:
        self._unseen: dict[str, Task] = {}
        self._seen: OrderedDict[str, Task] = OrderedDict()
        self._kept_seen = kept_seen
        self.repeated_ids: list[str] = []

    def add(self, task: Task) -> None:
        """Takes a task that was accepted just now; an id that was given out before is noted."""
        if task.id in self._unseen or task.id in self._seen:
            self.repeated_ids.append(task.id)
            return
        self._unseen[task.id] = task

    def seen_completed(self, task_id: str) -> None:
        """Somebody saw the task completed; it is asked for again all the same, it might be completed twice."""
        task = self._unseen.pop(task_id, None)
        if task is None:
            return
        self._seen[task_id] = task
        if len(self._seen) > self._kept_seen:
            self._seen.popitem(last=False)

    def of_another(self, account: Account, template: str) -> Task | None:
        """The newest task that is read at `template` and belongs to somebody else; None when there is none yet."""
        newest = reversed(self._seen.values())
        near = (task for task, _ in zip(newest, range(50), strict=False))
        return next((task for task in near if task.owner is not account and task.template == template), None)

    def all(self) -> list[Task]:
        """The tasks to check, unseen ones first."""
        return [*self._unseen.values(), *self._seen.values()]
