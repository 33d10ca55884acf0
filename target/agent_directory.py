"""The agents: who they are, what they can do, what they hold; and the choice of one for a task."""

import json
import time
from dataclasses import dataclass

from typing_extensions import TypedDict

from target.ledger import LUA as LUA_LEDGER
from target.store import Script, Store, to_json

HOUSE = "house"
"""Owner of the agents that are always there."""

LUA_CHOOSE_AGENT = """
-- The least busy agent with all skills at no more than max_cost, then the cheapest, then by name; nil when none is.
local MOST_CANDIDATES = 200
local function choose_agent(skills, max_cost)
  local sets = {}
  for index, skill in ipairs(skills) do sets[index] = 'aia:skill:' .. skill end
  if #sets == 0 then sets = {'aia:skill:general'} end
  local best
  for index, id in ipairs(redis.call('SINTER', unpack(sets))) do
    if index > MOST_CANDIDATES then break end
    local agent = redis.call('HMGET', 'aia:agent:' .. id, 'cost_per_task', 'max_concurrent_tasks', 'active_tasks')
    local found = {id = id, cost = tonumber(agent[1]), load = tonumber(agent[3]) / tonumber(agent[2])}
    local better = not best or found.load < best.load or (found.load == best.load and
      (found.cost < best.cost or (found.cost == best.cost and found.id < best.id)))
    if found.cost <= max_cost and better then best = found end
  end
  return best
end
"""

LUA_REMOVE_AGENT = (
    LUA_LEDGER
    + """
local function forget_skills(id)
  local skills = redis.call('HGET', 'aia:agent:' .. id, 'skills')
  for _, skill in ipairs(cjson.decode(skills or '[]')) do redis.call('SREM', 'aia:skill:' .. skill, id) end
end
local function remove_agent(id)
  move('staked', 'treasury', tonumber(redis.call('HGET', 'aia:agent:' .. id, 'stake') or 0))
  close_account('agent:' .. id)
  forget_skills(id)
  redis.call('ZREM', 'aia:agents', id)
  redis.call('ZREM', 'aia:performance', id)
  redis.call('DEL', 'aia:agent:' .. id)
end
"""
)

_REGISTER = Script(
    LUA_REMOVE_AGENT
    + """
local id, owner, now_ns, agent = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local key = 'aia:agent:' .. id
local known_owner = redis.call('HGET', key, 'owner')
if known_owner and known_owner ~= owner then return 0 end
if known_owner then
  forget_skills(id)
else
  if agent.stake > held('treasury') then return -1 end
  move('treasury', 'staked', agent.stake)
  redis.call('HSETNX', LEDGER, 'agent:' .. id, 0)
  redis.call('HSET', key, 'agent_id', id, 'owner', owner, 'stake', agent.stake, 'active_tasks', 0, 'tasks_completed', 0,
    'score_sum', 0, 'scores', 0)
  redis.call('ZADD', 'aia:agents', now_ns, id)
  redis.call('SADD', 'aia:agents-of:' .. owner, id)
end
redis.call('HSET', key, 'skills', ARGV[5], 'specializations', ARGV[6], 'cost_per_task', agent.cost_per_task,
  'max_concurrent_tasks', agent.max_concurrent_tasks)
for _, skill in ipairs(cjson.decode(ARGV[5])) do redis.call('SADD', 'aia:skill:' .. skill, id) end
return 1
"""
)

_LIST = Script("""
local agents = {}
for index, id in ipairs(redis.call('ZRANGE', 'aia:agents', 0, tonumber(ARGV[1]) - 1)) do
  agents[index] = redis.call('HGETALL', 'aia:agent:' .. id)
end
return cjson.encode({total = redis.call('ZCARD', 'aia:agents'), agents = #agents > 0 and agents or nil})
""")

_METRICS = Script("""
local function stat(name) return tonumber(redis.call('HGET', 'aia:stats', name) or 0) end
return cjson.encode({
  agents = redis.call('ZCARD', 'aia:agents'),
  workers = redis.call('ZCOUNT', 'aia:workers', ARGV[1], '+inf'),
  tasks = {submitted = stat('submitted'), completed = stat('completed'), queued = redis.call('XLEN', 'aia:tasks')},
})
""")


