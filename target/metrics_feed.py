"""The agent system's metrics, read once a second per replica for all its front ends."""

import asyncio

from target.agent_directory import AgentDirectory, SystemMetrics, TaskCounts
from target.store import STORE_UNAVAILABLE

_EVERY_S = 1.0


class MetricsFeed:
    """`latest` is what was read last; `stale` says that the last attempt failed. `run` must be running."""

    def __init__(self, agents: AgentDirectory) -> None:
        self._agents = agents
        self.latest = SystemMetrics(agents=0, workers=0, tasks=TaskCounts(submitted=0, completed=0, queued=0))
        self.stale = True

    async def read(self) -> None:
        """Read once."""
        try:
            self.latest = await self._agents.metrics()
            self.stale = False
        except STORE_UNAVAILABLE:
            self.stale = True

    async def run(self) -> None:
        """Read once a second, for ever."""
        while True:
            await self.read()
            await asyncio.sleep(_EVERY_S)
