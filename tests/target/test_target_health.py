"""What the target says of itself: health, metrics, headers, counters, state file."""

import json
import struct
import time
from pathlib import Path

import httpx
import psutil


def counts(target) -> dict[str, int]:
    names = ("load_started", "load_finished", "other_started", "other_finished", "websocket_opened", "websocket_closed")
    files = [Path(entry["counters"]) for entry in target.state()["processes"] if entry["role"] == "api"]
    numbers = [struct.unpack("<8Q", file.read_bytes()) for file in files]
    return {name: sum(each[index] for each in numbers) for index, name in enumerate(names)}


def test_the_root_answers_json_or_a_page_for_browsers(healthy):
    client = healthy.client()
    assert client.get("/").json().keys() == {"message", "version", "status"}
    page = client.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>AIA</h1>" in page.text


def test_health_shows_the_state_of_the_parts(healthy):
    health = healthy.client().get("/health").json()
    assert health["status"] == "healthy"
    assert health["components"]["redis"]["latency_ms"] > 0
    assert health["components"]["agents"] == {"status": "healthy", "workers": 2}


def test_it_is_ready_and_describes_its_api(healthy):
    assert healthy.client().get("/ready").json() == {"status": "ready"}
    assert "/api/v1/mcp/process" in healthy.client().get("/openapi.json").json()["paths"]


def test_metrics_name_routes_without_ids(healthy, user):
    user.get("/api/v1/mcp/status/an-id-of-mine")
    text = user.get("/metrics").text
    assert 'route="/api/v1/mcp/status/{task_id}"' in text
    assert "an-id-of-mine" not in text
    assert "process_resident_memory_bytes" in text


def test_every_answer_names_its_replica_and_carries_security_headers(healthy, user):
    pids = {f"{entry['name']}@{entry['pid']}" for entry in healthy.state()["processes"] if entry["role"] == "api"}
    for answer in (user.get("/"), user.get("/unknown"), user.get("/auth/me"), healthy.client().get("/auth/me")):
        assert answer.headers["x-served-by"] in pids
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_new_connections_reach_every_replica(healthy):
    served = {healthy.client().get("/ready").headers["x-served-by"].split("@")[0] for _ in range(40)}
    assert served == {"api-0", "api-1"}


def test_requests_of_a_run_are_counted_apart_from_others(healthy, wait_until):
    before = counts(healthy)
    with healthy.client() as client:
        for _ in range(7):
            client.get("/ready", headers={"x-gameday-run": "r1"})
        for _ in range(3):
            client.get("/unknown")
    wait_until(lambda: counts(healthy)["load_finished"] == before["load_finished"] + 7)
    after = counts(healthy)
    assert after["load_started"] - before["load_started"] == 7
    assert after["other_started"] - before["other_started"] == after["other_finished"] - before["other_finished"] == 3


def test_the_admin_port_of_a_replica_tells_what_it_counted(healthy):
    entry = healthy.entry("api-0")
    assert httpx.get(f"{entry['admin_url']}/ready").json() == {"status": "ready"}
    counted = httpx.get(f"{entry['admin_url']}/counters").json()
    assert tuple(counted.values()) == struct.unpack("<8Q", Path(entry["counters"]).read_bytes())
    assert "http_requests_total" in httpx.get(f"{entry['admin_url']}/metrics").text
    assert httpx.get(f"{entry['admin_url']}/unknown").status_code == 404


def test_the_state_file_names_every_process_by_pid_and_start(healthy):
    state = healthy.state()
    assert state["schema"] == "aia-target/state/1"
    assert state["url"] == healthy.url
    assert state["environment"] == "embedded"
    names = [entry["name"] for entry in state["processes"]]
    assert names == ["supervisor", "redis", "api-0", "api-1", "worker-0", "worker-1"]
    for entry in state["processes"]:
        assert psutil.Process(entry["pid"]).create_time() == entry["started_at"]
        assert entry["state"] == "running"


def test_no_secret_is_in_any_command_line_and_secret_files_are_private(healthy):
    folder = healthy.state_file.parent
    files = [folder / "redis-password", folder / "client-credentials", folder / "redis" / "valkey.conf"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    secrets = [files[0].read_text(), files[1].read_text().split()[1]]
    commands = json.dumps([process.cmdline() for process in healthy.children()])
    assert not any(secret in commands for secret in secrets)


def test_health_is_unhealthy_and_calls_answer_503_while_redis_is_down(start, wait_until):
    target = start()
    user = target.user()
    redis = target.entry("redis")
    down = []

    def seen_down() -> bool:
        psutil.Process(wait_until(lambda: target.entry("redis")["pid"])).kill()
        down.append((user.get("/health"), user.get("/auth/me")))
        return [answer.status_code for answer in down[-1]] == [503, 503]

    wait_until(seen_down)
    assert down[-1][0].json()["status"] == "unhealthy"
    assert "Redis" in down[-1][1].json()["detail"]
    wait_until(lambda: user.get("/auth/me").status_code == 200)
    assert target.entry("redis")["pid"] != redis["pid"]


def test_a_throttled_redis_slows_requests_down_and_fails_none(start):
    target = start()
    user = target.user()
    redis = psutil.Process(target.entry("redis")["pid"])
    codes = []
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        redis.suspend()
        time.sleep(0.1)
        redis.resume()
        codes += [user.post("/api/v1/mcp/process", json={"prompt": "x"}).status_code]
    assert set(codes) == {202}


def test_a_redis_that_hangs_is_told_in_time(start):
    target = start()
    user = target.user()
    redis = psutil.Process(target.entry("redis")["pid"])
    redis.suspend()
    began = time.monotonic()
    health = user.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["components"]["redis"]["status"] == "slow"
    refused = user.get("/auth/me")
    waited_s = time.monotonic() - began
    redis.resume()
    assert refused.status_code == 503
    assert "Redis" in refused.json()["detail"]
    assert waited_s < 9  # 1 s for health, 5 s for the call, and some for a busy machine
    assert user.get("/auth/me").status_code == 200


def test_health_is_degraded_while_no_worker_lives(start):
    target = start("--workers", "0")
    user = target.user()
    assert user.get("/health").json()["status"] == "degraded"
    refused = user.post("/process", json={"id": "a", "description": "b", "task_type": "general"})
    assert refused.status_code == 503
