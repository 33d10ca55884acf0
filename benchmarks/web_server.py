"""nginx with one worker: small JSON over keep-alive, a cookie with every answer, and a count of what it served."""

import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import free_port, process, tool, wait_for_port

_CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /item {{
      default_type application/json; add_header Set-Cookie "session=abc123; Path=/";
      return 200 '{{"status": "ok", "n": 1234}}';
    }}
    location = /status {{ stub_status; }}
  }}
}}
"""


class WebServer:
    """An nginx, which counts what it served."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def served(self) -> int:
        """How many requests it has answered, those for this count included."""
        with urllib.request.urlopen(f"{self.url}/status") as status:
            return int(status.read().split(b"\n")[2].split()[2])


@contextmanager
def web_server(core: int) -> Iterator[WebServer]:
    """An nginx with one worker on this core, for the length of a block."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        file = Path(folder) / "nginx.conf"
        file.write_text(_CONFIGURATION.format(folder=folder, port=port))
        with process([tool("nginx"), "-c", str(file), "-p", folder], core):
            wait_for_port(port)
            yield WebServer(port)
