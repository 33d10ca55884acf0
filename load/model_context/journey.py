"""The base class of journeys that speak the Model Context Protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from locust.exception import RescheduleTask

from load.invariants import NO_FOREIGN_DATA
from load.model_context.answers import ANY, NotAsWanted
from load.model_context.session import ModelContextSession
from load.tasks import Task
from load.user import Journey


class ModelContextJourney(Journey):
    """A journey with a Model Context Protocol session for the length of a with block.

    Every other session, by the dice of the user, is one of the stateless version 2026-07-28, unless the server knows
    only one generation: then a user tries the other one once.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._only_stateless: bool | None = None

    @contextmanager
    def model_context(self) -> Iterator[ModelContextSession]:
        """A session with this user's token; a request that does not go as wanted ends the task."""
        wanted = self.random.random() < 0.5 if self._only_stateless is None else self._only_stateless
        patience_s = self.shared.profile.task_timeout_s
        session = ModelContextSession(self.http, lambda: self.token, stateless=wanted, patience_s=patience_s)
        try:
            session.open()
            if session.stateless != wanted:
                self._only_stateless = session.stateless
            yield session
        except NotAsWanted as error:
            raise RescheduleTask from error
        finally:
            session.close()

    def saw_completed(self, task_id: str, *, status: str, id_field: str = "task_id") -> None:
        """A tool gave back a task that is completed; it is read at `status` after the drain, like all others."""
        self.shared.tasks.add(Task(status, id_field, task_id, self.account))
        self.shared.tasks.seen_completed(task_id)

    def must_not_read(self, session: ModelContextSession, tool: str, *, status: str) -> None:
        """Asks a tool for somebody else's task, where there is one; being told of it violates the invariant."""
        foreign = self.shared.tasks.of_another(self.account, status)
        if foreign is None:
            return
        answer = session.call_tool(tool, {foreign.parameter: foreign.id}, wanted=ANY)
        granted = answer.error is None and not answer.tool_error
        example = f"{self.account.email} read task {foreign.id} of {foreign.owner.email} by the tool {tool}"
        self.shared.logbook.checked(NO_FOREIGN_DATA, violated=granted, example=example)
