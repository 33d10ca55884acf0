"""Tasks: written before they are accepted, done by agent workers from a stream, completed exactly once.

The stream's consumer group remembers who took which task; what a dead worker took is claimed by another. Completion is
one Lua script, so that a task claimed twice still completes once.
"""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from valkey.exceptions import ResponseError

from target.agent_directory import LUA_CHOOSE_AGENT
from target.ledger import LUA as LUA_LEDGER
from target.store import TASK_GROUP, TASK_STREAM, Script, Store, to_json

Kind = Literal["mcp", "agent", "process", "report"]
Status = Literal["waiting", "processing", "completed"]

LUA_WRITE_TASK = (
    LUA_CHOOSE_AGENT
    + """
local function enqueue(id) redis.call('XADD', 'aia:tasks', '*', 'task', id) end
-- task: id, kind, owner, payload (JSON text), status; agent and cost when one was chosen
local function write_task(task, now_ns, retention_s)
  local key = 'aia:task:' .. task.id
  redis.call('HSET', key, 'kind', task.kind, 'owner', task.owner, 'payload', task.payload, 'status', task.status,
    'completions', 0, 'created_at_ns', now_ns)
  redis.call('EXPIRE', key, retention_s)
  redis.call('HINCRBY', 'aia:stats', 'submitted', 1)
  if task.agent then
    redis.call('HSET', key, 'agent', task.agent, 'cost', task.cost)
    redis.call('HINCRBY', 'aia:agent:' .. task.agent, 'active_tasks', 1)
  end
end
"""
)

_SUBMIT = Script(
    LUA_WRITE_TASK
    + """
local task, wanted = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local now_ns, retention_s, queued = ARGV[3], ARGV[4], ARGV[5]
if wanted ~= cjson.null then
  local agent = choose_agent(wanted.skills, wanted.max_cost)
  if not agent then return '{"accepted":false}' end
  task.agent, task.cost = agent.id, agent.cost
end
write_task(task, now_ns, retention_s)
if queued == '1' then enqueue(task.id) end
return cjson.encode({accepted = true, agent = task.agent, cost = task.cost})
"""
)

