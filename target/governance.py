"""Governance: proposals, and votes that weigh as much as the voting agent's stake."""

import secrets
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from target.agents import AgentId
from target.auth import SignedIn
from target.services import Injected
from target.store import Script

router = APIRouter(prefix="/governance", tags=["governance"])

_OPEN_FOR_S = 86_400

_PROPOSE = Script("""
local key = 'aia:proposal:' .. ARGV[1]
redis.call('HSET', key, 'owner', ARGV[2], 'title', ARGV[3], 'description', ARGV[4], 'for', 0, 'against', 0)
return redis.call('EXPIRE', key, ARGV[5])
""")

_VOTE = Script("""
local proposal, agent, side = 'aia:proposal:' .. ARGV[1], ARGV[2], ARGV[3]
local power = tonumber(redis.call('HGET', 'aia:agent:' .. agent, 'stake') or 0)
if redis.call('EXISTS', proposal) == 0 then return '{"problem":"unknown"}' end
if redis.call('HSETNX', 'aia:votes:' .. ARGV[1], agent, power) == 0 then return '{"problem":"voted"}' end
redis.call('EXPIRE', 'aia:votes:' .. ARGV[1], redis.call('TTL', proposal))
redis.call('HINCRBY', proposal, side, power)
return cjson.encode({power = power, infavour = tonumber(redis.call('HGET', proposal, 'for')),
  against = tonumber(redis.call('HGET', proposal, 'against'))})
""")


class NewProposal(BaseModel):
    """What to decide."""

    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=10_000)


class Votes(BaseModel):
    """Voting power on either side."""

    in_favour: int = Field(default=0, serialization_alias="for")
    against: int = 0


class Proposal(BaseModel):
    """A proposal that can be voted on."""

    proposal_id: str
    status: str = "open"
    votes: Votes = Votes()


class NewVote(BaseModel):
    """Which of the caller's agents votes how."""

    proposal_id: str = Field(max_length=64)
    agent_id: AgentId
    support: bool


class VoteCounted(BaseModel):
    """How much the vote weighed, and how the proposal stands."""

    proposal_id: str
    voting_power: int
    votes: Votes


@dataclass(frozen=True, kw_only=True)
class _Counted:
    problem: str | None = None
    power: int = 0
    infavour: int = 0
    against: int = 0


@router.post("/propose")
async def propose(new: NewProposal, caller: SignedIn, services: Injected) -> Proposal:
    """Open a proposal."""
    proposal_id = secrets.token_hex(8)
    texts = (new.title, new.description)
    await services.store.integer(_PROPOSE, proposal_id, caller.subject, *texts, _OPEN_FOR_S)
    return Proposal(proposal_id=proposal_id)


@router.post("/vote")
async def vote(new: NewVote, caller: SignedIn, services: Injected) -> VoteCounted:
    """Vote once with an agent of the caller."""
    owner = await services.agents.owner(new.agent_id)
    if owner is None:
        raise HTTPException(404, f"there is no agent {new.agent_id}")
    if owner != caller.subject:
        raise HTTPException(403, f"agent {new.agent_id} is another user's")
    side = "for" if new.support else "against"
    counted = await services.store.document(_VOTE, _Counted, new.proposal_id, new.agent_id, side)
    if counted.problem == "unknown":
        raise HTTPException(404, "there is no such proposal")
    if counted.problem == "voted":
        raise HTTPException(409, f"agent {new.agent_id} has voted already")
    votes = Votes(in_favour=counted.infavour, against=counted.against)
    return VoteCounted(proposal_id=new.proposal_id, voting_power=counted.power, votes=votes)