class Agent(TypedDict):
    """An agent as clients see it."""

    agent_id: str
    specializations: list[str]
    skills: list[str]
    max_concurrent_tasks: int
    cost_per_task: int
    stake: int
    active_tasks: int
    tasks_completed: int


class TaskCounts(TypedDict):
    """Tasks since the store began; `queued` are those waiting or being done."""

    submitted: int
    completed: int
    queued: int


class SystemMetrics(TypedDict):
    """The agent system in numbers; `workers` counts the live ones."""

    agents: int
    workers: int
    tasks: TaskCounts


@dataclass(frozen=True, kw_only=True)
class _Listing:
    total: int
    agents: list[list[str]] | None = None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an agent registers with."""

    agent_id: str
    skills: list[str]
    specializations: list[str]
    max_concurrent_tasks: int = 5
    cost_per_task: int = 10
    initial_stake: int = 100


HOUSE_AGENTS = (
    Offer(agent_id="aia-generalist", skills=["general"], specializations=["general"], cost_per_task=5),
    Offer(agent_id="aia-researcher", skills=["research", "analysis"], specializations=["research"]),
    Offer(agent_id="aia-writer", skills=["writing", "design"], specializations=["writing"]),
)


class AgentTaken(Exception):
    """The agent id belongs to somebody else."""


class TreasuryEmpty(Exception):
    """The treasury holds less than asked for."""


class AgentDirectory:
    """All of it over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self) -> None:
        """Register the agents of the house."""
        for offer in HOUSE_AGENTS:
            await self.register(offer, owner=HOUSE)

    async def register(self, offer: Offer, *, owner: str) -> None:
        """Register or update an agent; the stake is taken from the treasury the first time.

        Raises AgentTaken, TreasuryEmpty.
        """
        numbers = {
            "stake": offer.initial_stake,
            "cost_per_task": offer.cost_per_task,
            "max_concurrent_tasks": offer.max_concurrent_tasks,
        }
        lists = (to_json(offer.skills), to_json(offer.specializations))
        done = await self._store.integer(
            _REGISTER, offer.agent_id, owner, time.time_ns() // 1_000_000, to_json(numbers), *lists
        )
        if done == 0:
            raise AgentTaken(offer.agent_id)
        if done < 0:
            raise TreasuryEmpty

    async def get(self, agent_id: str) -> Agent | None:
        """One agent."""
        fields = await self._store.hash(f"aia:agent:{agent_id}")
        return _agent(fields) if fields else None

    async def owner(self, agent_id: str) -> str | None:
        """Whose agent it is; None when there is no such agent."""
        owner: str | None = await self._store.command("HGET", f"aia:agent:{agent_id}", "owner")
        return owner

    async def listing(self, limit: int) -> tuple[list[Agent], int]:
        """The `limit` agents that registered first, and how many there are in all."""
        found = await self._store.document(_LIST, _Listing, limit)
        rows = found.agents or []
        return [_agent(dict(zip(row[::2], row[1::2], strict=True))) for row in rows], found.total

    async def metrics(self) -> SystemMetrics:
        """The agent system in numbers."""
        return await self._store.document(_METRICS, SystemMetrics, time.time_ns() // 1_000_000)


def _agent(fields: dict[str, str]) -> Agent:
    return Agent(
        agent_id=fields["agent_id"],
        specializations=_texts(fields["specializations"]),
        skills=_texts(fields["skills"]),
        max_concurrent_tasks=int(fields["max_concurrent_tasks"]),
        cost_per_task=int(fields["cost_per_task"]),
        stake=int(fields["stake"]),
        active_tasks=int(fields["active_tasks"]),
        tasks_completed=int(fields["tasks_completed"]),
    )


def _texts(text: str) -> list[str]:
    texts: list[str] = json.loads(text)
    return texts
