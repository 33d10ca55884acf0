"""Each planted defect shows, and only as it should."""

import time

import psutil
import pytest

PROMPT = {"prompt": "x", "output_formats": ["report"]}
AGENT_TASK = {"task_type": "general", "description": "x", "requirements": {"skills": ["general"]}, "max_cost": 50}


def held(client) -> int:
    summary = client.get("/mas/api/v1/economic/summary").json()
    return summary["treasury"] + summary["staked"] + sum(summary["balances"].values()) - summary["total_supply"]


def submit(client, number: int) -> list[str]:
    """Status paths of as many MCP tasks as agent tasks."""
    paths = []
    for _ in range(number):
        prompt = client.post("/api/v1/mcp/process", json=PROMPT)
        task = client.post("/mas/api/v1/agents/tasks/submit", json=AGENT_TASK)
        assert (prompt.status_code, task.status_code) == (202, 202)
        paths.append(f"/api/v1/mcp/status/{prompt.json()['task_id']}")
        paths.append(f"/mas/api/v1/agents/tasks/{task.json()['task_id']}")
    return paths


def test_a_slow_path_is_slow_for_its_share_and_no_other_path_is(start):
    user = start("--defect", "slow:POST:/api/v1/mcp/process:300:20").user()

    def slow(method: str, path: str) -> bool:
        began = time.monotonic()
        user.request(method, path, json=PROMPT if method == "POST" else None)
        return time.monotonic() - began >= 0.3

    assert sum(slow("POST", "/api/v1/mcp/process") for _ in range(20)) == 4
    assert not any(slow("GET", "/api/v1/mcp/status/unknown") for _ in range(20))


def test_a_slow_path_with_a_placeholder_matches_every_id(start):
    user = start("--defect", "slow:GET:/api/v1/mcp/status/{task_id}:300:100").user()
    began = time.monotonic()
    user.get("/api/v1/mcp/status/unknown")
    assert time.monotonic() - began >= 0.3


def test_a_leak_grows_with_each_request(start):
    target = start("--defect", "leak:256")
    replica = psutil.Process(target.entry("api-0")["pid"])
    client = target.client()
    client.get("/ready")
    before = replica.memory_info().rss
    for _ in range(100):
        client.get("/ready")
    assert replica.memory_info().rss - before >= 100 * 256 * 1024


def test_lost_tasks_are_accepted_and_never_done(start, wait_until):
    user = start("--defect", "lost-task:50").user()
    paths = submit(user, 10)

    def progress() -> list[int]:
        return [user.get(path).json()["completions"] for path in paths]

    wait_until(lambda: sum(progress()) == 10)
    wait_until(lambda: user.get("/mas/api/v1/agents/metrics/system").json()["tasks"]["queued"] == 0)
    assert sorted(progress()) == [0] * 10 + [1] * 10


def test_doubled_tasks_are_completed_and_paid_twice(start, wait_until):
    user = start("--defect", "doubled-task:25").user()
    paths = submit(user, 20)
    wait_until(lambda: sorted(user.get(path).json()["completions"] for path in paths) == [1] * 30 + [2] * 10)
    assert held(user) == 0


def test_an_unsound_ledger_creates_a_token_with_each_payment_and_distribution(start, completed):
    user = start("--defect", "ledger").user()
    assert held(user) == 0
    user.post("/economic/distribute", json={"amount": 100, "recipients": ["aia-writer", "aia-generalist"]})
    assert held(user) == 1
    for path in submit(user, 1):
        completed(user, path)
    assert held(user) == 2


def test_another_users_task_is_readable_with_the_defect(start):
    target = start("--defect", "foreign-task")
    for path in submit(target.user(), 1):
        assert target.user().get(path).status_code == 200


@pytest.mark.parametrize("percent", [10, 50])
def test_errors_come_in_the_given_share_except_where_probes_look(start, percent):
    client = start("--defect", f"errors:{percent}").client()
    codes = [client.get("/").status_code for _ in range(100)]
    assert codes.count(500) == percent
    assert {client.get(path).status_code for path in ("/health", "/ready", "/metrics") * 20} == {200}


def test_any_password_logs_in_but_only_to_accounts_that_exist(start):
    target = start("--defect", "any-password")
    email = target.user().email
    assert target.client().post("/auth/login", json={"email": email, "password": "wrong"}).status_code == 200
    unknown = {"email": "unknown@example.org", "password": "wrong"}
    assert target.client().post("/auth/login", json=unknown).status_code == 401


def test_defects_are_named_in_the_state_file(start):
    assert start("--defect", "ledger", "--defect", "leak:64").state()["defects"] == ["ledger", "leak:64"]
