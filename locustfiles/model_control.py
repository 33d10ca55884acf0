"""People who have AIA's Model Control Protocol turn a prompt into a report, and read the result."""

from locust import task

from load.journey import NO_FOREIGN_DATA, Expect, Journey, flow

PROCESS = "/api/v1/mcp/process"
STATUS = "/api/v1/mcp/status/{task_id}"
TOPICS = ("solar power in the north", "freight by rail", "a bakery's first year", "sleep and memory")


class ModelControl(Journey):
    """Submit, ask until it is completed, read."""

    weight = 2

    @task(4)
    @flow({"POST " + PROCESS: 1, "GET " + STATUS: 2.1, "mcp request to completion": 1}, thinks=2, waiting_s=0.06)
    def report(self) -> None:
        """A prompt becomes a report and slides; the result is read once more."""
        prompt = {"prompt": f"Write about {self.random.choice(TOPICS)}.", "output_formats": ["report", "slides"]}
        self.think()
        done = self.complete("mcp request to completion", PROCESS, prompt, STATUS).body
        self.think()
        read = Expect(200, task_id=done["task_id"], status="completed", results=dict)
        self.get(STATUS, path={"task_id": done["task_id"]}, expect=read)

    @task(1)
    @flow({"GET " + STATUS: 2}, thinks=1)
    def somebody_elses_report(self) -> None:
        """What belongs to another user must stay closed, what does not exist must not be found."""
        task = self.shared.tasks.of_another(self.account, STATUS)
        if task is not None:
            example = f"{self.account.email} read task {task.id} of {task.owner.email}"
            self.must_refuse(NO_FOREIGN_DATA, "GET", STATUS, status=403, path={"task_id": task.id}, example=example)
        self.think()
        self.get(STATUS, path={"task_id": "no-such-task"}, expect=Expect(404))
