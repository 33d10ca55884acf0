"""What one pass through a journey's task does, declared beside it, so that samples can be foretold without sending."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Task = TypeVar("Task", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Flow:
    """One pass: how often each operation happens on average, think pauses within it, other waiting in seconds."""

    operations: Mapping[str, float] = field(default_factory=dict)
    thinks: float = 0.0
    waiting_s: float = 0.0


def flow(operations: Mapping[str, float], *, thinks: float = 0.0, waiting_s: float = 0.0) -> Callable[[Task], Task]:
    """Declares what a task does; `load.forecast` reads it, and a test compares it with what really happens."""

    def declare(task: Task) -> Task:
        task.flow = Flow(operations, thinks, waiting_s)  # type: ignore[attr-defined]  # as Locust marks its tasks
        return task

    return declare
