"""Lets the API server of a cluster of our own stand still."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

API_SERVER_PID = "GAMEDAY_TEST_APISERVER_PID"


@contextmanager
def stopped_api_server() -> Iterator[None]:
    """Stops the process that a file names, where the tests are told of one; a cluster of others is left alone."""
    file = os.environ.get(API_SERVER_PID)
    if not file:
        pytest.skip(f"{API_SERVER_PID} names no file with the API server's process id")
    pid = int(Path(file).read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
