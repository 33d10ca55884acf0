"""Keeps the local copy of a run directory up to date through `kubectl exec`, over any number of broken connections."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, cast

from gameday.children import end
from journal.errors import GamedayError, MirrorBroken
from journal.mirror import Receiver

SENDER = ("python", "-P", "-m", "journal.mirror_sender")
SILENCE_S, PULSE_S = 10.0, 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0

Connect = Callable[[], "subprocess.Popen[bytes]"]


def receive_once(connect: Connect, receiver: Receiver, *, follow: bool, on_record: Callable[[], None]) -> list[str]:
    """One connection, until its inventory; the files that differ from it.

    Raises:
        MirrorBroken: the connection was cut, damaged, or silent for too long; what arrived is kept.
        RunDirectoryError: the copy cannot be written.
    """
    process = connect()
    pulse = _Pulse(process)
    try:
        assert process.stdin is not None
        process.stdin.write(receiver.request(follow=follow).encode())
        process.stdin.flush()
        pulse.start()

        def heard() -> None:
            pulse.heard()
            on_record()

        return list(receiver.receive(cast(BinaryIO, process.stdout), heard))
    except (MirrorBroken, BrokenPipeError) as error:
        raise MirrorBroken(_reason(process, error)) from error
    finally:
        pulse.stop()
        end(process, patience_s=0.5)
        for stream in (process.stdin, process.stdout, process.stderr):
            # what could not be flushed to a connection that is gone makes its closing fail
            with contextlib.suppress(OSError):
                cast(BinaryIO, stream).close()


class _Pulse(threading.Thread):
    """Sends signs of life to the sender, and ends the connection when there is none from it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(name="mirror-pulse", daemon=True)
        self._process = process
        self._heard_s = time.monotonic()
        self._stopping = threading.Event()

    def heard(self) -> None:
        self._heard_s = time.monotonic()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.wait(PULSE_S):
            if time.monotonic() - self._heard_s > SILENCE_S:
                self._process.kill()
                return
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()
            except (OSError, ValueError):  # the connection has ended, which its reader will notice
                return


class Mirroring:
    """Follows the run directory in a thread until stopped; use as a context manager.

    `lost_since_s` is when the connection broke, on the monotonic clock; None while it stands.
    """

    def __init__(self, connect: Connect, receiver: Receiver) -> None:
        self._connect = connect
        self._receiver = receiver
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
        self.lost_since_s: float | None = time.monotonic()
        self.reason = ""
        self.failed: GamedayError | None = None

    def __enter__(self) -> "Mirroring":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._end_connection()
        self._thread.join(SILENCE_S)

    def _follow(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                receive_once(self._connect_and_note, self._receiver, follow=True, on_record=self._note_record)
            except MirrorBroken as error:
                self.reason = str(error)
            except GamedayError as error:  # the disk is full, or the like: nothing that a new connection helps
                self.failed = error
                return
            self.lost_since_s = self.lost_since_s or time.monotonic()
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began_s > SILENCE_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            self._stopping.wait(pause_s)

    def _connect_and_note(self) -> "subprocess.Popen[bytes]":
        self._process = process = self._connect()
        if self._stopping.is_set():
            process.kill()
        return process

    def _note_record(self) -> None:
        self.lost_since_s = None

    def _end_connection(self) -> None:
        if self._process is not None:
            self._process.kill()


def _reason(process: "subprocess.Popen[bytes]", error: Exception) -> str:
    end(process, patience_s=0.5)
    said = process.stderr.read().decode(errors="replace").strip() if process.stderr is not None else ""
    lines = said.splitlines()
    return lines[-1] if lines else str(error)
