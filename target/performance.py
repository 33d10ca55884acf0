"""How well agents perform: scores from 0 to 1, ranked by their mean."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from target.agents import AgentId
from target.auth import MUST_BE_SIGNED_IN
from target.services import Injected
from target.store import Script

router = APIRouter(prefix="/performance", tags=["performance"], dependencies=[MUST_BE_SIGNED_IN])

_RECORD = Script("""
local id, key = ARGV[1], 'aia:agent:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return '{}' end
local sum = tonumber(redis.call('HINCRBYFLOAT', key, 'score_sum', ARGV[2]))
local records = redis.call('HINCRBY', key, 'scores', 1)
redis.call('ZADD', 'aia:performance', sum / records, id)
return cjson.encode({agent_id = id, score = sum / records, records = records})
""")

_RANKINGS = Script("""
local rankings = {}
local ranked = redis.call('ZREVRANGE', 'aia:performance', 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
for rank = 1, #ranked / 2 do
  local id = ranked[2 * rank - 1]
  rankings[rank] = {rank = rank, agent_id = id, score = tonumber(ranked[2 * rank]),
    tasks_completed = tonumber(redis.call('HGET', 'aia:agent:' .. id, 'tasks_completed') or 0)}
end
return #rankings > 0 and cjson.encode({rankings = rankings}) or '{}'
""")


class NewRecord(BaseModel):
    """How well an agent did, from 0 to 1."""

    agent_id: AgentId
    score: Annotated[float, Field(ge=0, le=1)]


class Recorded(BaseModel):
    """The agent's mean score over all records."""

    agent_id: str = ""
    score: float = 0.0
    records: int = 0


class Ranking(BaseModel):
    """One agent's place."""

    rank: int
    agent_id: str
    score: float
    tasks_completed: int


class Rankings(BaseModel):
    """The best agents first."""

    rankings: list[Ranking] = []


@router.post("/record")
async def record(new: NewRecord, services: Injected) -> Recorded:
    """Record a score."""
    recorded = await services.store.document(_RECORD, Recorded, new.agent_id, str(new.score))
    if not recorded.records:
        raise HTTPException(404, f"there is no agent {new.agent_id}")
    return recorded


@router.get("/rankings")
async def rankings(services: Injected, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Rankings:
    """The best agents."""
    return await services.store.document(_RANKINGS, Rankings, limit)
