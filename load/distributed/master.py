"""The master's life: gather workers, drive the phases of the plan, collect what the workers saw, end in order."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import gevent
from gevent import Greenlet
from gevent.event import Event
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_STOPPED, MasterRunner, Runner

from journal.arrival_schedule import ArrivalSchedule
from journal.capacity import Search
from journal.data_rows import Row
from journal.errors import BadInput, GamedayError, HarnessDefect, TargetUnreachable
from journal.exit_codes import ExitCode, gravest
from journal.manifest import Manifest
from journal.orders import OrdersTail
from journal.plan import Arrivals
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Phase, Timeline
from load.arrivals.leases import Leases
from load.arrivals.levels import BEGIN_AFTER_NS, Levels
from load.described.data import rows_of, share_of
from load.distributed.assignment import Assignment
from load.distributed.collector import Collector
from load.distributed.dispatcher import Dispatcher, Goal
from load.distributed.fence import DOORMAN
from load.distributed.messages import (
    ACK,
    ASSIGNMENT,
    CLOCK,
    FAILED,
    HELLO,
    OFFSET,
    READY,
    REPORT,
    RESULT,
    STORM,
    TIME,
    Command,
    Send,
)
from load.distributed.reporter import Parcel
from load.distributed.roster import Member, Roster
from load.distributed.schedule import Want, phase_at, turning_points_s, wanted
from load.health.monitor import ProcessWatch
from load.locust_stats import forget_past
from load.storms.master import StormDesk

WORKERS_WITHIN_S = 120.0
PREPARE_WITHIN_S = 60.0
CLOSE_WITHIN_S = 25.0
SPARE_S = 5.0
ORDERS_EVERY_S = 0.2
FORGET_MISSING_AFTER_BEATS = -30


class Master:
    """The master's side of a run; in a local run the worker's side lives in the same process."""

    def __init__(self, environment: Environment, runner: Runner, send: Send, run: RunDirectory) -> None:
        self._environment = environment
        self._runner = runner
        self._send = send
        self._manifest: Manifest = run.read_manifest()
        self._orders = OrdersTail(run.orders)
        self._plan = self._manifest.plan
        self._rows = rows_of(self._manifest.profile)
        self.timeline = Timeline(run.timeline)
        self.collector = Collector(run)
        self.roster = Roster(self._tell, self.timeline)
        self._storms = StormDesk(self._tell, self.roster, self.timeline)
        self.phase: Phase | None = None
        self.exit_code = ExitCode.PASS
        self.message = ""
        self.done = Event()
        self._locust_is_ready = Event()
        self._stop = Event()
        self._dispatch: Greenlet | None = None
        self._goal = Goal(0, 1.0)
        self._keep_history = bool(getattr(environment.parsed_options, "html_file", ""))

    def start(self, expected_workers: int, within_s: float = 0.0) -> None:
        """Listens for workers and drives the run in a greenlet of its own; `done` is set when it has ended."""
        self._runner.register_message(HELLO, self._on_hello)
        self._runner.register_message(CLOCK, self._on_clock)
        self._runner.register_message(OFFSET, self._on_offset)
        self._runner.register_message(REPORT, self._on_report)
        self._runner.register_message(RESULT, self._on_result)
        self._runner.register_message(READY, self._on_ready)
        self._runner.register_message(FAILED, self._on_failed)
        self._runner.register_message(STORM, self._storms.on_told)
        self._environment.events.spawning_complete.add_listener(lambda **_: self._locust_is_ready.set())
        gevent.spawn(self._run, partial(self._gather, expected_workers, within_s or WORKERS_WITHIN_S))

    def stop(self) -> None:
        """Ends the load now, as if its stages were over; what comes after is done all the same. Safe to call twice."""
        self._stop.set()

    def hurry(self) -> None:
        """Waits for nobody any more."""
        self.roster.patient = False

    def _tell(self, msg_type: str, data: dict[str, Any] | None = None, client_id: str | None = None) -> None:
        with suppress(RPCError):  # commands are sent again until they are answered, parcels until acknowledged
            self._send(msg_type, data, client_id)

    # What workers say

    def _on_hello(self, msg: Any, **_: Any) -> None:
        member = self.roster.join(msg.node_id, self._wanted_index(msg))
        assignment = Assignment(
            run_id=self._manifest.run_id,
            worker=member.name,
            index=member.index,
            base_url=self._manifest.base_url,
            plan=self._plan,
            profile=self._manifest.profile,
            data={name: tuple(map(dict, rows)) for name, rows in self._share(member.index).items()},
            capacity=self._manifest.capacity,
        )
        self._tell(ASSIGNMENT, assignment.encode(), msg.node_id)

    def _share(self, index: int) -> dict[str, list[Row]]:
        """The test data of one worker."""
        return share_of(self._manifest.profile, self._rows, index, self._plan.load.workers)

    def _wanted_index(self, msg: Any) -> int:
        """The number that the worker brought along, else its place in the order in which workers joined."""
        brought = (msg.data or {}).get("index")
        if isinstance(brought, int) and brought >= 0:
            return brought
        return self._runner.get_worker_index(msg.node_id) if isinstance(self._runner, MasterRunner) else 0

    def _on_clock(self, msg: Any, **_: Any) -> None:
        self._tell(TIME, {"asked_ns": msg.data["asked_ns"], "at_ns": time.time_ns()}, msg.node_id)

    def _on_offset(self, msg: Any, **_: Any) -> None:
        member = self.roster.heard(msg.node_id)
        if member is not None and self.roster.is_news(member, msg.data):
            told = {name.replace("_ns", "_ms"): round(value / 1e6, 3) for name, value in msg.data.items()}
            self.timeline.write(EventKind.CLOCK, worker=member.name, **told)

    def _on_report(self, msg: Any, **_: Any) -> None:
        member = self.roster.heard(msg.node_id)
        if member is None or self.done.is_set():
            return
        parcel = Parcel.decode(msg.data)
        if self.collector.take(member.name, parcel):
            for warning in parcel.warnings:
                self.timeline.write(EventKind.WARNING, message=f"{member.name}: {warning}")
        self._tell(ACK, {"sequence": parcel.sequence}, msg.node_id)
        if self.collector.complete(member.name):
            self.roster.left(member)

    def _on_result(self, msg: Any, **_: Any) -> None:
        member = self.roster.heard(msg.node_id)
        if member is not None:
            member.results[Command(msg.data["command"])] = msg.data["data"]

    def _on_ready(self, msg: Any, **_: Any) -> None:
        member = self.roster.heard(msg.node_id)
        if member is not None:
            member.free_users = int(msg.data["free"])

    def _on_failed(self, msg: Any, **_: Any) -> None:
        """A worker cannot go on as the profile wants it."""
        member = self.roster.heard(msg.node_id)
        if member is not None and not self._stop.is_set():
            self._fail(ExitCode.BAD_INPUT, f"{member.name}: {msg.data['error']}")
            self.stop()

    # The run

    def _run(self, gather: Callable[[], None]) -> None:
        background = gevent.spawn(self._watch)
        phases: list[Callable[[], None]] = [
            gather,
            self._prepare,
            self._load,
            self._drain,
            self._check,
            self._close,
        ]
        for phase in phases:
            try:
                phase()
            except GamedayError as error:
                self._fail(error.exit_code, str(error))
                self.stop()
            except Exception as error:  # noqa: BLE001  # whatever breaks is ours, and the run must still end in order
                self._fail(ExitCode.HARNESS_DEFECT, f"{type(error).__name__}: {error}")
                self.stop()
        self._enter(Phase.ENDED)
        gevent.kill(background)
        self.done.set()
        self.collector.close()
        self.timeline.close()

    def _fail(self, code: ExitCode, message: str) -> None:
        self.exit_code = gravest(self.exit_code, code)
        self.message = self.message or message
        self.timeline.write(EventKind.WARNING, message=message, exit_code=int(code))

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase, at_ns = phase, time.time_ns()
            self.timeline.write(EventKind.PHASE, at_ns=at_ns, phase=phase)
            if phase is Phase.LOAD and self._plan.load.storms:
                self._storms.load_began(at_ns)

    def _gather(self, expected: int, within_s: float) -> None:
        ends_s = time.monotonic() + within_s
        while not self._locust_is_ready.is_set() or len(self.roster.living()) < expected:
            if self._stop.is_set():
                return
            if time.monotonic() > ends_s:
                found = len(self.roster.living())
                raise HarnessDefect(f"{found} of {expected} workers joined within {within_s:g} s")
            gevent.sleep(0.05)

    def _prepare(self) -> None:
        for worker, answer in self._ask(Command.PREPARE, PREPARE_WITHIN_S).items():
            if answer.get("calibration"):
                self.timeline.write(EventKind.CALIBRATION, worker=worker, **answer["calibration"])

    def _load(self) -> None:
        if self._manifest.capacity is not None:
            self._obey(self._manifest.capacity)
        elif self._plan.load.arrivals is None:
            self._load_users()
        else:
            self._load_arrivals(self._plan.load.arrivals)

    def _fill_pool(self, arrivals: Arrivals) -> None:
        """The users of an open model come first, and wait."""
        self._approach(arrivals.max_in_flight, arrivals.spawn_rate_per_s, 0)
        self._await_free_users(arrivals)

    def _load_arrivals(self, arrivals: Arrivals) -> None:
        """When the users are there, the schedule begins, and its end is that of the load."""
        self._fill_pool(arrivals)
        if self._stop.is_set():
            return
        begin_ns = time.time_ns() + BEGIN_AFTER_NS
        leases = Leases(ArrivalSchedule(arrivals, self._plan.seed), self.roster, self._tell, self.timeline)
        leases.begin(begin_ns)
        renewing = gevent.spawn(leases.renew_on)
        for moment_s in turning_points_s(self._plan.load):
            self._stop.wait(max(0.0, begin_ns / 1e9 + moment_s - time.time()))
            if self._stop.is_set():
                break
            self._enter(phase_at(self._plan.load, moment_s))
        renewing.kill()

    def _await_free_users(self, arrivals: Arrivals) -> None:
        ends_s = time.monotonic() + arrivals.ready_within_s + PREPARE_WITHIN_S
        free = 0
        while free < arrivals.max_in_flight and not self._stop.is_set():
            if time.monotonic() > ends_s:
                if not free:
                    raise TargetUnreachable("no user could sign up")
                message = f"only {free} of {arrivals.max_in_flight} users signed up in time"
                self.timeline.write(EventKind.WARNING, message=message)
                return
            gevent.sleep(0.05)
            free = sum(member.free_users for member in self.roster.living())

    def _load_users(self) -> None:
        load, began_s = self._plan.load, time.monotonic()
        approached: Want | None = None
        for moment_s in turning_points_s(load):
            self._stop.wait(max(0.0, began_s + moment_s - time.monotonic()))
            want = wanted(load, moment_s)
            if self._stop.is_set() or want is None:
                return
            self._enter(phase_at(load, moment_s))
            if want != approached:
                approached = want
                self._approach(want.users, want.spawn_rate_per_s, want.stage)

    def _obey(self, search: Search) -> None:
        """A search for the capacity: the conductor orders level after level, and ends the load like any signal does."""
        load, levels = self._plan.load, Levels(self._plan, search, self.roster, self._tell, self.timeline)
        if load.arrivals is not None:
            self._fill_pool(load.arrivals)
        renewing = gevent.spawn(levels.renew_on)
        began_s, elapsed_s = time.monotonic(), 0.0
        while not self._stop.is_set() and elapsed_s < load.duration_s:
            self._enter(phase_at(load, elapsed_s))
            order = self._orders.newest()
            if order is not None and order.arrivals_per_s is not None:
                levels.follow(order)
            elif order is not None:
                self._approach(order.users, order.spawn_rate_per_s, order.level)
            self._stop.wait(ORDERS_EVERY_S)
            elapsed_s = time.monotonic() - began_s
        renewing.kill()

    def _approach(self, users: int, spawn_rate_per_s: float, stage: int) -> None:
        self.timeline.write(EventKind.USERS, users=users, spawn_rate_per_s=spawn_rate_per_s, stage=stage)
        self._end_dispatch()
        self._goal = Goal(users, spawn_rate_per_s)
        self._begin_dispatch()

    def _begin_dispatch(self) -> None:
        self._dispatch = gevent.spawn(self._runner.start, self._goal.users, self._goal.rate_per_s)

    def _redistribute(self, runner: MasterRunner) -> None:
        """Workers came or went while users were to be held: a dispatch on its way sees to it, else one begins."""
        dispatcher = runner._users_dispatcher  # noqa: SLF001  # Locust makes it, and tells it of workers, but not us
        if not isinstance(dispatcher, Dispatcher) or not dispatcher.unsettled:
            return
        if self._dispatch is not None and self._dispatch.ready():
            if runner.state == STATE_STOPPED:  # so Locust calls it when all were silent for a moment
                runner.update_state(STATE_RUNNING)
            self._begin_dispatch()

    def _end_dispatch(self) -> None:
        for greenlet in (self._dispatch, self._runner.spawning_greenlet):
            if greenlet is not None and not greenlet.ready():
                greenlet.kill()

    def _drain(self) -> None:
        self._end_dispatch()
        self._dispatch = None
        self._storms.load_ended()
        self._enter(Phase.DRAIN)
        self._ask(Command.DRAIN, 2 * self._plan.load.drain_s + SPARE_S)

    def _check(self) -> None:
        self._enter(Phase.INVARIANTS)
        within_s = self._manifest.profile.task_timeout_s + 2 * self._manifest.profile.request_timeout_s + SPARE_S
        self._write_invariants(self._ask(Command.CHECK_TASKS, within_s, self.roster.reachable()))
        self._write_invariants(self._ask(Command.CHECK_SUPPLY, within_s, self.roster.living()[:1]))

    def _write_invariants(self, answers: dict[str, dict[str, Any]]) -> None:
        for worker, answer in answers.items():
            for name, found in answer.get("invariants", {}).items():
                self.timeline.write(EventKind.INVARIANT, name=name, worker=worker, **found)

    def _close(self) -> None:
        for worker, answer in self._ask(Command.CLOSE, CLOSE_WITHIN_S).items():
            if answer.get("accounts_left"):
                message = f"{worker}: {answer['accounts_left']} test accounts could not be removed"
                self.timeline.write(EventKind.WARNING, message=message)
            if answer.get("defects"):
                self._fail(ExitCode.HARNESS_DEFECT, f"{worker}: journeys raised {answer['defects']} exceptions")

    def _ask(self, command: Command, within_s: float, members: list[Member] | None = None) -> dict[str, Any]:
        asked = self.roster.living() if members is None else members
        answers = self.roster.ask(command, asked, within_s)
        for worker, answer in answers.items():
            if answer.get("exit_code") == ExitCode.TARGET_UNREACHABLE:
                raise TargetUnreachable(str(answer["error"]))
            if answer.get("exit_code") == ExitCode.BAD_INPUT:
                raise BadInput(str(answer["error"]))
            if "error" in answer:
                self._fail(ExitCode.HARNESS_DEFECT, f"{worker} could not {command}: {answer['error']}")
        silent = [member.name for member in asked if member.name not in answers and member.state != "left"]
        if silent:
            message = f"{', '.join(silent)} did not answer to {command} within {within_s:g} s"
            self.timeline.write(EventKind.WARNING, message=message)
        return answers

    # Beside the run

    def _watch(self) -> None:
        watch = ProcessWatch("master")
        while True:
            gevent.sleep(1)
            forget_past(self._runner.stats, keep_history=self._keep_history)
            if isinstance(self._runner, MasterRunner):
                self.collector.write_readings([asdict(watch.read())])
                self._forget_missing(self._runner)
                self._redistribute(self._runner)
                self._name_refused()
            self.roster.find_lost()
            if self.phase in {Phase.WARM_UP, Phase.LOAD} and not self.roster.living() and not self._stop.is_set():
                self._fail(ExitCode.HARNESS_DEFECT, "all workers are gone")
                self.stop()

    def _name_refused(self) -> None:
        while DOORMAN.messages:
            self.timeline.write(EventKind.WARNING, message=f"master: {DOORMAN.messages.popleft()}")

    @staticmethod
    def _forget_missing(runner: MasterRunner) -> None:
        """Locust would start all users afresh, from none, a minute after it lost a worker; the run goes on instead."""
        for client in runner.clients.all:
            if client.state == STATE_MISSING and client.heartbeat < FORGET_MISSING_AFTER_BEATS:
                del runner.clients[client.id]