_COMPLETE = Script(
    LUA_LEDGER
    + LUA_WRITE_TASK
    + """
local id, message, results, now_ns = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local created, again = tonumber(ARGV[5]), ARGV[6] == '1'
local key = 'aia:task:' .. id
redis.call('XACK', 'aia:tasks', 'workers', message)
redis.call('XDEL', 'aia:tasks', message)
local status = redis.call('HGET', key, 'status')
if not status or (status == 'completed' and not again) then return 0 end
redis.call('HSET', key, 'status', 'completed', 'results', results, 'completed_at_ns', now_ns)
redis.call('HINCRBY', key, 'completions', 1)
redis.call('HINCRBY', 'aia:stats', 'completed', 1)
local agent = redis.call('HGET', key, 'agent')
if agent and redis.call('EXISTS', 'aia:agent:' .. agent) == 1 then
  pay('agent:' .. agent, tonumber(redis.call('HGET', key, 'cost')), created)
  redis.call('HINCRBY', 'aia:agent:' .. agent, 'tasks_completed', 1)
  if not again then redis.call('HINCRBY', 'aia:agent:' .. agent, 'active_tasks', -1) end
end
if again then return 1 end
for _, dependent in ipairs(cjson.decode(redis.call('HGET', key, 'dependents') or '[]')) do
  local dependent_key = 'aia:task:' .. dependent
  if redis.call('HINCRBY', dependent_key, 'waits_for', -1) == 0 then
    redis.call('HSET', dependent_key, 'status', 'processing')
    enqueue(dependent)
  end
end
return 1
"""
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the agent of a task must be able to do, and may cost."""

    skills: list[str]
    max_cost: int


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What came of handing in a task: the agent that does it and is paid `cost`, if the task wanted one."""

    accepted: bool
    agent: str | None = None
    cost: int | None = None


Results = dict[str, str]
"""What a task produced, a text for each output."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as stored."""

    id: str
    kind: Kind
    owner: str
    payload: dict[str, object]
    status: Status
    completions: int
    created_at_ns: int
    completed_at_ns: int | None
    results: Results | None
    agent: str | None
    cost: int | None


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A task that a worker took from the stream: `message_id` is what it must acknowledge."""

    task_id: str
    message_id: str


def new_task_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(12)


class Tasks:
    """All of it over one store."""

    def __init__(self, store: Store, *, retention_s: int, created_tokens: int = 0) -> None:
        self._store = store
        self._retention_s = retention_s
        self._created_tokens = created_tokens

    async def open(self) -> None:
        """Make the stream and its group, unless they exist."""
        try:
            await self._store.command("XGROUP", "CREATE", TASK_STREAM, TASK_GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def submit(
        self,
        task_id: str,
        *,
        kind: Kind,
        owner: str,
        payload: object,
        wanted: Wanted | None = None,
        queued: bool = True,
    ) -> Submission:
        """Write a task and put it on the stream, both or neither (not `queued`: never done, a planted defect)."""
        task = {"id": task_id, "kind": kind, "owner": owner, "payload": to_json(payload), "status": "processing"}
        asked = {"skills": wanted.skills, "max_cost": wanted.max_cost} if wanted else None
        return await self._store.document(
            _SUBMIT, Submission, to_json(task), to_json(asked), time.time_ns(), self._retention_s, int(queued)
        )

    async def get(self, task_id: str) -> Task | None:
        """One task."""
        fields = await self._store.hash(f"aia:task:{task_id}")
        return _task(task_id, fields) if fields else None

    async def take(self, worker: str, *, most: int, wait_ms: int) -> list[Assignment]:
        """Up to `most` new tasks for `worker`, after waiting up to `wait_ms` for the first."""
        group = ("XREADGROUP", "GROUP", TASK_GROUP, worker, "COUNT", most, "BLOCK", wait_ms)
        reply = await self._store.command(*group, "STREAMS", TASK_STREAM, ">")
        return [assignment for _, messages in reply or [] for assignment in _assignments(messages)]

    async def claim(self, worker: str, *, most: int, idle_ms: int) -> list[Assignment]:
        """Up to `most` tasks that their worker took at least `idle_ms` ago and has not finished."""
        command = ("XAUTOCLAIM", TASK_STREAM, TASK_GROUP, worker, idle_ms, "0", "COUNT", most)
        reply = await self._store.command(*command)
        return _assignments(reply[1])

    async def complete(self, assignment: Assignment, results: Results, *, again: bool = False) -> bool:
        """Complete the task and pay its agent; False when it was completed (`again` ignores that, a planted defect)."""
        arguments = (assignment.task_id, assignment.message_id, to_json(results), time.time_ns())
        return bool(await self._store.integer(_COMPLETE, *arguments, self._created_tokens, int(again)))


def _assignments(messages: list[tuple[str, dict[str, str]]]) -> list[Assignment]:
    return [Assignment(task_id=fields["task"], message_id=message_id) for message_id, fields in messages]


def _task(task_id: str, fields: dict[str, str]) -> Task:
    completed_at_ns, results, cost = (fields.get(name) for name in ("completed_at_ns", "results", "cost"))
    return Task(
        id=task_id,
        kind=fields["kind"],  # type: ignore[arg-type]  # written by `submit` from a Kind
        owner=fields["owner"],
        payload=json.loads(fields["payload"]),
        status=fields["status"],  # type: ignore[arg-type]  # likewise
        completions=int(fields["completions"]),
        created_at_ns=int(fields["created_at_ns"]),
        completed_at_ns=int(completed_at_ns) if completed_at_ns else None,
        results=json.loads(results) if results else None,
        agent=fields.get("agent"),
        cost=int(cost) if cost else None,
    )
