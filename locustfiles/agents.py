"""People who run a crew of agents: tasks, workflows, money, votes, and a dashboard fed by a WebSocket."""

from locust import task

from load.journey import NO_FOREIGN_DATA, Expect, Journey, flow

AGENTS = "/mas/api/v1/agents"
TASK = AGENTS + "/tasks/{task_id}"
SUBMIT = AGENTS + "/tasks/submit"
CREATE = "/mas/api/v1/workflows/create"
WORKFLOW = "/mas/api/v1/workflows/{workflow_id}"
DASHBOARD = AGENTS + "/ws/frontend/{client_id}"
SKILLS = ("general", "research", "writing")


class Agents(Journey):
    """The owner of one agent, who also uses those of the house."""

    weight = 2

    @property
    def agent_id(self) -> str:
        """The agent of this user."""
        return "agent-" + self.account.email.partition("@")[0]

    @task(3)
    @flow(
        {"GET " + AGENTS: 1, "POST " + SUBMIT: 1, "GET " + TASK: 1.1, "agent task to completion": 1},
        thinks=1,
        waiting_s=0.06,
    )
    def errand(self) -> None:
        """Look who is there, give an errand, wait until it is done."""
        self.get(AGENTS, expect=Expect(200, agents=list, total=int))
        self.think()
        errand = {
            "task_type": "general",
            "description": "Sort the post.",
            "requirements": {"skills": [self.random.choice(SKILLS)]},
            "max_cost": 50,
        }
        self.complete("agent task to completion", SUBMIT, errand, TASK)

    @task(2)
    @flow(
        {"POST " + CREATE: 1, "GET " + WORKFLOW: 1.9, "workflow to completion": 1},
        thinks=1,
        waiting_s=0.1,
    )
    def workflow(self) -> None:
        """Several steps, of which some wait for others."""
        order = {"template": "research-report", "parameters": {"topic": "bees"}, "max_cost": 100}
        self.think()
        self.complete("workflow to completion", CREATE, order, WORKFLOW, id_field="workflow_id")

    @task(2)
    @flow(
        {
            "GET " + AGENTS + "/metrics/system": 1,
            "GET /mas/api/v1/economic/summary": 1,
            "POST /economic/distribute": 1,
            "GET /performance/rankings": 1,
        },
        thinks=3,
    )
    def books(self) -> None:
        """Read the figures, move a token."""
        self.get(AGENTS + "/metrics/system", expect=Expect(200, tasks=dict))
        self.think()
        self.get("/mas/api/v1/economic/summary", expect=Expect(200, total_supply=int, treasury=int, balances=dict))
        self.think()
        self.post("/economic/distribute", {"amount": 1}, expect=Expect(200, distribution_id=str, amount=1))
        self.think()
        self.get("/performance/rankings", expect=Expect(200, rankings=list))

    @task(2)
    @flow(
        {
            "POST " + AGENTS + "/register": 1,
            "POST /governance/propose": 1,
            "POST /governance/vote": 1,
            "POST /performance/record": 1,
        },
        thinks=3,
    )
    def council(self) -> None:
        """Bring the own agent up to date, propose something, vote for it, rate the agent."""
        agent = {"agent_id": self.agent_id, "specializations": ["post"], "skills": ["sorting"], "initial_stake": 10}
        self.post(AGENTS + "/register", agent, expect=Expect(200, agent_id=self.agent_id, stake=int))
        self.think()
        motion = {"title": "More bees", "description": "Plant lavender."}
        proposal = self.post("/governance/propose", motion, expect=Expect(200, proposal_id=str, status="open")).body
        self.think()
        vote = {"proposal_id": proposal["proposal_id"], "agent_id": self.agent_id, "support": True}
        self.post("/governance/vote", vote, expect=Expect(200, voting_power=int, votes=dict))
        self.think()
        score = {"agent_id": self.agent_id, "score": round(self.random.random(), 2)}
        self.post("/performance/record", score, expect=Expect(200, agent_id=self.agent_id))

    @task(2)
    @flow({"WS " + DASHBOARD: 1, "WS metrics_update": 1, "WS ping": 1}, thinks=1)
    def dashboard(self) -> None:
        """Open the live page, see figures, stay a moment."""
        client = self.account.email.partition("@")[0]
        with self.websocket(DASHBOARD, client_id=client) as page:
            page.expect("metrics_update")
            self.think()
            page.ping(f"{self.random.random():.6f}")

    @task(1)
    @flow({"GET " + TASK: 1}, thinks=0)
    def somebody_elses_errand(self) -> None:
        """What belongs to another user must stay closed."""
        foreign = self.shared.tasks.of_another(self.account, TASK)
        if foreign is not None:
            example = f"{self.account.email} read task {foreign.id} of {foreign.owner.email}"
            self.must_refuse(NO_FOREIGN_DATA, "GET", TASK, status=403, path={"task_id": foreign.id}, example=example)
