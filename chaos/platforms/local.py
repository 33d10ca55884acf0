"""The embedded target: processes of this machine, found in the target's state file and held by pidfd."""

import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from chaos.platforms.base import Means, Target
from chaos.platforms.process_handle import ProcessHandle, hold_process
from chaos.platforms.stalling import Staller, end_staller
from journal.errors import FaultRefused, TargetUnreachable
from probes.health import is_ready
from probes.redis import Ping, measure_pings
from probes.target_state import (
    RedisEndpoint,
    TargetProcess,
    TargetState,
    incarnation,
    is_supervised,
    read_target_state,
)

KIND = "local"
_READY_TIMEOUT_S = 1.0


class LocalPlatform:
    """The processes listed in one state file; it is read anew for each question."""

    def __init__(self, state_file: Path) -> None:
        self._state_file = state_file.absolute()

    def reference(self) -> dict[str, str]:
        """See `Platform`."""
        return {"kind": KIND, "state_file": str(self._state_file)}

    def environment(self) -> str:
        """See `Platform`."""
        return self._state().environment

    def base_url(self) -> str:
        """See `Platform`."""
        return self._state().url

    def exists(self) -> bool:
        """See `Platform`: the state file is there, and so is the supervisor that wrote it."""
        try:
            return is_supervised(self._state())
        except TargetUnreachable:
            return False

    def is_alive(self, target: Target) -> bool:
        """See `Platform`."""
        return _lives(target.incarnation)

    def ready_replicas(self) -> list[Target]:
        """See `Platform`: those that the supervisor calls running and whose admin port says ready."""
        replicas = [_target(process) for process in self._state().with_role("api") if _is_serving(process)]
        return sorted(replicas, key=lambda replica: replica.name)

    def store(self) -> Target:
        """See `Platform`."""
        running = [process for process in self._state().with_role("redis") if process.state == "running"]
        if not running:
            raise TargetUnreachable("Redis is not running, by the target's own account")
        return _target(running[0])

    def termination(self, targets: Sequence[Target], *, graceful: bool) -> Means:
        """See `Platform`."""
        return _Termination(targets, signal.SIGTERM if graceful else signal.SIGKILL)

    def stalling(self, target: Target, *, off_ms: float, on_ms: float) -> tuple[Means, str]:
        """See `Platform`: a process of its own that sends SIGSTOP and SIGCONT."""
        staller = Staller(target.incarnation, off_ms=off_ms, on_ms=on_ms)
        return staller, staller.name

    def stalling_goes_on(self, staller: str) -> bool:
        """See `Platform`."""
        return _lives(staller)

    def is_stopped(self, target: Target) -> bool:
        """See `Platform`."""
        handle = hold_process(target.incarnation)
        if handle is None:
            return False
        with handle:
            return handle.is_stopped()

    def end_stalling(self, target: Target, staller: str) -> None:
        """See `Platform`: the staller first, else it would stop the target again."""
        end_staller(staller)
        handle = hold_process(target.incarnation)
        if handle:
            with handle:
                handle.send(signal.SIGCONT)

    def endpoint_of_store(self) -> dict[str, str | int]:
        """See `Platform`."""
        endpoint = self._state().redis
        return {"host": endpoint.host, "port": endpoint.port, "password_file": endpoint.password_file}

    def ping_store(self, originals: Mapping[str, object], *, count: int, interval_ms: float) -> list[Ping]:
        """See `Platform`."""
        endpoint = RedisEndpoint(
            str(originals["host"]), int(str(originals["port"])), password_file=str(originals["password_file"])
        )
        return measure_pings(endpoint, count=count, interval_ms=interval_ms)

    def _state(self) -> TargetState:
        return read_target_state(self._state_file)


class _Termination:
    """Processes held and ready to be ended by a signal."""

    def __init__(self, targets: Sequence[Target], number: signal.Signals) -> None:
        self._number = number
        self._handles: list[ProcessHandle] = []
        with ExitStack() as undo:
            for target in targets:
                handle = hold_process(target.incarnation)
                if handle is None:
                    raise FaultRefused(f"{target.label} has ended since it was chosen")
                self._handles.append(undo.enter_context(handle))
            undo.pop_all()

    def apply(self, duration_s: float) -> None:  # noqa: ARG002  # an ended process stays ended
        """Sends the signal to each."""
        for handle in self._handles:
            handle.send(self._number)

    def close(self) -> None:
        """Lets go of the processes."""
        for handle in self._handles:
            handle.close()


def _lives(name: str) -> bool:
    handle = hold_process(name)
    if handle:
        handle.close()
    return handle is not None


def _is_serving(process: TargetProcess) -> bool:
    return process.state == "running" and bool(process.admin_url) and is_ready(str(process.admin_url), _READY_TIMEOUT_S)


def _target(process: TargetProcess) -> Target:
    if process.pid is None or process.started_at is None:
        raise TargetUnreachable(f"{process.name} runs, by the target's own account, but without a pid")
    return Target(process.name, incarnation(process.pid, process.started_at), f"{process.name} (pid {process.pid})")
