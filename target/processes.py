"""Child processes that cannot outlive their parent, however it ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Loaded before any fork: between fork and exec a child should do next to nothing.
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str],
    *,
    log_file: Path,
    environment: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    dies_with_parent: bool = True,
) -> subprocess.Popen[bytes]:
    """Start `command`, its output appended to `log_file`; the kernel kills it when the parent ends.

    Must be called from a thread that lives as long as the process, since the kernel's death signal follows the *thread*
    that forked. Raises OSError when the program cannot be started.
    """
    parent = os.getpid()

    def ask_for_death_signal() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl, so no signal will come any more
            os._exit(1)

    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            pass_fds=pass_fds,
            start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops all in order
            preexec_fn=ask_for_death_signal if dies_with_parent else None,  # noqa: PLW1509 - the supervisor has one thread
        )


def stop_all(processes: Sequence[subprocess.Popen[bytes]], *, grace_s: float) -> None:
    """End `processes`: SIGTERM to all, SIGKILL to those still there after `grace_s` in all; every one is reaped."""
    for process in processes:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a stopped process sees SIGTERM only once it continues
    deadline = time.monotonic() + grace_s
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
    for process in processes:
        process.kill()
        process.wait()


class Backoff:
    """How long to wait before a restart: 0.2 s, doubling up to 5 s; a life of 10 s or more starts over."""

    FIRST_S, LONGEST_S, HEALTHY_LIFE_S = 0.2, 5.0, 10.0

    def __init__(self) -> None:
        self._next_s = self.FIRST_S

    def delay_s(self, lived_s: float) -> float:
        """The wait after a life of `lived_s`."""
        if lived_s >= self.HEALTHY_LIFE_S:
            self._next_s = self.FIRST_S
        delay_s, self._next_s = self._next_s, min(2 * self._next_s, self.LONGEST_S)
        return delay_s
