"""A worker's life: take the assignment, report every second, obey the master's commands, leave in order."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import gevent
from gevent import Greenlet
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import Runner, WorkerRunner

from journal.environment import SPOOL_FOLDER
from journal.errors import GamedayError, HarnessDefect, TargetUnreachable
from journal.frames import Frame
from journal.readings import Reading
from journal.spool import ALIVE_NS, Counts, Spool
from load import invariants
from load.arrivals.open_model import OpenModel
from load.client import stamps
from load.context import RunContext, set_context
from load.described.user import add_described
from load.distributed.assignment import Assignment
from load.distributed.clock import Correction, RunClock
from load.distributed.messages import (
    ACK,
    ASSIGNMENT,
    CLOCK,
    COMMAND,
    FAILED,
    HELLO,
    LEASE,
    LOAD_BEGAN,
    OFFSET,
    READY,
    REPORT,
    RESULT,
    STORM,
    STORM_HEARD,
    TIME,
    Command,
    Send,
)
from load.distributed.reporter import Reporter
from load.expectation import expected_per_s, warning
from load.forecast import forecasts
from load.health.calibration import calibrate
from load.health.monitor import ProcessWatch, measure_loop_lag
from load.locust_stats import RequestEvent, feed, somebody_listens
from load.logbook import Invariant
from load.mix import any_signs_up, journeys_of
from load.storms.worker import Storms

HELLO_EVERY_S = 0.5
FIRST_ROUNDS, FIRST_QUESTIONS, QUESTIONS, CLOCK_EVERY_S = 5, 8, 4, 10.0
_QUESTION_EVERY_S, _ANSWERS_WITHIN_S = 0.03, 1.0
CONFIRM_WITHIN_S = 5.0
REMOVE_ACCOUNTS_WITHIN_S = 10.0
# a worker without a master has ended by itself 10 s later; the master calls a worker lost after the same silence
MASTER_SILENT_S = 6.0
ORPHAN_LEAVES_WITHIN_S = 3.0
_LOOK_EVERY_S, _SILENT_LOOKS = 0.25, 3
INDEX = "JOB_COMPLETION_INDEX"  # set by Kubernetes for each pod of an indexed Job
_AFTER_THE_SECOND_S = 0.02
_ALIVE_EVERY_S = 0.1


def own_index(environment: Mapping[str, str]) -> int | None:
    """The number that this worker was given from outside; None where the master is to count."""
    given = environment.get(INDEX, "")
    return int(given) if given.isascii() and given.isdigit() else None


def spool_folder(environment: Mapping[str, str]) -> Path:
    """Where spools lie: as the environment says, else beside the run directories."""
    return Path(environment.get(SPOOL_FOLDER) or Path("runs") / "spool")


def _show_life(counts: Counts, clock: RunClock) -> NoReturn:
    while True:
        counts[ALIVE_NS] = int(clock.time() * 1e9)
        gevent.sleep(_ALIVE_EVERY_S)


class Worker:
    """The worker's side of a run; a local run has one too, beside the master's side."""

    def __init__(self, environment: Environment, runner: Runner, send: Send) -> None:
        self._environment = environment
        self._runner = runner
        self._send = send
        self._clock = RunClock()
        self._context: RunContext | None = None
        self._reporter: Reporter | None = None
        self._storms: Storms | None = None
        self._greenlets: list[Greenlet] = []
        self._results: dict[Command, dict[str, Any]] = {}
        self._running: dict[Command, Greenlet] = {}
        self._supply: invariants.SupplyCheck | None = None
        self._defects = 0
        self._confirm_within_s = CONFIRM_WITHIN_S
        self._remove_accounts_within_s = REMOVE_ACCOUNTS_WITHIN_S
        self._orphaned = False
        self._commands: dict[Command, Callable[[RunContext], dict[str, Any]]] = {
            Command.PREPARE: self._prepare,
            Command.DRAIN: self._drain,
            Command.CHECK_TASKS: self._check_tasks,
            Command.CHECK_SUPPLY: self._check_supply,
            Command.CLOSE: self._close,
        }

    def start(self) -> None:
        """Listens for the master and says hello until the assignment arrives."""
        self._runner.register_message(ASSIGNMENT, self._on_assignment)
        self._runner.register_message(ACK, self._on_ack)
        self._runner.register_message(TIME, lambda msg, **_: self._clock.take(msg.data))
        self._runner.register_message(COMMAND, self._on_command)
        self._runner.register_message(LEASE, self._on_lease)
        self._runner.register_message(LOAD_BEGAN, self._on_load_began)
        self._runner.register_message(STORM_HEARD, self._on_storm_heard)
        self._environment.events.user_error.add_listener(self._on_user_error)
        gevent.spawn(self._say_hello)

    def _say_hello(self) -> None:
        index = own_index(os.environ)
        hello = {} if index is None else {"index": index}
        if self._is_apart:
            self._compare_clocks()
        while self._context is None:
            self._tell(HELLO, hello)
            gevent.sleep(HELLO_EVERY_S)

    @property
    def _is_apart(self) -> bool:
        """Whether the master is another process, with a clock of its own that may be another one."""
        return isinstance(self._runner, WorkerRunner)

    def _compare_clocks(self) -> None:
        """The master listens from soon after it took this worker in."""
        for _ in range(FIRST_ROUNDS):
            self._ask_the_time(FIRST_QUESTIONS)
            if self._clock.answers:
                break

    def _ask_the_time(self, questions: int) -> None:
        """Asks the master so many times, and waits a little for the answers."""
        for _ in range(questions):
            self._tell(CLOCK, self._clock.question())
            gevent.sleep(_QUESTION_EVERY_S)
        ends_s = time.monotonic() + _ANSWERS_WITHIN_S
        while self._clock.answers < questions and time.monotonic() < ends_s:
            gevent.sleep(_QUESTION_EVERY_S)

    def _keep_time(self, context: RunContext) -> None:
        while True:
            gevent.sleep(CLOCK_EVERY_S)
            self._ask_the_time(QUESTIONS)
            self._correct_clock(context)

    def _correct_clock(self, context: RunContext) -> None:
        correction = self._clock.correct()
        if correction is not None:
            self._apply(correction, context)

    def _apply(self, correction: Correction, context: RunContext) -> None:
        context.logbook.recorder.offset_ns = correction.offset_ns
        self._tell(OFFSET, correction.encode())

    def _tell(self, message: str, data: dict[str, Any]) -> None:
        with suppress(RPCError):  # everything that matters is sent again until it is answered
            self._send(message, data)

    # What the master says

    def _on_assignment(self, msg: Any, **_: Any) -> None:
        if self._context is not None:
            return
        assignment = Assignment.decode(msg.data)
        first = self._clock.correct()  # before the first second is counted
        spool, complaint = self._open_spool(assignment)
        context = self._context = RunContext(assignment, None if spool is None else spool.counts, self._clock)
        add_described(self._environment, assignment.profile)
        if complaint:
            context.warn(complaint)
        if first is not None:
            self._apply(first, context)
        elif self._is_apart:
            context.warn("the master did not tell its time: the first seconds of this worker are by its own clock")
        self._storms = Storms(context, lambda told: self._tell(STORM, told))
        self._reporter = Reporter(context.logbook, lambda parcel: self._tell(REPORT, parcel.encode()), spool=spool)
        if somebody_listens(self._environment.events.request):
            context.logbook.listeners.append(RequestEvent(self._environment.events.request))
        self._greenlets = [
            gevent.spawn(self._report_each_second, context),
            *([] if spool is None else [gevent.spawn(_show_life, spool.counts, self._clock)]),
            *([gevent.spawn(self._keep_time, context)] if self._is_apart else []),
            gevent.spawn(measure_loop_lag, context.logbook.recorder),
        ]
        if context.open_model is not None:
            self._open(context.open_model)
        set_context(context)

    def _open(self, model: OpenModel) -> None:
        starting = gevent.spawn(model.run)
        starting.link_exception(lambda greenlet: self._on_user_error(greenlet.exception))
        telling = gevent.spawn(model.tell_free_users, lambda free: self._tell(READY, {"free": free}))
        self._greenlets += [starting, telling]

    def _on_lease(self, msg: Any, **_: Any) -> None:
        if self._context is not None and self._context.open_model is not None:
            own = {name: msg.data[name] - self._clock.offset_ns for name in ("begin_ns", "until_ns")}
            self._context.open_model.granted({**msg.data, **own})

    def _on_load_began(self, msg: Any, **_: Any) -> None:
        if self._storms is not None:
            self._storms.load_began(msg.data["at_ns"])

    def _on_storm_heard(self, msg: Any, **_: Any) -> None:
        if self._storms is not None:
            self._storms.heard(msg.data["storm_id"], msg.data["state"])

    def _open_spool(self, assignment: Assignment) -> tuple[Spool | None, str]:
        """The spool of this worker, or why there is none; who shares a process with its master needs none."""
        if not self._is_apart:
            return None, ""
        folder = spool_folder(os.environ)
        try:
            return Spool(folder, assignment.run_id, assignment.worker), ""
        except OSError as error:
            return None, f"there is no spool, {folder} cannot be used: {error.strerror}"

    def _on_ack(self, msg: Any, **_: Any) -> None:
        if self._reporter is not None:
            self._reporter.acknowledged(msg.data["sequence"])

    def _on_command(self, msg: Any, **_: Any) -> None:
        command = Command(msg.data["command"])
        if command in self._results:
            self._tell(RESULT, {"command": command.value, "data": self._results[command]})
        elif command not in self._running:
            self._running[command] = gevent.spawn(self._execute, command)

    def _execute(self, command: Command) -> None:
        assert self._context is not None
        try:
            self._results[command] = self._commands[command](self._context)
        except GamedayError as error:
            self._results[command] = {"error": str(error), "exit_code": int(error.exit_code)}
        except Exception as error:  # noqa: BLE001  # the master must hear of a defect here, instead of waiting for it
            self._results[command] = {"error": f"{type(error).__name__}: {error}", "exit_code": 70}
        self._tell(RESULT, {"command": command.value, "data": self._results[command]})

    def _on_user_error(self, exception: Exception, **_: Any) -> None:
        self._defects += 1
        if self._context is not None:
            self._context.warn(f"a journey raised {type(exception).__name__}: {exception}")

    # Each second

    def _report_each_second(self, context: RunContext) -> None:
        watch = ProcessWatch(context.assignment.worker)
        if stamps.are_refused():
            context.warn("the kernel stamps no received data here: latencies of this worker contain its own delay")
        while True:
            gevent.sleep(1 - self._clock.time() % 1 + _AFTER_THE_SECOND_S)
            if context.failure and not context.stopping:
                self._tell(FAILED, {"error": context.failure})
            reading = watch.read()
            reading = replace(reading, at_ns=reading.at_ns + self._clock.offset_ns)
            self._report(context, context.logbook.recorder.seal(self._runner.user_count), [reading])

    def _report(self, context: RunContext, frames: list[Frame], readings: list[Reading]) -> None:
        assert self._reporter is not None
        self._reporter.note(readings, context.take_warnings())
        if not context.logbook.listeners:
            for frame in frames:
                feed(self._environment.stats, frame)
        self._reporter.report(frames)

    # The commands

    def _prepare(self, context: RunContext) -> dict[str, Any]:
        """Looks at what can only be seen before the load; promises of AIA only where its users are under way."""
        context.secrets.require()
        if self._loads_aia(context):
            self._supply = invariants.SupplyCheck(context)
            self._supply.before()
        else:
            invariants.somebody_listens(context)
        return {"calibration": self._calibrate(context)}

    def _calibrate(self, context: RunContext) -> dict[str, Any] | None:
        """What this worker can do at most; a run without that is a run all the same."""
        seconds = context.plan.load.calibration_s
        if not seconds:
            return None
        try:
            found = calibrate(context.profile, seconds)
        except (HarnessDefect, OSError) as error:
            context.warn(f"the generator was not calibrated: {error}")
            return None
        declared = forecasts(journeys_of(self._environment.user_classes))
        expected = expected_per_s(context.plan, declared, found.service_p50_ms / 1000)
        if said := warning(expected, found.ceiling_per_s):
            context.warn(said)
        return {**asdict(found), "expected_per_s": expected}

    def _loads_aia(self, context: RunContext) -> bool:
        return any_signs_up(self._environment, context.plan.load.mix)

    def _drain(self, context: RunContext) -> dict[str, Any]:
        """No user begins anything any more; each ends what is on its way, within the drain of the plan."""
        if context.open_model is not None:
            context.open_model.finish()
            gevent.sleep(0)  # what is due is handed out before nobody begins anything any more
        context.stopping = True
        self._environment.stop_timeout = (0 if self._orphaned else context.plan.load.drain_s) or 0.1
        while self._runner.user_count:
            self._runner.stop_users(self._runner.user_classes_count)
            gevent.sleep(0)
        return {}

    def _check_tasks(self, context: RunContext) -> dict[str, Any]:
        found = dict(context.logbook.invariants)
        if self._loads_aia(context):
            found[invariants.TASK_COMPLETED_ONCE] = invariants.TaskCheck(context).run()
            for name in (invariants.NO_FOREIGN_DATA, invariants.LOGIN_NEEDS_PASSWORD):
                found.setdefault(name, Invariant())
        return {"invariants": {name: asdict(invariant) for name, invariant in found.items()}}

    def _check_supply(self, context: RunContext) -> dict[str, Any]:
        if not self._loads_aia(context):
            return {}
        try:
            found = (self._supply or invariants.SupplyCheck(context)).after()
        except TargetUnreachable as error:
            context.warn(f"the token supply was not checked: {error}")
            found = Invariant()
        return {"invariants": {invariants.TOKEN_SUPPLY_CONSERVED: asdict(found)}}

    def _close(self, context: RunContext) -> dict[str, Any]:
        """Removes the accounts, then sends the last frame and waits until the master has everything."""
        left = context.accounts.remove_all(self._remove_accounts_within_s)
        gevent.killall(self._greenlets)
        if said := stamps.complaint():
            context.warn(said)
        if self._storms is not None:
            self._storms.end()
        self._report(context, context.logbook.recorder.close(self._runner.user_count), [])
        if isinstance(self._runner, WorkerRunner):
            # Locust reports every three seconds, and its master does not wait for what it has not been told by its end
            self._runner._send_stats()  # noqa: SLF001  # there is no public way
        self._await_confirmation()
        return {"accounts_left": left, "defects": self._defects}

    def _await_confirmation(self) -> None:
        assert self._reporter is not None
        ends_s = time.monotonic() + self._confirm_within_s
        while self._reporter.unacknowledged and time.monotonic() < ends_s:
            gevent.sleep(0.1)
            self._reporter.resend(older_than_s=0.5)
        self._reporter.close()

    # Leaving

    def leave(self) -> None:
        """Ends in order without being told: users drain, tasks are checked, the last frame is sent. May be repeated.

        Without a master nobody would hear of the tasks, and nobody waits: then only the accounts are removed.
        """
        if self._context is None:
            return
        self._context.stopping = True
        checks = () if self._orphaned else (Command.CHECK_TASKS,)
        for command in (Command.DRAIN, *checks, Command.CLOSE):
            if command not in self._running:
                self._running[command] = gevent.spawn(self._execute, command)
            self._running[command].join()

    def watch_master(self, is_silent: Callable[[float], bool], give_up: Callable[[], None]) -> None:
        """Gives up when the master has been silent for too long: load without anybody to stop it is an accident."""

        def watch() -> None:
            looks = 0
            while looks < _SILENT_LOOKS:  # a process that was held up itself has heard its master by the next look
                gevent.sleep(_LOOK_EVERY_S)
                looks = looks + 1 if is_silent(MASTER_SILENT_S) else 0
            self._orphaned = True
            self._confirm_within_s, self._remove_accounts_within_s = 0.0, ORPHAN_LEAVES_WITHIN_S / 2
            give_up()

        gevent.spawn(watch)
