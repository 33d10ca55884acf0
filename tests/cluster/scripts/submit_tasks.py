"""In a pod: hands in tasks at AIA for some seconds, waits for all that were accepted, and prints what came of it.

Usage: URL SECONDS. A JSON line for each accepted task (who served it), then one with all results.
"""

import json
import sys
import time

import httpx

url, seconds = sys.argv[1], float(sys.argv[2])
credentials = {"email": f"submitter-{time.time_ns()}@example.org", "password": "correct horse battery"}


def completions(client: httpx.Client, task_id: str, within_s: float = 30) -> int:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        task = client.get(f"/api/v1/mcp/status/{task_id}").json()
        if task["status"] == "completed":
            return task["completions"]
        time.sleep(0.2)
    return 0


with httpx.Client(base_url=url, timeout=20) as client:
    client.post("/auth/register", json=credentials).raise_for_status()
    token = client.post("/auth/login", json=credentials).raise_for_status().json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"
    accepted, failed, servers = [], [], []
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        try:
            answer = client.post("/api/v1/mcp/process", json={"prompt": "x"})
            accepted.append(answer.raise_for_status().json()["task_id"])
            servers.append(answer.headers["x-served-by"])
            print(json.dumps(servers[-1]), flush=True)
        except httpx.HTTPError as error:
            failed.append(repr(error))
        time.sleep(0.02)
    counts = [completions(client, task_id) for task_id in accepted]
print(json.dumps({"completions": counts, "failed": failed, "servers": sorted(set(servers))}))
