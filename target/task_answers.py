"""How tasks are handed in and shown, the same for every kind; only the owner may look."""

from fastapi import HTTPException
from pydantic import BaseModel

from target.auth import Caller
from target.services import Services
from target.tasks import Kind, Results, Status, Submission, Task, Wanted, new_task_id


class Accepted(BaseModel):
    """A task that is safely written."""

    task_id: str
    status: Status = "processing"


class TaskProgress(BaseModel):
    """How far a task is; `completions` is 1 in the end."""

    task_id: str
    kind: Kind
    status: Status
    completions: int
    created_at_ns: int
    completed_at_ns: int | None
    results: Results | None


async def submit(
    services: Services, caller: Caller, kind: Kind, payload: BaseModel, *, wanted: Wanted | None = None
) -> tuple[str, Submission]:
    """Hand in a task of the caller; returns its id and what came of it."""
    task_id = new_task_id()
    submission = await services.tasks.submit(
        task_id,
        kind=kind,
        owner=caller.subject,
        payload=payload.model_dump(),
        wanted=wanted,
        queued=not services.defects.loses_task(),
    )
    return task_id, submission


async def readable(services: Services, caller: Caller, task_id: str, *kinds: Kind) -> Task:
    """A task of one of these kinds that the caller may see. Raises 404 (unknown), 403 (another user's)."""
    task = await services.tasks.get(task_id)
    if task is None or task.kind not in kinds:
        raise HTTPException(404, "there is no such task")
    if task.owner != caller.subject and not services.defects.ignores_owner:
        raise HTTPException(403, "this task is another user's")
    return task


def progress(task: Task) -> TaskProgress:
    """The task as clients see it."""
    return TaskProgress(
        task_id=task.id,
        kind=task.kind,
        status=task.status,
        completions=task.completions,
        created_at_ns=task.created_at_ns,
        completed_at_ns=task.completed_at_ns,
        results=task.results,
    )
