"""Keeps signals waiting while something must not be torn apart."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ASKING_FOR_THE_END = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


@contextmanager
def held_signals() -> Iterator[None]:
    """Signals that ask for the end are delivered when this is left. Processes started inside inherit the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING_FOR_THE_END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
