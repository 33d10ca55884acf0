"""What the tests of chaos share: the target as they see it, and looks at processes, Redis and the timeline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.directory_ledger import DirectoryLedger
from chaos.platforms.base import Target
from chaos.record import Record
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, read_timeline
from probes.redis import measure_pings, p95_ms
from probes.target_state import TargetState, incarnation, read_target_state


def poll(condition: Callable[[], object], within_s: float = 10.0) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True)
class RunningTarget:
    url: str
    state_file: Path

    def state(self) -> TargetState:
        return read_target_state(self.state_file)

    def pid(self, name: str) -> int | None:
        return next(process.pid for process in self.state().processes if process.name == name)

    def redis_p95_ms(self) -> float:
        return p95_ms(measure_pings(self.state().redis, count=30))

    def redis_is_normal(self) -> bool:
        """Running, and answering far quicker than a stalled one could."""
        return psutil.Process(self.pid("redis")).status() != psutil.STATUS_STOPPED and self.redis_p95_ms() < 100


def processes_about(ledger: DirectoryLedger) -> list[psutil.Process]:
    """The reapers of this ledger."""
    return [process for process in psutil.process_iter() if str(ledger.directory) in command_line(process)]


def stallers_of(name: str) -> list[psutil.Process]:
    """The duty-cycle processes that stall this incarnation."""
    living = [process for process in psutil.process_iter() if "chaos.duty_cycle" in command_line(process)]
    return [process for process in living if name in command_line(process)]


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()  # empty for a zombie
    except psutil.Error:
        return []


def fault_events(run: RunDirectory) -> list[Event]:
    events, damages = read_timeline(run.timeline)
    assert not damages
    return [event for event in events if event.kind is EventKind.FAULT]


def fault_states(run: RunDirectory) -> list[str]:
    return [event.data["state"] for event in fault_events(run)]


def incarnation_of(process: psutil.Process) -> str:
    return incarnation(process.pid, process.create_time())


def throttle_record(state_file: Path, target: Target, **changes: object) -> Record:
    """The record of a throttle in which everything but its target is long gone."""
    values = {
        "run_id": "testrun",
        "fault_id": "F1",
        "fault": "throttle-redis",
        "experiment": "throttle-redis",
        "options": {"off_ms": 400.0, "on_ms": 100.0, "duration_s": 2.0},
        "platform": {"kind": "local", "state_file": str(state_file)},
        "targets": (target,),
        "originals": {"host": "127.0.0.1", "port": 1, "password_file": "", "ping_p95_ms": 1.0, "staller": "1@1.00"},
        "injected_at_ns": time.time_ns(),
        "expires_at_ns": time.time_ns() + 2_000_000_000,
        "owner": "1@1.00",
    }
    return Record(**(values | changes))
