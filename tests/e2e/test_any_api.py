"""A whole run against an API that has nothing of AIA: no accounts, no tokens, no invariants, no /ready."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from analysis.verdict import read_verdict
from tests.e2e.harness import gameday

PASSWORD = "the-password-of-the-shop"
PLAN = """\
name: shopping
seed: 3
load:
  stages: [{users: 8, spawn_rate_per_s: 20, duration_s: 6}]
  warm_up_s: 1
  workers: 2
  think_time: {min_s: 0.01, max_s: 0.05}
gates: {required: [latency, availability, invariants, faults]}
"""


class Shop(ThreadingHTTPServer):
    """The API of the example in docs/any-api.md, which counts what it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.loads = 0
        self.numbers = count(1)
        self.lock = threading.Lock()
        self.broken = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        path = self.path.partition("?")[0]
        template = f"{self.command} {re.sub('/(o|i)-[0-9]+', '/X', path)}"
        with self.server.lock:
            self.server.asked[template] += 1
            self.server.loads += self.headers.get("x-gameday-run") is not None
        known = self.headers.get("authorization") == "Bearer let-me-in"
        match template:
            case "GET /healthz":
                self.answer(200, {})
            case "POST /login" if body["password"] == PASSWORD:
                self.answer(200, {"access_token": "let-me-in"})
            case "GET /items":
                self.answer(200, {"total": 2, "items": [{"id": "i-1"}, {"id": "i-2"}]})
            case "GET /items/X":
                self.answer(200, {"id": self.server.broken or path.rpartition("/")[2]})
            case "POST /orders" if known and body["item"] in {"i-1", "i-2"}:
                self.answer(201, {}, location=f"/orders/o-{next(self.server.numbers)}")
            case "GET /orders/X" if known:
                self.answer(200, {"state": "open"})
            case "DELETE /orders/X" if known:
                self.answer(200, {})
            case _:
                self.answer(404, {"detail": f"no {template}"})

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815  # as the library wants them


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def write(folder: Path, shop: Shop) -> None:
    page = (Path(__file__).parents[2] / "docs" / "any-api.md").read_text(encoding="utf-8")
    (profile,) = re.findall(r"^```yaml\n(# profile\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    quick = re.sub(r"think_time: {[^}]*}", "think_time: {min_s: 0.01, max_s: 0.05}", profile)
    (folder / "profile.yaml").write_text(quick.replace("127.0.0.1:8000", f"127.0.0.1:{shop.server_port}"))
    (folder / "plan.yaml").write_text(PLAN)


def test_the_documented_profile_loads_an_api_that_is_not_aia(shop, tmp_path, ledger, monkeypatch):
    write(tmp_path, shop)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    options = ("plan.yaml", "--profile", "profile.yaml")
    checked = gameday("check", *options, cwd=tmp_path, ledger=ledger)
    assert "journeys  browse × 3, buy × 1" in checked.stdout, checked.stderr
    assert shop.asked == {}
    done = gameday("run", *options, "--plain", "--out", "run", cwd=tmp_path, ledger=ledger)
    verdict = read_verdict(tmp_path / "run" / "verdict.json")

    assert done.returncode == verdict.exit_code, done.stdout + done.stderr
    assert {endpoint.name for endpoint in verdict.endpoints} == {
        "GET /items",
        "GET /items/{item}",
        "POST /orders",
        "GET /orders/{order}",
        "DELETE /orders/{order}",
    }
    assert set(shop.asked) == {
        "GET /healthz", "POST /login", "GET /items", "GET /items/X", "POST /orders", "GET /orders/X", "DELETE /orders/X"
    }  # fmt: skip
    assert (verdict.accounts.sent, verdict.accounts.lost) == (shop.loads, 0)
    assert verdict.invariants == ()
    assert {outcome for endpoint in verdict.endpoints for outcome in endpoint.outside.outcomes} == {"ok"}
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []


def test_an_answer_that_the_profile_does_not_expect_is_wrong_and_names_what_came(shop, tmp_path, ledger, monkeypatch):
    write(tmp_path, shop)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    shop.broken = "always-this"
    options = ("plan.yaml", "--profile", "profile.yaml", "--plain", "--out", "run")
    done = gameday("run", *options, cwd=tmp_path, ledger=ledger)
    endpoints = {endpoint.name: endpoint for endpoint in read_verdict(tmp_path / "run" / "verdict.json").endpoints}
    assert set(endpoints["GET /items/{item}"].outside.outcomes) == {"wrong answer"}, done.stdout + done.stderr
    failures = (tmp_path / "run" / "failures.jsonl").read_text()
    assert re.search(r"/id is 'always-this', not 'i-[12]'", failures)


def test_a_secret_that_is_not_set_is_named_before_anything_is_sent(shop, tmp_path, ledger, monkeypatch):
    write(tmp_path, shop)
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    done = gameday("run", "plan.yaml", "--profile", "profile.yaml", "--out", "run", cwd=tmp_path, ledger=ledger)
    assert done.returncode == 2
    assert "profile: secrets: SHOP_PASSWORD: is not set" in done.stderr
    assert shop.asked == {}
    assert not (tmp_path / "run").exists()
