"""AIA's Model Control Protocol: hand in a prompt, then ask for its status; and `/process`, its plain relative."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from target import task_answers
from target.auth import SignedIn
from target.services import Injected
from target.task_answers import Accepted, TaskProgress

router = APIRouter(tags=["model control"])

Output = Literal["report", "slides", "dashboard"]


class Prompt(BaseModel):
    """What to make of what."""

    prompt: str = Field(min_length=1, max_length=10_000)
    ai_model: str = Field(default="aia-standard", max_length=100)
    output_formats: Annotated[list[Output], Field(min_length=1, max_length=3)] = ["report", "slides", "dashboard"]


class PlainTask(BaseModel):
    """A task with an id of the client's own."""

    id: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1, max_length=10_000)
    task_type: Literal["general", "economic", "dkg"]


class AcceptedPlainTask(Accepted):
    """The client's id and ours."""

    id: str


@router.post("/api/v1/mcp/process", status_code=202)
async def process_prompt(prompt: Prompt, caller: SignedIn, services: Injected) -> Accepted:
    """Accept a prompt; the answer comes when it is safely written."""
    task_id, _ = await task_answers.submit(services, caller, "mcp", prompt)
    return Accepted(task_id=task_id)


@router.get("/api/v1/mcp/status/{task_id}")
async def prompt_status(task_id: str, caller: SignedIn, services: Injected) -> TaskProgress:
    """How far a prompt is."""
    return task_answers.progress(await task_answers.readable(services, caller, task_id, "mcp"))


@router.post("/process", status_code=202)
async def process_plain(task: PlainTask, caller: SignedIn, services: Injected) -> AcceptedPlainTask:
    """Accept a plain task; 503 when no agent worker is alive."""
    if (await services.agents.metrics())["workers"] == 0:
        raise HTTPException(503, "no agent worker is alive", headers={"Retry-After": "1"})
    task_id, _ = await task_answers.submit(services, caller, "process", task)
    return AcceptedPlainTask(id=task.id, task_id=task_id)
