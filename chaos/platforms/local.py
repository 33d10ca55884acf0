"""The embedded target: processes of this machine, found in the target's state file and held by pidfd."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from chaos.finding import POLL_S, Evidence, Finding
from chaos.platforms.base import Delay, Means, Originals, Target, Throttle
from chaos.platforms.process_handle import ProcessHandle, hold_process
from chaos.platforms.stalling import Staller, end_staller
from journal.errors import FaultRefused, TargetUnreachable
from probes.health import is_ready
from probes.redis import Ping, PingSeries, measure_series
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
_FORCED_END_S, _GRACEFUL_END_S = 2.0, 15.0
_PINGS_PER_CYCLE, _CYCLES = 20, 3


class LocalPlatform:
    """The processes listed in one state file; it is read anew for each question."""

    poll_s = POLL_S
    settle_s = 0.0

    def __init__(self, state_file: Path) -> None:
        self._state_file = state_file.absolute()

    def reference(self) -> dict[str, str]:
        """See `Platform`."""
        return {"kind": KIND, "state_file": str(self._state_file)}

    def environment(self) -> str:
        """See `Platform`."""
        return self._state().environment

    def why_forbidden(self) -> str:
        """See `Platform`: what runs on this machine may be broken, if it carries the right label."""
        return ""

    def why_not_under_load(self, base_url: str) -> str:
        """See `Platform`: the load has to go to the address in the state file."""
        here = self._state().url
        ours, theirs = urlsplit(base_url), urlsplit(here)
        same_host = _loopback(ours.hostname) == _loopback(theirs.hostname)
        same = same_host and (ours.scheme, ours.port) == (theirs.scheme, theirs.port)
        return "" if same else f"the load goes to {base_url}, but the fault would hit {here}"

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

    def longest_end_s(self, targets: Sequence[Target], *, graceful: bool) -> float:  # noqa: ARG002
        """See `Platform`: a graceful end waits for the requests in flight."""
        return _GRACEFUL_END_S if graceful else _FORCED_END_S

    def termination(self, targets: Sequence[Target], *, graceful: bool) -> Means:
        """See `Platform`."""
        return _Termination(targets, signal.SIGTERM if graceful else signal.SIGKILL)

    def throttling(self, store: Target, *, off_ms: float, on_ms: float) -> Throttle:
        """See `Platform`: a process of its own that sends SIGSTOP and SIGCONT."""
        staller = Staller(store.incarnation, off_ms=off_ms, on_ms=on_ms)
        return Throttle(
            means=staller,
            originals={"staller": staller.name},
            least_effect_ms=off_ms / 2,
            pings=_CYCLES * _PINGS_PER_CYCLE,
            interval_ms=(off_ms + on_ms) / _PINGS_PER_CYCLE,
        )

    def await_throttle(self, target: Target, originals: Originals) -> Finding:  # noqa: ARG002
        """See `Platform`: a signal acts at once."""
        return Finding(True)

    def throttle_evidence(self, originals: Originals, until_ns: int) -> Evidence:  # noqa: ARG002
        """See `Platform`: PING says it all."""
        return {}

    def throttle_has_run_out(self, originals: Originals) -> bool:
        """See `Platform`: nobody stalls Redis any more, though it may have been left standing still."""
        return not _lives(str(originals["staller"]))

    def is_throttled(self, target: Target, originals: Originals) -> bool:
        """See `Platform`."""
        return not self.throttle_has_run_out(originals) or _stands_still(target)

    def end_throttling(self, target: Target, originals: Originals) -> None:
        """See `Platform`: the staller first, else it would stop the target again."""
        end_staller(str(originals["staller"]))
        handle = hold_process(target.incarnation)
        if handle:
            with handle:
                handle.send(signal.SIGCONT)

    def delaying(self, *, latency_ms: float, jitter_ms: float, rate_kb_per_s: float) -> Delay:  # noqa: ARG002
        """See `Platform`: there is nothing between the API and Redis."""
        raise FaultRefused("the embedded target has no Toxiproxy on the way to Redis; use throttle-redis")

    def is_delayed(self, originals: Originals) -> bool:  # noqa: ARG002
        """See `Platform`."""
        return False

    def end_delay(self, target: Target, originals: Originals) -> None:
        """See `Platform`."""

    def why_no_pings(self, originals: Originals) -> str:  # noqa: ARG002
        """See `Platform`: whoever may send signals to Redis can also ask it."""
        return ""

    def is_ready(self, target: Target) -> bool:
        """See `Platform`."""
        return self.is_alive(target)

    def endpoint_of_store(self) -> dict[str, str | int]:
        """See `Platform`."""
        endpoint = self._state().redis
        return {"host": endpoint.host, "port": endpoint.port, "password_file": endpoint.password_file}

    def ping_store(self, originals: Originals, series: PingSeries) -> list[Ping]:
        """See `Platform`."""
        endpoint = RedisEndpoint(
            str(originals["host"]), int(str(originals["port"])), password_file=str(originals["password_file"])
        )
        return measure_series(endpoint, series)

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


def _stands_still(target: Target) -> bool:
    handle = hold_process(target.incarnation)
    if handle is None:
        return False
    with handle:
        return handle.is_stopped()


def _loopback(host: str | None) -> str | None:
    return "127.0.0.1" if host == "localhost" else host


def _is_serving(process: TargetProcess) -> bool:
    return process.state == "running" and bool(process.admin_url) and is_ready(str(process.admin_url), _READY_TIMEOUT_S)


def _target(process: TargetProcess) -> Target:
    if process.pid is None or process.started_at is None:
        raise TargetUnreachable(f"{process.name} runs, by the target's own account, but without a pid")
    return Target(process.name, incarnation(process.pid, process.started_at), f"{process.name} (pid {process.pid})")
