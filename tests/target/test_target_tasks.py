"""Tasks of every kind: accepted, done once, shown to their owner alone."""

import pytest

PROMPT = {"prompt": "the market for bicycles", "ai_model": "aia-standard", "output_formats": ["report", "slides"]}
AGENT_TASK = {"task_type": "analysis", "description": "look", "requirements": {"skills": ["analysis"]}, "max_cost": 50}


def test_a_prompt_is_accepted_and_completed_once(user, completed):
    accepted = user.post("/api/v1/mcp/process", json=PROMPT)
    assert accepted.status_code == 202
    assert accepted.json()["status"] == "processing"
    task = completed(user, f"/api/v1/mcp/status/{accepted.json()['task_id']}")
    assert task["completions"] == 1
    assert task["results"].keys() == {"report", "slides"}
    assert task["completed_at_ns"] > task["created_at_ns"]


def test_many_prompts_have_ids_of_their_own_and_are_all_completed_once(user, completed):
    ids = {user.post("/api/v1/mcp/process", json=PROMPT).json()["task_id"] for _ in range(50)}
    assert len(ids) == 50
    assert all(completed(user, f"/api/v1/mcp/status/{task_id}")["completions"] == 1 for task_id in ids)


@pytest.mark.parametrize("change", [{"prompt": ""}, {"output_formats": []}, {"output_formats": ["film"]}])
def test_a_bad_prompt_is_refused(user, change):
    assert user.post("/api/v1/mcp/process", json=PROMPT | change).status_code == 422


def test_tasks_need_a_login(healthy):
    client = healthy.client()
    assert client.post("/api/v1/mcp/process", json=PROMPT).status_code == 401
    assert client.get("/api/v1/mcp/status/unknown").status_code == 401
    assert client.post("/mas/api/v1/agents/tasks/submit", json=AGENT_TASK).status_code == 401


def test_another_users_task_is_refused_and_an_unknown_one_is_not_found(user, other_user):
    task_id = user.post("/api/v1/mcp/process", json=PROMPT).json()["task_id"]
    assert other_user.get(f"/api/v1/mcp/status/{task_id}").status_code == 403
    assert user.get("/api/v1/mcp/status/unknown").status_code == 404


def test_a_plain_task_is_accepted_under_both_ids(user, completed):
    accepted = user.post("/process", json={"id": "mine", "description": "do it", "task_type": "dkg"})
    assert accepted.status_code == 202
    assert accepted.json()["id"] == "mine"
    assert completed(user, f"/mas/api/v1/agents/tasks/{accepted.json()['task_id']}")["completions"] == 1
    assert user.post("/process", json={"id": "x", "description": "y", "task_type": "odd"}).status_code == 422


def test_an_agent_task_names_its_agent_which_is_paid_once(user, completed):
    agent = {"agent_id": "payee", "skills": ["paid work"], "cost_per_task": 7}
    assert user.post("/mas/api/v1/agents/register", json=agent).status_code == 200
    accepted = user.post(
        "/mas/api/v1/agents/tasks/submit", json=AGENT_TASK | {"requirements": {"skills": ["paid work"]}}
    )
    assert accepted.status_code == 202
    assert (accepted.json()["assigned_agent"], accepted.json()["cost"]) == ("payee", 7)
    task = completed(user, f"/mas/api/v1/agents/tasks/{accepted.json()['task_id']}")
    assert (task["completions"], task["assigned_agent"], task["cost"]) == (1, "payee", 7)
    assert user.get("/mas/api/v1/economic/summary").json()["balances"]["agent:payee"] == 7


def test_an_agent_task_nobody_can_do_is_refused(user):
    unskilled = AGENT_TASK | {"requirements": {"skills": ["juggling"]}}
    assert user.post("/mas/api/v1/agents/tasks/submit", json=unskilled).status_code == 409
    assert user.post("/mas/api/v1/agents/tasks/submit", json=AGENT_TASK | {"max_cost": 1}).status_code == 409


def test_an_agent_is_listed_and_can_be_changed_by_its_owner_alone(user, other_user):
    agent = {"agent_id": "listed", "skills": ["a", "b"], "initial_stake": 250}
    registered = user.post("/mas/api/v1/agents/register", json=agent).json()
    assert (registered["stake"], registered["skills"]) == (250, ["a", "b"])
    assert user.post("/mas/api/v1/agents/register", json=agent | {"skills": ["c"]}).json()["skills"] == ["c"]
    assert other_user.post("/mas/api/v1/agents/register", json=agent).status_code == 409
    listing = user.get("/mas/api/v1/agents", params={"limit": 1000}).json()
    assert "listed" in [each["agent_id"] for each in listing["agents"]]
    assert listing["total"] == len(listing["agents"])


def test_the_system_metrics_count_tasks(user, completed):
    before = user.get("/mas/api/v1/agents/metrics/system").json()
    task_id = user.post("/api/v1/mcp/process", json=PROMPT).json()["task_id"]
    completed(user, f"/api/v1/mcp/status/{task_id}")
    after = user.get("/mas/api/v1/agents/metrics/system").json()
    assert after["workers"] == 2
    assert after["tasks"]["submitted"] == before["tasks"]["submitted"] + 1
    assert after["tasks"]["completed"] >= before["tasks"]["completed"] + 1


@pytest.mark.parametrize("template", ["research-report", "parallel-analysis"])
def test_the_steps_of_a_workflow_are_done_after_those_they_depend_on(user, completed, template):
    created = user.post("/mas/api/v1/workflows/create", json={"template": template, "parameters": {"year": 2030}})
    assert created.status_code == 202
    workflow = completed(user, f"/mas/api/v1/workflows/{created.json()['workflow_id']}")
    assert [step["completions"] for step in workflow["steps"]] == [1] * len(workflow["steps"])
    tasks = {step["name"]: user.get(f"/mas/api/v1/agents/tasks/{step['task_id']}").json() for step in workflow["steps"]}
    order = [
        tasks[step["name"]]["completed_at_ns"] > tasks[earlier]["completed_at_ns"]
        for step in workflow["steps"]
        for earlier in step["depends_on"]
    ]
    assert order
    assert all(order)


def test_a_workflow_is_refused_when_unknown_too_dear_or_another_users(user, other_user):
    create = "/mas/api/v1/workflows/create"
    assert user.post(create, json={"template": "unknown"}).status_code == 422
    assert user.post(create, json={"template": "research-report", "max_cost": 1}).status_code == 409
    workflow_id = user.post(create, json={"template": "research-report"}).json()["workflow_id"]
    assert other_user.get(f"/mas/api/v1/workflows/{workflow_id}").status_code == 403
    assert user.get("/mas/api/v1/workflows/unknown").status_code == 404


def test_a_report_has_results_once_it_is_completed(user, other_user, completed):
    accepted = user.post("/reports/structured", json={"topic": "bicycles", "sections": ["market"]})
    assert accepted.status_code == 202
    path = f"/reports/{accepted.json()['report_id']}"
    assert completed(user, f"{path}/status").keys() == {"report_id", "status"}
    assert "bicycles" in user.get(f"{path}/results").json()["results"]["report"]
    assert other_user.get(f"{path}/results").status_code == 403


def test_results_of_a_report_under_way_are_refused(start):
    user = start("--work-ms", "60000:60000").user()
    report_id = user.post("/reports/structured", json={"topic": "slow"}).json()["report_id"]
    assert user.get(f"/reports/{report_id}/results").status_code == 400
