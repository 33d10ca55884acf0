"""An API server of the test's own on loopback: it answers by a script, is silent, or hangs up."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TOKEN = "s3cret-token-of-the-test"


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer; a body that is no text is sent as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class HangUp(Exception):
    """Raised by a script: the connection ends without an answer."""


class Silence(Exception):
    """Raised by a script: no answer comes, and the connection stays open until the server ends."""


Script = Callable[[Asked], Reply]


@dataclass
class ApiServer:
    """Where the server is and what it was asked; `script` may be changed while it runs."""

    url: str
    script: Script
    asked: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def api_server(script: Script, certificate: tuple[Path, Path] | None = None) -> Iterator[ApiServer]:
    """A server for the length of a with block; with a certificate and its key it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with suppress(ConnectionError, ssl.SSLError):
                super().handle_one_request()
                return
            self.close_connection = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            server.asked.append(asked)
            try:
                reply = server.script(asked)
            except HangUp:
                self.close_connection = True
                return
            except Silence:
                server.ended.wait()
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  # the names that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as httpd:
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            httpd.tls, scheme = context, "https"
        server = ApiServer(f"{scheme}://127.0.0.1:{httpd.server_port}", script)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            httpd.shutdown()
            thread.join()


class Listener(ThreadingHTTPServer):
    tls: ssl.SSLContext | None = None
    daemon_threads = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (ssl.SSLError, ConnectionError):
                return
        super().finish_request(request, client_address)


def write_kubeconfig(path: Path, url: str, *, ca: Path | None = None, token: str = TOKEN) -> Path:
    """A kubeconfig for one server."""
    cluster: dict[str, str] = {"server": url, **({"certificate-authority": str(ca)} if ca else {})}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(content))
    return path


@contextmanager
def silent_address() -> Iterator[str]:
    """A port that takes connections and never says a word, as a stopped server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def in_turn(*replies: Reply | type[Exception]) -> Callable[[Asked], Reply]:
    """A script of one reply after the other; the last one stays."""
    waiting = list(replies)

    def script(_: Asked) -> Reply:
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(reply, Reply):
            return reply
        raise reply

    return script


needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test"]
    command += ["-addext", f"subjectAltName=IP:{address}", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    folder.mkdir()
    paths = folder / "certificate", folder / "key"
    subprocess.run([*command, "-out", str(paths[0]), "-keyout", str(paths[1])], check=True, capture_output=True)
    return paths
