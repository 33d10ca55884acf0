"""An agent worker process: takes tasks from the stream, does them, and takes over those whose worker died.

Usage, by the supervisor only: python -m target.agent_worker NAME
"""

import asyncio
import functools
import logging
import os
import random
import signal
import sys
import time

from target import defects
from target.child import report_ready
from target.settings import Secrets, Settings, from_environment
from target.store import STORE_UNAVAILABLE, WORKERS, Store
from target.tasks import Assignment, Results, Task, Tasks

_log = logging.getLogger("target.agent_worker")

_MOST_AT_ONCE = 32
_READ_WAIT_MS = 1000
_HEARTBEAT_EVERY_S = 1.0
_HEARTBEAT_VALID_S = 5.0
_CLAIM_EVERY_S = 0.5
_CLAIM_IDLE_MS = 2000
_RETRY_AFTER_S = 0.2
_STOP_LIMIT_S = 1.0


class AgentWorker:
    """One worker; `run` returns after `stop`, when what it had begun is done."""

    def __init__(self, name: str, settings: Settings, secrets: Secrets) -> None:
        self._name = name
        self._incarnation = f"{name}@{os.getpid()}"
        self._defects = defects.planted(settings.defects, seed=f"{settings.seed}/{name}")
        self._store = Store(host=settings.redis_host, port=settings.redis_port, password=secrets.redis_password)
        self._tasks = Tasks(
            self._store, retention_s=settings.task_retention_s, created_tokens=self._defects.created_tokens
        )
        self._work_ms = settings.work_ms
        self._random = random.Random(f"{settings.seed}/{name}")
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more tasks."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped."""
        if not await self._store.answers_before(self._stopping.is_set):
            return
        await self._tasks.open()
        await self._say_alive()
        report_ready()
        loops = [asyncio.create_task(loop) for loop in (self._take_tasks(), self._claim_tasks(), self._heartbeat())]
        stopped = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([*loops, stopped], return_when=asyncio.FIRST_COMPLETED)
        for loop in loops:
            loop.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=_STOP_LIMIT_S)  # the rest is for another worker
        await self._store.close()
        for ended in done:
            ended.result()  # a loop ends by itself only with an error, which must not be lost

    async def _take_tasks(self) -> None:
        while True:
            free = _MOST_AT_ONCE - len(self._under_way)
            if free == 0:
                await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)
                continue
            try:
                self._begin(await self._tasks.take(self._incarnation, most=free, wait_ms=_READ_WAIT_MS))
            except STORE_UNAVAILABLE as error:
                await self._pause(error)

    async def _claim_tasks(self) -> None:
        while True:
            await asyncio.sleep(_CLAIM_EVERY_S)
            try:
                claimed = await self._tasks.claim(self._incarnation, most=_MOST_AT_ONCE, idle_ms=_CLAIM_IDLE_MS)
            except STORE_UNAVAILABLE as error:
                await self._pause(error)
            else:
                if claimed:
                    _log.info("claimed %d tasks of a worker that died", len(claimed))
                self._begin(claimed)

    async def _heartbeat(self) -> None:
        while True:
            try:
                await self._say_alive()
            except STORE_UNAVAILABLE as error:
                _log.warning("no heartbeat: %s", error)
            await asyncio.sleep(_HEARTBEAT_EVERY_S)

    async def _say_alive(self) -> None:
        valid_until_ms = int((time.time() + _HEARTBEAT_VALID_S) * 1000)
        await self._store.command("ZADD", WORKERS, valid_until_ms, self._name)

    async def _pause(self, error: Exception) -> None:
        _log.warning("the store is unavailable: %s", error)
        await asyncio.sleep(_RETRY_AFTER_S)

    def _begin(self, assignments: list[Assignment]) -> None:
        for assignment in assignments:
            if assignment.message_id not in self._under_way:
                job = asyncio.create_task(self._do(assignment))
                self._under_way[assignment.message_id] = job
                job.add_done_callback(functools.partial(self._forget, assignment.message_id))

    def _forget(self, message_id: str, _job: asyncio.Task[None]) -> None:
        del self._under_way[message_id]

    async def _do(self, assignment: Assignment) -> None:
        """Do one task; when the store fails meanwhile, it stays pending and is claimed again later."""
        try:
            task = await self._tasks.get(assignment.task_id)
            results = await self._work(task) if task else {}
            await self._tasks.complete(assignment, results)
            if self._defects.doubles_task():
                await self._tasks.complete(assignment, results, again=True)
        except STORE_UNAVAILABLE as error:
            _log.warning("task %s is left for later: %s", assignment.task_id, error)

    async def _work(self, task: Task) -> Results:
        await asyncio.sleep(self._random.uniform(*self._work_ms) / 1000)
        return results_of(task)


def results_of(task: Task) -> Results:
    """What the simulated work on a task produces: short texts about what was asked for."""
    subject = str(task.payload.get("prompt") or task.payload.get("description") or task.payload.get("topic"))[:80]
    match task.kind:
        case "mcp":
            asked = task.payload["output_formats"]
            assert isinstance(asked, list)
            return {output: f"{output} on: {subject}" for output in asked}
        case "report":
            return {"report": f"structured report on: {subject}"}
        case _:
            return {"answer": f"done: {subject}"}


async def work(name: str, settings: Settings, secrets: Secrets) -> None:
    """Be worker `name` until SIGTERM."""
    worker = AgentWorker(name, settings, secrets)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(work(sys.argv[1], *from_environment()))
