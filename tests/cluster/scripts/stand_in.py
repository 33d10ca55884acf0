"""Stands in for the conductor and its master, a worker, or the reaper: ends on SIGTERM."""

import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading
import time

PORTS = (5557, 9646)


def conductor() -> None:
    """Writes into the volume, then answers on the two ports."""
    directory = pathlib.Path("/runs", os.environ["RUN_ID"])
    directory.mkdir(exist_ok=True)  # a volume that is retained may hold what an earlier test has written
    (directory / "written").write_text(os.environ["POD_UID"])
    for port in PORTS:
        listening = socket.create_server(("0.0.0.0", port))
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
    signal.pause()


def serve(listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(2)
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")


def worker(master: str) -> None:
    """Says when it has reached the master."""
    host, port = master.removeprefix("--master=").rsplit(":", 1)
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    print("reached", flush=True)
    signal.pause()


def reaper() -> None:
    """Looks alive until a file says no."""
    while True:
        if not pathlib.Path("/tmp/blind").exists():
            pathlib.Path("/tmp/alive").touch()
        time.sleep(0.5)


def leave(*_: object) -> None:
    sys.exit(130)  # as the programs do


signal.signal(signal.SIGTERM, leave)
{"conductor": conductor, "worker": worker, "reaper": reaper}[sys.argv[1]](*sys.argv[2:])
