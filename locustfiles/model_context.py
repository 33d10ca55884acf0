"""Assistants that use AIA by the public Model Context Protocol: they look around, have reports written, err."""

from locust import task

from load.journey import NOT_FOUND, REFUSAL, TOOL_ERROR, Expect, ModelContextJourney, flow

STATUS = "/api/v1/mcp/status/{task_id}"  # where AIA's own protocol has the tasks that the tools work on
WORDS = ("bees", "lavender", "freight by rail", "Ærøskøbing", 'a "quoted" line\nand another')
# each session is one of both generations of the protocol, by the dice
OPEN = {"MCP server/discover": 0.5, "MCP initialize": 0.5, "MCP notifications/initialized": 0.5}


class ModelContext(ModelContextJourney):
    """One session per pass."""

    weight = 1
    runs_unasked = False  # not every AIA speaks the protocol

    @task(3)
    @flow(
        {
            **OPEN,
            "MCP tools/list": 1,
            "MCP tools/call echo": 1,
            "MCP tools/call list_agents": 1,
            "MCP resources/list": 1,
            "MCP resources/read aia://about": 1,
        },
        thinks=3,
    )
    def look_around(self) -> None:
        """What is there? Say something, see who works here, read what this is."""
        with self.model_context() as aia:
            aia.list_tools()
            self.think()
            text = self.random.choice(WORDS)
            aia.call_tool("echo", {"text": text}, expect=Expect(result=text))
            self.think()
            aia.call_tool("list_agents", {"limit": 10}, expect=Expect(agents=list, total=int))
            self.think()
            aia.list_resources()
            aia.read_resource("aia://about")

    @task(2)
    @flow(
        {
            **OPEN,
            "MCP tools/call process_prompt": 1,
            "MCP tools/call process_prompt first event": 1,
            "MCP tools/call task_status": 1,
            "MCP resources/read aia://tasks/{task_id}": 1,
        },
        thinks=2,
        waiting_s=0.04,
    )
    def report(self) -> None:
        """Have a report written, hear of its progress meanwhile, and read it again in two ways."""
        with self.model_context() as aia:
            prompt = {"prompt": f"Write about {self.random.choice(WORDS)}.", "output_formats": ["report"]}
            done = Expect(task_id=str, status="completed", results=dict)
            task_id = aia.call_tool("process_prompt", prompt, expect=done, progress=True).structured["task_id"]
            self.saw_completed(task_id, status=STATUS)
            self.think()
            aia.call_tool("task_status", {"task_id": task_id}, expect=Expect(task_id=task_id, status="completed"))
            self.think()
            aia.read_resource("aia://tasks/{task_id}", task_id=task_id)

    @task(1)
    @flow(
        {
            **OPEN,
            "MCP tools/call no_such_tool": 1,
            "MCP tools/call task_status": 2,
            "MCP resources/read aia://agents/{agent_id}": 1,
        },
        thinks=1,
    )
    def mistakes(self) -> None:
        """Ask for what is not there, or belongs to somebody else; each must be refused in the protocol's own way."""
        with self.model_context() as aia:
            aia.call_tool("no_such_tool", wanted=REFUSAL)
            aia.call_tool("task_status", {"task_id": "no-such-task"}, wanted=TOOL_ERROR)
            self.think()
            aia.read_resource("aia://agents/{agent_id}", agent_id="nobody", wanted=NOT_FOUND)
            self.must_not_read(aia, "task_status", status=STATUS)
