"""Conducts one run: target, readings, load, faults, end; the verdict is made from the run directory afterwards."""

import errno
import os
import secrets
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaos.ledger import default_ledger
from chaos.recover import recover_all, tell_epitaphs
from gameday.children import Children, end, spawn
from gameday.embedded_target import start_embedded_target
from gameday.fault_schedule import Aim, FaultSchedule
from gameday.guard import breach
from gameday.locust_processes import Address, MetricsAt, free_address, master_command, worker_command
from gameday.observers import Observers, observers
from gameday.progress import Progress
from gameday.stop_signals import StopSignals
from journal.capacity import Search
from journal.collecting import collect
from journal.environment import LOAD_SECRET, LOAD_SECRET_FILE, SPOOL_FOLDER
from journal.errors import BadInput, GamedayError, HarnessDefect, RunDirectoryError, TargetUnreachable
from journal.exit_codes import ExitCode
from journal.manifest import Manifest, installed_versions, this_clock, this_machine, write_manifest
from journal.plan import Plan
from journal.profile import Profile
from journal.run_directory import NO_ROOM, RunDirectory, has_room, new_run_id, unwritable
from journal.timeline import Event, EventKind, Phase, Timeline, read_timeline
from probes.counters import read_counters
from probes.health import is_ready
from probes.http_calls import Trust
from probes.target_state import read_target_state

TICK_S = 0.2
REVERT_PATIENCE_S = 5.0
END_MARGIN_S = 45.0
ORPHANS_WITHIN_S, STRANGERS_WITHIN_S = 15.0, 11.0
OWN_WORKERS_WITHIN_S, WORKERS_WITHIN_S = 60.0, 240.0


class View(Protocol):
    """What shows a run while it runs."""

    def refresh(self, progress: Progress, events: list[Event]) -> None:
        """Shows the run as it stands; called several times a second."""


class Pilot(Protocol):
    """What decides the load while it runs; the stages of the plan do otherwise."""

    def take_off(self) -> None:
        """Gives the first order, before the load begins."""

    def tick(self, progress: Progress) -> bool:
        """Called several times a second in the load phase; whether the load may end."""


@dataclass(frozen=True)
class Job:
    """One run to be done; with `workers_at` the master listens there, and the workers come from elsewhere."""

    plan: Plan
    profile: Profile
    run: RunDirectory
    command: tuple[str, ...]
    run_id: str = field(default_factory=new_run_id)
    workers_at: Address | None = None
    metrics: MetricsAt = field(default_factory=MetricsAt)
    capacity: Search | None = None
    pilot: "Callable[[Job, FaultSchedule, Timeline], Pilot] | None" = None

    @property
    def workers_within_s(self) -> float:
        """How long the master waits for its workers: pods may still have to fetch their image."""
        return WORKERS_WITHIN_S if self.workers_at else OWN_WORKERS_WITHIN_S


@dataclass(frozen=True)
class TargetAccess:
    """Where the target answers, and, if it has one, its state file."""

    base_url: str
    state_file: Path | None


@contextmanager
def _target(job: Job) -> Iterator[TargetAccess]:
    """The target of a job: the profile's, or an embedded one that lives as long as this context."""
    profile = job.profile
    if profile.base_url is not None:
        state_file = Path(profile.platform.state_file) if profile.platform.state_file else None
        yield TargetAccess(profile.base_url, state_file)
        return
    target = start_embedded_target(profile, job.run.logs / "target.log")
    try:
        yield TargetAccess(target.url, target.state_file)
    finally:
        target.stop()


def conduct(job: Job, view: View) -> None:
    """Runs the job to its end; everything that happened is in the run directory.

    Raises:
        TargetUnreachable: before anything was sent.
        RunDirectoryError: the disk is full; faults are reverted.
        HarnessDefect: a part of the harness broke.
    """
    try:
        _conduct(job, view)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise unwritable(job.run.path, error) from error


def _conduct(job: Job, view: View) -> None:
    with StopSignals() as stop, _target(job) as target:
        ready_path, trust = job.profile.readiness, Trust(job.profile.verify_tls, job.profile.ca_file)
        if not is_ready(target.base_url, path=ready_path, trust=trust):
            outside = job.profile.platform.kind == "kubernetes" and "KUBERNETES_SERVICE_HOST" not in os.environ
            hint = "; from outside of its cluster, use: gameday k8s run" if outside else ""
            wanted = f" 200 to GET {ready_path}: it is not ready" if ready_path else ""
            raise TargetUnreachable(f"{target.base_url} does not answer{wanted}{hint}")
        watch = observers(job.profile, target.state_file)
        write_manifest(job.run.manifest, _manifest(job, target, watch))
        _Conductor(job, target, view, stop).run(watch)


