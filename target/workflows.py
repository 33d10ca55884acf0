"""Workflows: templates of steps that depend on each other; each step is an agent task."""

import secrets
import time
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from target.auth import SignedIn
from target.services import Injected, Services
from target.store import Script, to_json
from target.tasks import LUA_WRITE_TASK, Status, new_task_id

router = APIRouter(prefix="/mas/api/v1/workflows", tags=["workflows"])


class Step(TypedDict):
    """A step of a template."""

    name: str
    skills: list[str]
    depends_on: list[str]


TEMPLATES: dict[str, list[Step]] = {
    "research-report": [
        {"name": "research", "skills": ["research"], "depends_on": []},
        {"name": "analysis", "skills": ["analysis"], "depends_on": ["research"]},
        {"name": "report", "skills": ["writing"], "depends_on": ["analysis"]},
    ],
    "parallel-analysis": [
        {"name": "plan", "skills": ["general"], "depends_on": []},
        {"name": "market", "skills": ["analysis"], "depends_on": ["plan"]},
        {"name": "technology", "skills": ["research"], "depends_on": ["plan"]},
        {"name": "summary", "skills": ["writing"], "depends_on": ["market", "technology"]},
    ],
}

_CREATE = Script(
    LUA_WRITE_TASK
    + """
local workflow, owner, steps, now_ns, retention_s = ARGV[1], ARGV[2], cjson.decode(ARGV[3]), ARGV[4], ARGV[5]
local budget = tonumber(ARGV[6])
for _, step in ipairs(steps) do
  local agent = choose_agent(step.skills, budget)
  if not agent then return 0 end
  step.agent, step.cost, budget = agent.id, agent.cost, budget - agent.cost
end
for _, step in ipairs(steps) do
  step.id, step.kind, step.owner = step.task_id, 'agent', owner
  step.status = step.waits_for == 0 and 'processing' or 'waiting'
  write_task(step, now_ns, retention_s)
  redis.call('HSET', 'aia:task:' .. step.id, 'waits_for', step.waits_for, 'dependents', step.dependents)
  if step.waits_for == 0 then enqueue(step.id) end
end
local key = 'aia:workflow:' .. workflow
redis.call('HSET', key, 'owner', owner, 'template', ARGV[7], 'steps', ARGV[8])
redis.call('EXPIRE', key, retention_s)
return 1
"""
)

_READ = Script("""
local fields = redis.call('HMGET', 'aia:workflow:' .. ARGV[1], 'owner', 'template', 'steps')
if not fields[1] then return '{}' end
local steps = cjson.decode(fields[3])
for _, step in ipairs(steps) do
  local task = redis.call('HMGET', 'aia:task:' .. step.task_id, 'status', 'completions')
  step.status, step.completions = task[1], tonumber(task[2])
  step.depends_on = #step.depends_on > 0 and step.depends_on or nil
end
return cjson.encode({owner = fields[1], template = fields[2], steps = steps})
""")


class NewWorkflow(BaseModel):
    """What to do and for how many tokens at most."""

    template: str = Field(max_length=64)
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict, max_length=50)
    max_cost: Annotated[int, Field(ge=0, le=1_000_000)] = 100


class PlannedStep(BaseModel):
    """A step and the task that does it."""

    name: str
    task_id: str
    depends_on: list[str] = []


class CreatedWorkflow(BaseModel):
    """A workflow that was accepted."""

    workflow_id: str
    status: Status = "processing"
    steps: list[PlannedStep]


class StepProgress(PlannedStep):
    """A step and how far it is."""

    status: Status
    completions: int


class WorkflowProgress(BaseModel):
    """A workflow and how far it is."""

    workflow_id: str
    template: str
    status: Status
    steps: list[StepProgress]


class _Stored(BaseModel):
    owner: str | None = None
    template: str = ""
    steps: list[StepProgress] = []


@router.post("/create", status_code=202)
async def create_workflow(new: NewWorkflow, caller: SignedIn, services: Injected) -> CreatedWorkflow:
    """Write all steps as tasks; those that depend on nothing start at once."""
    if new.template not in TEMPLATES:
        raise HTTPException(422, f"unknown template {new.template}; there are {', '.join(TEMPLATES)}")
    workflow_id = secrets.token_hex(12)
    task_ids = {step["name"]: new_task_id() for step in TEMPLATES[new.template]}
    steps = [
        PlannedStep(name=step["name"], task_id=task_ids[step["name"]], depends_on=step["depends_on"])
        for step in TEMPLATES[new.template]
    ]
    if not await _write(services, workflow_id, caller.subject, new, steps):
        raise HTTPException(409, f"no agents for all steps within {new.max_cost} tokens")
    return CreatedWorkflow(workflow_id=workflow_id, steps=steps)


async def _write(services: Services, workflow_id: str, owner: str, new: NewWorkflow, steps: list[PlannedStep]) -> bool:
    skills = {step["name"]: step["skills"] for step in TEMPLATES[new.template]}
    tasks = [
        {
            "task_id": step.task_id,
            "skills": skills[step.name],
            "waits_for": len(step.depends_on),
            "dependents": to_json([other.task_id for other in steps if step.name in other.depends_on]),
            "payload": to_json({"description": f"{new.template}: {step.name}", "parameters": new.parameters}),
        }
        for step in steps
    ]
    planned = to_json([step.model_dump() for step in steps])
    retention_s = services.settings.task_retention_s
    head = (workflow_id, owner, to_json(tasks), time.time_ns(), retention_s, new.max_cost)
    return bool(await services.store.integer(_CREATE, *head, new.template, planned))


@router.get("/{workflow_id}")
async def read_workflow(workflow_id: str, caller: SignedIn, services: Injected) -> WorkflowProgress:
    """How far a workflow is; completed when all its steps are."""
    stored = await services.store.document(_READ, _Stored, workflow_id)
    if stored.owner is None:
        raise HTTPException(404, "there is no such workflow")
    if stored.owner != caller.subject and not services.defects.ignores_owner:
        raise HTTPException(403, "this workflow is another user's")
    done = all(step.status == "completed" for step in stored.steps)
    return WorkflowProgress(
        workflow_id=workflow_id,
        template=stored.template,
        status="completed" if done else "processing",
        steps=stored.steps,
    )
