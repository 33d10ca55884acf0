"""What survives when parts of the target are killed."""

import concurrent.futures
import signal
import struct
import threading
import time
from pathlib import Path

import httpx
import psutil


def load_counts(target, name: str) -> tuple[int, int]:
    numbers = struct.unpack("<8Q", Path(target.entry(name)["counters"]).read_bytes())
    return numbers[0], numbers[1]


def test_a_task_whose_worker_was_killed_is_done_once_by_another(start, wait_until, completed):
    target = start("--workers", "2", "--work-ms", "700:700")
    user = target.user()
    ids = [user.post("/api/v1/mcp/process", json={"prompt": "x"}).json()["task_id"] for _ in range(12)]
    victim = target.entry("worker-0")["pid"]
    psutil.Process(victim).kill()
    tasks = [completed(user, f"/api/v1/mcp/status/{task_id}") for task_id in ids]
    assert [task["completions"] for task in tasks] == [1] * 12
    took_over = [task for task in tasks if task["completed_at_ns"] - task["created_at_ns"] > 2_000_000_000]
    assert took_over, "the killed worker had taken no task"
    wait_until(lambda: target.entry("worker-0")["pid"] not in {None, victim})


def test_a_killed_replica_is_restarted_and_goes_on_counting(start, wait_until):
    target = start()
    for _ in range(5):
        httpx.get(f"{target.url}/ready", headers={"x-gameday-run": "r"})
    wait_until(lambda: load_counts(target, "api-0") == (5, 5))
    before = target.entry("api-0")
    psutil.Process(before["pid"]).kill()
    wait_until(lambda: target.entry("api-0")["restarts"] == 1 and target.entry("api-0")["state"] == "running")
    after = target.entry("api-0")
    assert after["pid"] != before["pid"]
    assert after["started_at"] > before["started_at"]
    answer = httpx.get(f"{target.url}/ready", headers={"x-gameday-run": "r"})
    assert answer.headers["x-served-by"] == f"api-0@{after['pid']}"
    wait_until(lambda: load_counts(target, "api-0") == (6, 6))


def test_a_request_in_flight_at_the_kill_was_started_but_never_finished(start, wait_until):
    target = start("--defect", "slow:GET:/auth/me:60000:100")
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        cut = threads.submit(httpx.get, f"{target.url}/auth/me", headers={"x-gameday-run": "r"}, timeout=30)
        wait_until(lambda: load_counts(target, "api-0") == (1, 0))
        psutil.Process(target.entry("api-0")["pid"]).kill()
        assert isinstance(cut.exception(), httpx.TransportError)
    assert load_counts(target, "api-0") == (1, 0)


def test_a_replica_that_keeps_dying_is_restarted_ever_later(start, wait_until):
    target = start()
    waits = []
    for restarts in range(1, 4):
        psutil.Process(target.entry("api-0")["pid"]).kill()
        killed_at = time.monotonic()
        wait_until(lambda n=restarts: target.entry("api-0")["restarts"] == n and target.entry("api-0")["pid"])
        waits.append(time.monotonic() - killed_at)
        wait_until(lambda: target.entry("api-0")["state"] == "running")
    assert all(wait >= least for wait, least in zip(waits, (0.2, 0.4, 0.8), strict=True))


def test_accepted_tasks_and_tokens_survive_a_kill_of_redis(start, wait_until, completed):
    target = start()
    user = target.user()
    accepted: list[str] = []
    killed = threading.Event()

    def submit_all() -> None:
        while not (killed.is_set() and user.get("/ready").status_code == 200 and len(accepted) > 40):
            answer = user.post("/api/v1/mcp/process", json={"prompt": "x"})
            if answer.status_code == 202:
                accepted.append(answer.json()["task_id"])
            user.post("/economic/distribute", json={"amount": 3})

    submitter = threading.Thread(target=submit_all)
    submitter.start()
    wait_until(lambda: len(accepted) > 20)
    psutil.Process(target.entry("redis")["pid"]).kill()
    killed.set()
    submitter.join()
    wait_until(lambda: target.entry("redis")["state"] == "running")
    tasks = [completed(user, f"/api/v1/mcp/status/{task_id}") for task_id in accepted]
    assert {task["completions"] for task in tasks} == {1}
    summary = user.get("/mas/api/v1/economic/summary").json()
    assert summary["treasury"] + summary["staked"] + sum(summary["balances"].values()) == summary["total_supply"]


def test_a_replica_told_to_end_finishes_what_it_is_doing(start, wait_until):
    target = start("--defect", "slow:GET:/:500:100")
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        asked = threads.submit(httpx.get, f"{target.url}/", headers={"x-gameday-run": "r"}, timeout=30)
        wait_until(lambda: load_counts(target, "api-0") == (1, 0))
        psutil.Process(target.entry("api-0")["pid"]).send_signal(signal.SIGTERM)
        assert asked.result().status_code == 200


def test_a_replica_killed_while_it_starts_is_started_again(start, wait_until):
    target = start("--replicas", "2")
    seen = {target.entry("api-0")["pid"]}
    for _ in range(3):
        psutil.Process(target.entry("api-0")["pid"]).kill()
        seen.add(wait_until(lambda: target.entry("api-0")["pid"] not in {None, *seen} and target.entry("api-0")["pid"]))
    wait_until(lambda: target.entry("api-0")["state"] == "running")
    assert target.entry("api-0")["restarts"] == 3
    assert target.entry("api-1")["restarts"] == 0
