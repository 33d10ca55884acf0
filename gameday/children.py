"""Child processes that cannot outlive the conductor: the kernel signals them when it dies, however it dies."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _tie_to_parent(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """A function for the child, between fork and exec; the second look closes the race with a parent just gone."""

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os.kill(os.getpid(), death_signal)

    return tie


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own (Ctrl-C reaches only the conductor), its output appended to `log`.

    To be called from the main thread: the kernel ties the child to the thread that started it.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=_tie_to_parent(os.getpid(), death_signal),  # noqa: PLW1509  # touches no lock of ours
        )


def spawn_piped(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own with pipes to its three standard streams.

    The kernel kills it when the thread ends that started it.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_tie_to_parent(os.getpid(), signal.SIGKILL),  # noqa: PLW1509  # touches no lock of ours
    )


def wait(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether the process ended within the time."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def end(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Asks the process to end, and ends it when it does not within the time."""
    if process.poll() is None:
        process.terminate()
        if not wait(process, patience_s):
            process.kill()
            process.wait()


@dataclass
class Children:
    """The children of one run, ended together on every way out."""

    patience_s: float = 5.0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Takes charge of a child under a name."""
        self._running[name] = process
        return process

    def __getitem__(self, name: str) -> subprocess.Popen[bytes]:
        return self._running[name]

    def pids(self) -> dict[str, int]:
        """Name → process id of those that live."""
        return {name: child.pid for name, child in self._running.items() if child.poll() is None}

    def end_all(self) -> None:
        """Asks all to end at once, waits for them together, kills the rest."""
        living = [child for child in self._running.values() if child.poll() is None]
        for child in living:
            child.terminate()
        deadline = time.monotonic() + self.patience_s
        for child in living:
            if not wait(child, max(0.0, deadline - time.monotonic())):
                child.kill()
                child.wait()

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end_all()
