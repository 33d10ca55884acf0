"""The parent of all processes: starts them in order, restarts what dies, takes all down with itself."""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from target import counters, state_file, valkey_server
from target.child import Child
from target.errors import TargetError
from target.processes import stop_all
from target.settings import Secrets, Settings, to_environment

_log = logging.getLogger("target.supervisor")
_START_UP_LIMIT_S = 60.0
_STOP_GRACE_S = 4.0


class Supervisor:
    """One running target: Valkey, API replicas, agent workers; `state_file` says what runs where.

    `run` returns after SIGTERM, SIGINT, or the end of the process `parent_pid`.
    """

    def __init__(
        self, settings: Settings, secrets: Secrets, *, replicas: int, workers: int, parent_pid: int | None = None
    ) -> None:
        self._settings = settings
        self.state_file = settings.state_dir / state_file.NAME
        self._started_at_ns = time.time_ns()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._parent_pid = parent_pid
        redis_command = valkey_server.prepare(
            settings.state_dir / "redis", port=settings.redis_port, password=secrets.redis_password
        )
        self._redis_password = secrets.redis_password
        self._redis = Child("redis", "redis", redis_command, log_file=self._log_file("redis"), environment=_plain())
        environment = _plain() | to_environment(settings, secrets)
        self._others = [
            *(self._python_child("api", n, "target.api_replica", environment) for n in range(replicas)),
            *(self._python_child("worker", n, "target.agent_worker", environment) for n in range(workers)),
        ]

    def run(self, on_ready: Callable[[], None]) -> None:
        """Bring all up, call `on_ready`, keep all up until told to stop; nothing is left when this returns or raises.

        Raises TargetError when something ends, or is not ready within a minute, while starting for the first time.
        """
        self._watch_signals()
        self._watch_parent()
        try:
            self._bring_up([self._redis])
            self._bring_up(self._others)
            if not self._stopping:
                on_ready()
            while not self._stopping:
                self._step()
        finally:
            self._take_down()

    def _python_child(self, role: state_file.Role, number: int, module: str, environment: dict[str, str]) -> Child:
        name = f"{role}-{number}"
        counters_file = self._settings.counters_file(name) if role == "api" else None
        if counters_file:
            counters.create(counters_file)
        command = [sys.executable, "-P", "-m", module, name]
        return Child(
            name, role, command, log_file=self._log_file(name), environment=environment, counters_file=counters_file
        )

    def _log_file(self, name: str) -> Path:
        return self._settings.state_dir / "logs" / f"{name}.log"

    # -- what is waited for ---------------------------------------------------------------------------------------

    def _watch_signals(self) -> None:
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        self._wake = wake  # kept, or it would be closed
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._selector.register(woken, selectors.EVENT_READ, lambda: woken.recv(64))

    def _ask_to_stop(self, number: int, _frame: FrameType | None) -> None:
        _log.info("stopping, because of %s", signal.Signals(number).name)
        self._stopping = True

    def _watch_parent(self) -> None:
        if self._parent_pid is None:
            return
        try:
            parent = os.pidfd_open(self._parent_pid)
        except ProcessLookupError:
            raise TargetError(f"--parent-pid {self._parent_pid}: there is no such process", exit_code=2) from None
        self._selector.register(parent, selectors.EVENT_READ, lambda: self._stop_with_parent(parent))

    def _stop_with_parent(self, parent: int) -> None:
        _log.info("stopping, because process %s ended", self._parent_pid)
        self._selector.unregister(parent)
        self._stopping = True

    # -- one turn ---------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Wait for the next event, at most until something is due, and deal with it."""
        for key, _ in self._selector.select(self._timeout_s()):
            if self._selector.get_map().get(key.fd) is key:  # not if an event before it unregistered it
                key.data()
        now = time.monotonic()
        for child in self._children:
            if child.state == "down" and child.due_at <= now:
                self._start(child)
        if self._redis.state == "starting" and valkey_server.answers(
            port=self._settings.redis_port, password=self._redis_password
        ):
            self._redis.state = "running"
            self._write_state()

    @property
    def _children(self) -> list[Child]:
        return [self._redis, *self._others]

    def _timeout_s(self) -> float | None:
        if self._redis.state == "starting":
            return 0.02
        waits = [
            child.due_at - time.monotonic() for child in self._children if child.state == "down" and child.restarts
        ]
        return max(0.0, min(waits)) if waits else None

    def _bring_up(self, children: list[Child]) -> None:
        for child in children:
            self._start(child)
        deadline = time.monotonic() + _START_UP_LIMIT_S
        while not self._stopping and any(child.state != "running" for child in children):
            self._step()
            for child in children:
                if child.restarts or time.monotonic() > deadline:
                    how = "ended" if child.restarts else f"is not ready after {_START_UP_LIMIT_S:.0f} s"
                    raise TargetError(f"{child.name} {how} while starting; its log: {_tail(child.log_file)}")

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            raise TargetError(f"{child.name} cannot be started: {error}") from error
        self._selector.register(child.pid_fd, selectors.EVENT_READ, lambda: self._on_exit(child))
        if child.ready_fd is not None:
            self._selector.register(child.ready_fd, selectors.EVENT_READ, lambda: self._on_ready(child))
        self._write_state()

    def _on_ready(self, child: Child) -> None:
        assert child.ready_fd is not None
        self._selector.unregister(child.ready_fd)
        child.read_ready()
        self._write_state()

    def _on_exit(self, child: Child) -> None:
        self._selector.unregister(child.pid_fd)
        if child.ready_fd is not None:
            self._selector.unregister(child.ready_fd)
        code = child.reap()
        _log.warning("%s ended (%s), restart in %.1f s", child.name, code, child.due_at - time.monotonic())
        self._write_state()

    def _take_down(self) -> None:
        """Those who use Valkey first, so that they can finish; Valkey last."""
        self._stopping = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        stop_all([child.process for child in self._others if child.process], grace_s=_STOP_GRACE_S)
        stop_all([child.process for child in [self._redis] if child.process], grace_s=_STOP_GRACE_S)
        self.state_file.unlink(missing_ok=True)
        _log.info("everything is down")

    def _write_state(self) -> None:
        own = state_file.ProcessEntry(
            name="supervisor", role="supervisor", pid=os.getpid(), restarts=0, state="running"
        )
        entries = [own, *(child.entry() for child in self._children)]
        state_file.write(self.state_file, self._settings, entries, started_at_ns=self._started_at_ns)


def _plain() -> dict[str, str]:
    """The environment without anything of ours, so that Valkey and its like see no secrets they have no use for."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AIA_")}


def _tail(log_file: Path, lines: int = 5) -> str:
    text = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else ""
    return f"{log_file}\n" + "\n".join(text.splitlines()[-lines:])
