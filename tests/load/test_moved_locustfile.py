"""A locustfile as people have it, run by the command `locust`: it changes its base class and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.load.hostile import HostileServer, answer, serving

DOCUMENTED = re.search(
    r"```python\n(.*?)```",
    (Path(__file__).parents[2] / "docs" / "moving-a-locustfile.md").read_text(encoding="utf-8"),
    re.DOTALL,
)
OURS = "from load.client.user import HttpUser"
THEIRS = "from locust import FastHttpUser as HttpUser"


def hits(server: HostileServer, connection) -> None:
    """Every other answer finds nothing, which the locustfile counts as a failure."""
    while server.read_request(connection):
        found = b"[1]" if len(server.requests) % 2 else b"[]"
        connection.sendall(answer(b'{"hits": %s}' % found, headers="Content-Type: application/json\r\n"))


def run(folder: Path, base: str, url: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of the command, and what it says of each kind of request."""
    assert DOCUMENTED is not None
    source, replaced = re.subn(r"^from load\.client\.user.*$", base, DOCUMENTED[1], flags=re.MULTILINE)
    assert replaced == 1
    (folder / "visitor.py").write_text(source.replace("between(1, 3)", "between(0.05, 0.1)"))
    options = ["--headless", "-u", "3", "-r", "3", "-t", "3s", "--json"]
    command = [sys.executable, "-m", "locust", "-f", "visitor.py", "-H", url, *options]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.parametrize("base", [OURS, THEIRS], ids=["ours", "FastHttpUser"])
def test_the_documented_locustfile_runs_under_plain_locust_with_either_base_class(base: str, tmp_path: Path) -> None:
    with serving(hits) as server:
        code, (told,) = run(tmp_path, base, server.url)
    assert code == 1, "as Locust has it: there were failures"
    assert (told["method"], told["name"]) == ("GET", "/search")
    sent, failed = told["num_requests"], told["num_failures"]
    assert 10 < sent <= len(server.requests) <= sent + 3  # what was under way at the end is not counted by Locust
    assert abs(failed - sent / 2) <= 3
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name == "runs"] == []
