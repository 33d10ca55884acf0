"""Starts each planned experiment when its time has come, as a child process, and collects how it ended."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gameday.children import Children, end, spawn
from journal.exit_codes import ExitCode
from journal.plan import PlannedFault
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, FaultState, Timeline


@dataclass(frozen=True)
class Aim:
    """Where experiments act: the target's address and its state file, if it has one; all else is in the manifest."""

    base_url: str
    state_file: Path | None


def experiment_command(fault: PlannedFault, run: RunDirectory, aim: Aim) -> list[str]:
    """The command line of one experiment."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "chaos",
        "run",
        fault.experiment,
        "--fault-id",
        fault.id,
        "--run",
        str(run.path),
        "--base-url",
        aim.base_url,
    ]
    if aim.state_file is not None:
        command += ["--state-file", str(aim.state_file)]
    return [*command, *(part for key, value in fault.configuration.items() for part in ("--set", f"{key}={value}"))]


@dataclass
class FaultSchedule:
    """The faults of a run; `tick` is called often with the seconds since the load phase began."""

    faults: Sequence[PlannedFault]
    run: RunDirectory
    aim: Aim
    timeline: Timeline
    children: Children
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _codes: dict[str, int] = field(default_factory=dict)

    def tick(self, load_s: float) -> None:
        """Starts what is due, notes what has ended."""
        for fault in self.faults:
            if fault.at_s <= load_s and fault.id not in self._running:
                self._start(fault)
        self._collect()

    def begin(self, fault: PlannedFault) -> None:
        """Starts an experiment now, whatever its time."""
        self._start(fault)

    def end(self, fault_id: str) -> None:
        """Asks an experiment to revert now; `runs` tells when it has."""
        process = self._running[fault_id]
        if process.poll() is None:
            process.terminate()

    def runs(self, fault_id: str) -> bool:
        """Whether an experiment is still running."""
        self._collect()
        return fault_id not in self._codes

    def _start(self, fault: PlannedFault) -> None:
        self.timeline.write(EventKind.FAULT, fault_id=fault.id, experiment=fault.experiment, state=FaultState.PLANNED)
        log = self.run.logs / f"{fault.id}.log"
        command = experiment_command(fault, self.run, self.aim)
        process = spawn(command, log=log, death_signal=signal.SIGTERM)
        self._running[fault.id] = self.children.start(fault.id, process)

    def _collect(self) -> None:
        for fault_id, process in self._running.items():
            code = process.poll()
            if code is not None and fault_id not in self._codes:
                self._codes[fault_id] = code
                if code not in {ExitCode.PASS, ExitCode.INTERRUPTED}:
                    message = f"the experiment of {fault_id} ended with code {code}; see logs/{fault_id}.log"
                    self.timeline.write(EventKind.WARNING, message=message)

    @property
    def busy(self) -> bool:
        """Whether an experiment is still running."""
        self._collect()
        return len(self._codes) < len(self._running)

    def stop(self, patience_s: float) -> None:
        """Asks every running experiment to revert now, and waits for that; nothing more is started."""
        self.faults = ()
        running = [process for process in self._running.values() if process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            end(process, patience_s=patience_s)
        self._collect()

    @property
    def not_reverted(self) -> list[str]:
        """The faults whose own process said that it could not revert them."""
        return [fault_id for fault_id, code in self._codes.items() if code == ExitCode.NOT_REVERTED]
