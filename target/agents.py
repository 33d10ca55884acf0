"""Agents over HTTP: register, list, and hand tasks to them."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, StringConstraints

from target import task_answers
from target.agent_directory import Agent, AgentTaken, Offer, SystemMetrics, TreasuryEmpty
from target.auth import MUST_BE_SIGNED_IN, SignedIn
from target.services import Injected
from target.task_answers import Accepted, TaskProgress
from target.tasks import Wanted

router = APIRouter(prefix="/mas/api/v1/agents", tags=["agents"])

AgentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Skill = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ._-]{1,40}$")]
Skills = Annotated[list[Skill], Field(max_length=20)]
Amount = Annotated[int, Field(ge=0, le=1_000_000)]


class NewAgent(BaseModel):
    """What an agent can do, and for how much."""

    agent_id: AgentId
    specializations: Skills = []
    skills: Annotated[Skills, Field(min_length=1)]
    max_concurrent_tasks: Annotated[int, Field(ge=1, le=1000)] = 5
    cost_per_task: Amount = 10
    initial_stake: Amount = 100


class AgentList(BaseModel):
    """The first agents, and how many there are in all."""

    agents: list[Agent]
    total: int


class Requirements(BaseModel):
    """What an agent must be able to do."""

    skills: Skills = []


class NewTask(BaseModel):
    """What to do, by whom, and for how much at most."""

    task_type: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1, max_length=10_000)
    requirements: Requirements = Requirements()
    max_cost: Amount


class AssignedTask(Accepted):
    """The agent that does the task, and what it is paid."""

    assigned_agent: str | None
    cost: int | None


class AgentTaskProgress(TaskProgress):
    """How far a task is, and whose it is."""

    assigned_agent: str | None
    cost: int | None


@router.post("/register")
async def register_agent(new: NewAgent, caller: SignedIn, services: Injected) -> Agent:
    """Register an agent of the caller, or update it; 409 when its id is another user's."""
    try:
        await services.agents.register(Offer(**new.model_dump()), owner=caller.subject)
    except AgentTaken:
        raise HTTPException(409, f"agent {new.agent_id} is another user's") from None
    except TreasuryEmpty:
        raise HTTPException(409, "the treasury holds less than the stake") from None
    agent = await services.agents.get(new.agent_id)
    if agent is None:
        raise HTTPException(409, f"agent {new.agent_id} was removed meanwhile")
    return agent


@router.get("", dependencies=[MUST_BE_SIGNED_IN])
async def list_agents(services: Injected, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> AgentList:
    """The agents that registered first."""
    agents, total = await services.agents.listing(limit)
    return AgentList(agents=agents, total=total)


@router.get("/metrics/system", dependencies=[MUST_BE_SIGNED_IN])
async def system_metrics(services: Injected) -> SystemMetrics:
    """The agent system in numbers."""
    return await services.agents.metrics()


@router.post("/tasks/submit", status_code=202)
async def submit_task(new: NewTask, caller: SignedIn, services: Injected) -> AssignedTask:
    """Hand a task to the least busy agent that can do it; 409 when there is none."""
    wanted = Wanted(skills=new.requirements.skills, max_cost=new.max_cost)
    task_id, submission = await task_answers.submit(services, caller, "agent", new, wanted=wanted)
    if not submission.accepted:
        raise HTTPException(409, f"no agent has the skills {wanted.skills} within {wanted.max_cost} tokens")
    return AssignedTask(task_id=task_id, assigned_agent=submission.agent, cost=submission.cost)


@router.get("/tasks/{task_id}")
async def task_status(task_id: str, caller: SignedIn, services: Injected) -> AgentTaskProgress:
    """How far a task is."""
    task = await task_answers.readable(services, caller, task_id, "agent", "process")
    shown = task_answers.progress(task).model_dump()
    return AgentTaskProgress(**shown, assigned_agent=task.agent, cost=task.cost)