def _manifest(job: Job, target: TargetAccess, watch: Observers) -> Manifest:
    return Manifest(
        run_id=job.run_id,
        created_at_ns=time.time_ns(),
        command=shlex.join(job.command),
        base_url=target.base_url,
        plan=job.plan,
        profile=job.profile,
        machine=this_machine(),
        clock=this_clock(),
        versions=installed_versions(),
        readings=watch.origin,
        capacity=job.capacity,
    )


def _own_environment(run: RunDirectory) -> dict[str, str]:
    """For a master and workers that nobody else starts: where spools lie, and a secret that nobody else knows."""
    return {SPOOL_FOLDER: str(run.spool), LOAD_SECRET: secrets.token_urlsafe(32), LOAD_SECRET_FILE: ""}


class _Conductor:
    """The main loop and its way out."""

    def __init__(self, job: Job, target: TargetAccess, view: View, stop: StopSignals) -> None:
        self._job, self._target, self._view, self._stop = job, target, view, stop
        self._run = job.run
        self._timeline = Timeline(job.run.timeline)
        self._progress = Progress(job.run, job.plan.slo)
        self._children = Children()
        self._faults = FaultSchedule(job.plan.faults, job.run, self._aim(), self._timeline, self._children)
        self._pilot = job.pilot(job, self._faults, self._timeline) if job.pilot is not None else None
        self._stopped = False
        self._no_room = False

    def _aim(self) -> Aim:
        return Aim(self._target.base_url, self._target.state_file)

    def run(self, watch: Observers) -> None:
        """Everything from the first phase to the last."""
        self._timeline.write(EventKind.PHASE, phase=Phase.CHECK)
        with ExitStack() as stack:
            stack.callback(self._timeline.close)
            stack.enter_context(watch.at_work(self._run, self._timeline))
            stack.callback(self._recover)
            stack.callback(self._collect_spools)
            stack.enter_context(self._children)
            self._note_counters("before")
            if self._pilot is not None:
                self._pilot.take_off()
            self._start_load()
            self._follow_load()
            self._note_counters("after")
            self._await_faults()
        self._view.refresh(self._progress, self._progress.refresh())
        if self._no_room:
            raise unwritable(self._run.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _start_load(self) -> None:
        job = self._job
        at = job.workers_at or free_address()
        own = {} if job.workers_at else _own_environment(self._run)
        command = master_command(
            self._run,
            base_url=self._target.base_url,
            at=at,
            workers=job.plan.load.workers,
            workers_within_s=job.workers_within_s,
            metrics=job.metrics,
        )
        self._children.start("master", spawn(command, log=self._run.logs / "master.log", environment=own))
        for index in range(0 if job.workers_at else job.plan.load.workers):
            log = self._run.logs / f"worker-{index}.log"
            self._children.start(f"worker-{index}", spawn(worker_command(at), log=log, environment=own))

    def _follow_load(self) -> None:
        master, load = self._children["master"], self._job.plan.load
        margin_s = self._job.workers_within_s + 2 * END_MARGIN_S
        deadline = time.monotonic() + load.ready_within_s + load.duration_s + load.drain_s + margin_s
        while master.poll() is None:
            self._tick()
            if time.monotonic() > deadline:
                self._timeline.write(EventKind.WARNING, message="the load did not end in time and was ended")
                end(master, patience_s=REVERT_PATIENCE_S)
        if master.returncode == ExitCode.BAD_INPUT:
            raise BadInput(self._refusal())
        if self._stopped and master.returncode == -signal.SIGTERM and self._progress.phase is Phase.CHECK:
            return  # it was stopped by `_stop_load` before it could listen to that
        if master.returncode != 0:
            self._outlive_the_master(master.returncode)

    def _outlive_the_master(self, code: int) -> None:
        """Reverts what is in force and lets the workers end, which they do by themselves; then they have told all.

        Raises:
            HarnessDefect: always; what there is of the run is judged all the same.
        """
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        message = f"the Locust master {how}"
        self._timeline.write(EventKind.WARNING, message=message, exit_code=int(ExitCode.HARNESS_DEFECT))
        self._stopped = True
        self._faults.stop(REVERT_PATIENCE_S)
        began_s = time.monotonic()
        while time.monotonic() - began_s < (STRANGERS_WITHIN_S if self._job.workers_at else ORPHANS_WITHIN_S):
            if not self._job.workers_at and not self._children.pids():
                break
            self._tick_after_load()
        self._note_counters("after")
        raise HarnessDefect(f"{message}; see {self._run.logs}/master.log")

    def _collect_spools(self) -> None:
        """What workers of this machine could not hand over, because they or their master were killed."""
        try:
            shared = os.environ.get(SPOOL_FOLDER)
            found = collect(self._run, [self._run.spool, *([Path(shared)] if shared else [])])
        except RunDirectoryError as error:
            self._timeline.write(EventKind.WARNING, message=f"the spools could not be collected: {error}")
            return
        if found.parcels:
            self._timeline.write(EventKind.WARNING, message=str(found))

    def _refusal(self) -> str:
        """Why the master could not do what plan and profile want."""
        events, _ = read_timeline(self._run.timeline)
        said = [str(event.data["message"]) for event in events if event.data.get("exit_code") == ExitCode.BAD_INPUT]
        return said[0] if said else f"the load refused the plan or the profile; see {self._run.logs}/master.log"

    def _tick(self) -> None:
        time.sleep(TICK_S)
        self._view.refresh(self._progress, self._progress.refresh())
        began_ns = self._progress.load_began_ns
        if self._stopped:
            return
        if self._stop.received is not None:
            self._timeline.write(EventKind.INTERRUPTED, signal=self._stop.received.name)
            self._stop_load()
        elif not has_room(self._run.path):
            self._no_room = True
            self._stop_load()
        elif self._progress.phase is Phase.LOAD and began_ns is not None:
            self._faults.tick((time.time_ns() - began_ns) / 1e9)
            self._guard()
            if self._pilot is not None and not self._stopped and self._pilot.tick(self._progress):
                self._stop_load()

    def _guard(self) -> None:
        found = breach(self._job.plan.guards, self._progress, time.time())
        if found is not None:
            measured, limit = round(found.measured, 4), found.limit
            self._timeline.write(EventKind.GUARD, guard=found.guard, measured=measured, limit=limit)
            self._stop_load()

    def _stop_load(self) -> None:
        """Reverts first, then stops the load; the loop goes on until the master has ended in order."""
        self._stopped = True
        self._faults.stop(REVERT_PATIENCE_S)
        self._children["master"].terminate()

    def _await_faults(self) -> None:
        """An experiment that outlives the load reverts by itself; it gets the time that its record gives it."""
        deadline = time.monotonic() + END_MARGIN_S
        while self._faults.busy and time.monotonic() < deadline:
            self._tick_after_load()

    def _tick_after_load(self) -> None:
        time.sleep(TICK_S)
        self._view.refresh(self._progress, self._progress.refresh())
        if self._stop.received is not None and not self._stopped:
            self._timeline.write(EventKind.INTERRUPTED, signal=self._stop.received.name)
            self._stopped = True
            self._faults.stop(REVERT_PATIENCE_S)

    def _recover(self) -> None:
        """Whatever the experiments left open is reverted here, however the run ends."""
        try:
            ledger = default_ledger(os.environ)
            recover_all(ledger, run_id=self._job.run_id)
            tell_epitaphs(ledger, self._job.run_id, self._run.path)
        except GamedayError as error:
            # of a fault that is not proven to be reverted the verdict tells by itself
            message = f"the ledger could not be read at the end, what it holds is left to the reaper: {error}"
            self._timeline.write(EventKind.WARNING, message=message)

    def _note_counters(self, when: str) -> None:
        """The target's own account, where it keeps one."""
        if self._target.state_file is None:
            return
        try:
            counters = read_counters(read_target_state(self._target.state_file))
        except GamedayError as error:
            self._timeline.write(EventKind.WARNING, message=f"the target's own counters could not be read: {error}")
            return
        self._timeline.write(
            EventKind.COUNTERS,
            when=when,
            started=counters.load_started,
            finished=counters.load_finished,
            websocket_opened=counters.websocket_opened,
        )
