"""The target's Model Context Protocol, as the SDK's own client and plain HTTP see it, in both generations."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psutil
import pytest
from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.exceptions import MCPError

ACCEPT = {"accept": "application/json, text/event-stream"}
SESSION, STATELESS = "2025-11-25", "2026-07-28"
BOTH = pytest.mark.parametrize("mode", ["legacy", STATELESS])


def by_sdk(user: httpx.Client, mode: str, work: Callable[[Client], Awaitable[Any]]) -> Any:
    """What `work` makes of the SDK's own client, logged in as `user`."""

    async def run() -> Any:
        async with create_mcp_http_client({"authorization": user.headers["authorization"]}) as http:
            transport = streamable_http_client(f"{user.base_url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await work(client)

    return asyncio.run(run())


def call(user: httpx.Client, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
    return user.post("/mcp", json=body, headers={**ACCEPT, **headers})


def stateless(user: httpx.Client, tool: str, arguments: dict[str, Any], **meta: Any) -> httpx.Response:
    known = {"io.modelcontextprotocol/protocolVersion": STATELESS, "io.modelcontextprotocol/clientCapabilities": {}}
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": tool}
    params = {"name": tool, "arguments": arguments, "_meta": {**known, **meta}}
    return call(user, "tools/call", params, **headers)


def open_session(user: httpx.Client) -> httpx.Response:
    client = {"protocolVersion": SESSION, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return call(user, "initialize", client)


@BOTH
def test_its_tools_answer_as_the_rest_of_the_api_does(user, mode):
    async def work(client: Client) -> None:
        assert (await client.call_tool("echo", {"text": "bees"})).structured_content == {"result": "bees"}
        agents = await client.call_tool("list_agents", {"limit": 2})
        assert agents.structured_content["agents"][0]["agent_id"] == "aia-generalist"
        accepted = (await client.call_tool("submit_prompt", {"prompt": "bees"})).structured_content
        task = (await client.call_tool("task_status", {"task_id": accepted["task_id"]})).structured_content
        assert task == {**user.get(f"/api/v1/mcp/status/{task['task_id']}").json(), **task}

    by_sdk(user, mode, work)


@BOTH
def test_a_prompt_is_processed_with_progress_told_on_the_way(user, mode):
    told: list[float] = []

    async def listen(progress: float, _total: float | None, _message: str | None) -> None:
        told.append(progress)

    async def work(client: Client) -> dict[str, Any]:
        wanted = {"prompt": "bees", "output_formats": ["report"]}
        done = await client.call_tool("process_prompt", wanted, progress_callback=listen)
        return done.structured_content

    task = by_sdk(user, mode, work)
    assert (task["status"], task["completions"], task["results"].keys()) == ("completed", 1, {"report"})
    assert told == [1, 2]


@BOTH
def test_its_resources_are_listed_and_read(user, mode):
    async def work(client: Client) -> None:
        assert [str(known.uri) for known in (await client.list_resources()).resources] == ["aia://about"]
        about = (await client.read_resource("aia://about")).contents[0]
        assert json.loads(about.text)["name"] == "AIA"
        agent = (await client.read_resource("aia://agents/aia-writer")).contents[0]
        assert json.loads(agent.text)["skills"] == ["writing", "design"]
        for unknown in ("aia://agents/nobody", "aia://tasks/nothing"):
            with pytest.raises(MCPError, match="there is no"):
                await client.read_resource(unknown)

    by_sdk(user, mode, work)


@BOTH
def test_what_a_tool_cannot_do_is_told_as_its_error(user, other_user, mode):
    task_id = other_user.post("/api/v1/mcp/process", json={"prompt": "x"}).json()["task_id"]

    async def work(client: Client) -> list[str]:
        asked = [
            ("task_status", {"task_id": "no"}),
            ("task_status", {"task_id": task_id}),
            ("echo", {}),
            ("juggle", {}),
        ]
        answers = [await client.call_tool(tool, arguments) for tool, arguments in asked]
        assert [answer.is_error for answer in answers] == [True] * 4
        return [answer.content[0].text for answer in answers]

    unknown, foreign, wrong, no_tool = by_sdk(user, mode, work)
    assert "there is no such task" in unknown
    assert "another user's" in foreign
    assert "Field required" in wrong
    assert "Unknown tool" in no_tool


def test_it_needs_a_login_and_counts_against_its_limit(start):
    target = start("--rate-limit-per-hour", "3")
    assert call(target.client(), "ping").status_code == 401
    assert call(target.client("nonsense"), "ping").status_code == 401
    answers = [stateless(target_user, "echo", {"text": "x"}) for target_user in [target.user()] for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]


def test_pages_of_other_sites_are_kept_out(user):
    assert call(user, "ping", origin="http://evil.example").status_code == 403
    assert stateless(user, "echo", {"text": "x"}).status_code == 200
    own = str(user.base_url).rstrip("/")
    assert open_session(user).status_code == 200
    assert user.post("/mcp", json={}, headers={**ACCEPT, "origin": own}).status_code == 400


def test_the_handshake_gets_no_session_and_any_replica_answers_what_follows(user):
    assert "mcp-session-id" not in open_session(user).headers
    served_by = set()
    for _ in range(30):
        with httpx.Client(base_url=user.base_url, headers=user.headers) as client:
            answer = call(client, "tools/list", **{"mcp-protocol-version": SESSION})
        assert answers_of(answer)[0]["result"]["tools"]
        served_by.add(answer.headers["x-served-by"])
    assert len(served_by) == 2


def test_a_session_belongs_to_its_user_and_ends_when_it_is_deleted(start):
    target = start("--defect", "mcp-sessions")
    user = target.user()
    session = {"mcp-session-id": open_session(user).headers["mcp-session-id"], "mcp-protocol-version": SESSION}
    assert call(user, "ping", **session).status_code == 200
    assert call(target.user(), "ping", **session).status_code == 404
    assert user.request("DELETE", "/mcp", headers=session).status_code == 200
    assert call(user, "ping", **session).status_code == 404


def test_a_session_ends_with_its_replica_while_the_stateless_version_goes_on(start, wait_until):
    target = start("--defect", "mcp-sessions")
    user = target.user()
    session = {"mcp-session-id": open_session(user).headers["mcp-session-id"], "mcp-protocol-version": SESSION}
    killed = target.entry("api-0")["pid"]
    psutil.Process(killed).kill()
    wait_until(lambda: target.entry("api-0")["state"] == "running" and target.entry("api-0")["pid"] != killed)
    with target.client(user.tokens["access_token"]) as fresh:
        assert call(fresh, "ping", **session).status_code == 404
        assert stateless(fresh, "echo", {"text": "x"}).status_code == 200


def test_its_answers_carry_the_marks_of_all_others_and_are_measured(start, wait_until):
    user = start().user()
    answer = stateless(user, "echo", {"text": "x"})
    assert answer.headers["x-served-by"].startswith("api-0@")
    assert answer.headers["x-content-type-options"] == "nosniff"
    counted = 'http_requests_total{method="POST",route="/mcp",status="200"} 1.0'
    wait_until(lambda: counted in user.get("/metrics").text)  # a moment after the answer has been sent


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0", "id": null, "method": 5}'])
def test_bodies_that_are_no_request_are_refused(user, body):
    for version in (SESSION, STATELESS):
        headers = {**ACCEPT, "content-type": "application/json", "mcp-protocol-version": version}
        assert user.post("/mcp", content=body, headers=headers).status_code == 400


def test_a_body_that_is_too_large_is_refused(user):
    assert stateless(user, "echo", {"text": "x" * 70_000}).status_code == 413


def answers_of(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize("progress", [{}, {"progressToken": "p"}], ids=["json", "events"])
def test_a_wrong_id_is_planted_in_its_share_of_the_answers(start, progress):
    user = start("--defect", "mcp-wrong-id:50").user()
    responses = [stateless(user, "process_prompt", {"prompt": "x"}, **progress) for _ in range(6)]
    assert {"text/event-stream" in response.headers["content-type"] for response in responses} == {bool(progress)}
    ids = [answers_of(response)[-1]["id"] for response in responses]
    assert sorted(map(str, ids)) == ["7"] * 3 + ["not-7"] * 3


def test_a_result_is_left_out_in_its_share_of_the_answers(start):
    user = start("--defect", "mcp-no-result:25").user()
    answers = [answers_of(stateless(user, "echo", {"text": "x"}))[-1] for _ in range(8)]
    assert sum("result" not in answer for answer in answers) == 2
    assert all("result" in answer for answer in answers_of(open_session(user)))
