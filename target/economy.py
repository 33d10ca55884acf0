"""The token economy over HTTP: who holds what, and distributions from the treasury."""

import secrets
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from target.agents import AgentId
from target.auth import MUST_BE_SIGNED_IN, SignedIn
from target.ledger import Summary
from target.services import Injected

router = APIRouter(tags=["economy"])


class NewDistribution(BaseModel):
    """How many tokens to pay out of the treasury, and to which agents (default: to the caller)."""

    amount: Annotated[int, Field(ge=1, le=1_000_000)]
    recipients: Annotated[list[AgentId], Field(max_length=100)] = []


class DistributionDone(BaseModel):
    """Who got how much, and what is left in the treasury."""

    distribution_id: str
    amount: int
    recipients: dict[str, int]
    treasury: int


@router.get("/mas/api/v1/economic/summary", dependencies=[MUST_BE_SIGNED_IN])
async def economic_summary(services: Injected) -> Summary:
    """All holdings at one moment."""
    return await services.ledger.summary()


@router.post("/economic/distribute")
async def distribute(new: NewDistribution, caller: SignedIn, services: Injected) -> DistributionDone:
    """Pay tokens out of the treasury, in equal parts."""
    accounts = [f"agent:{agent}" for agent in dict.fromkeys(new.recipients)] or [f"user:{caller.subject}"]
    done = await services.ledger.distribute(new.amount, accounts)
    if done.unknown_agent is not None:
        raise HTTPException(404, f"there is no agent {done.unknown_agent}")
    if done.recipients is None:
        raise HTTPException(409, f"the treasury holds only {done.treasury} tokens")
    return DistributionDone(
        distribution_id=secrets.token_hex(8), amount=new.amount, recipients=done.recipients, treasury=done.treasury
    )
