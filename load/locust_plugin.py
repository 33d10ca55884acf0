"""Where the load package takes hold of Locust: options, start, signals and end. Imported by `load.journey`."""

import os
import signal
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import events
from locust.env import Environment
from locust.rpc.zmqrpc import BaseSocket
from locust.runners import MasterRunner, Runner, WorkerRunner

from journal.environment import LOAD_SECRET, LOAD_SECRET_FILE, load_secret
from journal.errors import BadInput, CommandError, Problem
from journal.exit_codes import ExitCode, gravest
from journal.profile import planned_mix
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Timeline
from load import standalone
from load.arrivals.weights import weigh_by_time
from load.context import expect_context
from load.described.user import add_described
from load.distributed.dispatcher import Dispatcher
from load.distributed.fence import fence_in
from load.distributed.master import Master
from load.distributed.metrics import Metrics
from load.distributed.worker import ORPHAN_LEAVES_WITHIN_S, Worker, spool_folder
from load.mix import apply_mix, journeys_of, mix_of

_LEAVE_WITHIN_S = 40.0


def add_options(parser: Any, **_: Any) -> None:
    """Our options beside Locust's own."""
    group = parser.add_argument_group("Game day")
    group.add_argument(
        "--run-dir", default="", help="Run directory that holds a manifest already (default: make one under runs/)"
    )
    group.add_argument("--metrics-port", type=int, default=0, help="Port for Prometheus metrics of the run (0: none)")
    group.add_argument("--metrics-host", default="127.0.0.1", help="Address that serves these metrics")
    # without a shared secret, whoever can reach the master's port can load and run its files
    parser.set_defaults(master_bind_host="127.0.0.1")


def end_when_asked() -> None:
    """Handles SIGTERM until Locust does, which is late: a worker may have to wait for its master for minutes.

    The first process of a container ignores every signal that it does not handle.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(int(ExitCode.INTERRUPTED)))


def put_up_fence() -> None:
    """Fences the traffic in before Locust opens its sockets. A secret that is none ends the process with a message."""
    try:
        fence_in(load_secret(), BaseSocket)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    for name in (LOAD_SECRET, LOAD_SECRET_FILE):
        os.environ.pop(name, None)  # no child process needs it


def take_over(environment: Environment, runner: Runner, web_ui: Any = None, **_: Any) -> None:
    """Gives this process its part. Bad input ends it here with a message."""
    try:
        if isinstance(runner, WorkerRunner):
            WorkerProcess(environment, runner)
        else:
            if web_ui is not None:
                raise CommandError([Problem("locust", "runs are made without the web page", "add --headless")])
            MasterProcess(environment, runner)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


class WorkerProcess:
    """A process with users of its own and a master elsewhere."""

    def __init__(self, environment: Environment, runner: WorkerRunner) -> None:
        self._environment = environment
        self._runner = runner
        self._connected_s = time.time()
        self._worker = Worker(environment, runner, runner.send_message)
        self._worker.start()
        self._worker.watch_master(self._master_is_silent, self._give_up)
        environment.events.quitting.add_listener(self._leave)
        self._interrupts = 0
        gevent.signal_handler(signal.SIGINT, self._interrupted)

    def _interrupted(self) -> None:
        """Ctrl-C reaches every process of a terminal: the first is left to the master, the second is obeyed."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._leave()
            self._runner.quit()

    def _master_is_silent(self, for_s: float) -> bool:
        return time.time() - (self._runner.last_heartbeat_timestamp or self._connected_s) > for_s

    def _give_up(self) -> None:
        sys.stderr.write("the master is silent: this worker ends; what it could not hand over is in its spool\n")
        sys.stderr.flush()
        self._environment.process_exit_code = int(ExitCode.HARNESS_DEFECT)
        _end_within(ORPHAN_LEAVES_WITHIN_S)
        self._leave()
        self._runner.quit()

    def _leave(self, **_: Any) -> None:
        _end_within(_LEAVE_WITHIN_S)
        self._worker.leave()
        if self._environment.process_exit_code is None:
            self._environment.process_exit_code = int(ExitCode.PASS)


class MasterProcess:
    """A process that conducts a load: with workers elsewhere, or with users of its own in a local run."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options = options = _options(environment)
        self._conducted = bool(options.run_dir)
        self._limited = bool(options.run_time)
        self._run = RunDirectory(Path(options.run_dir)) if self._conducted else self._make_run()
        self._signal = ""
        self._quitting = False
        self._settled = Event()
        self._verdict = ""
        self._prepare_locust()
        self._master = Master(environment, runner, runner.send_message, self._run)
        self._start()

    def _make_run(self) -> RunDirectory:
        options = self._options
        workers = options.expect_workers if isinstance(self._runner, MasterRunner) else 1
        return standalone.make_run(
            standalone.Options(
                host=self._environment.host,
                users=1 if options.num_users is None else options.num_users,
                spawn_rate_per_s=1 if options.spawn_rate is None else options.spawn_rate,
                duration_s=options.run_time,
                workers=workers,
                mix=mix_of(journeys_of(self._environment.user_classes)),
            )
        )

    def _prepare_locust(self) -> None:
        """Locust itself starts no user and ends nothing by the clock; the plan does."""
        environment, options = self._environment, self._options
        manifest = self._run.read_manifest()
        add_described(environment, manifest.profile)
        apply_mix(environment, planned_mix(manifest.plan, manifest.profile))
        if manifest.plan.load.arrivals is not None:
            weigh_by_time(environment.user_classes, manifest.plan.load)
        environment.dispatcher_class = Dispatcher  # type: ignore[assignment]  # the interface, not a subclass
        if isinstance(self._runner, MasterRunner):
            outlast_silence(self._runner)
        environment.host = manifest.base_url
        environment.stop_timeout = manifest.plan.load.drain_s or 0.1
        options.run_time, options.num_users, options.spawn_rate = None, 0, 1
        # Locust would exit 1 when workers are missing, which reads as a verdict; the master waits for them itself
        self._workers_within_s, options.expect_workers_max_wait = float(options.expect_workers_max_wait or 0), 0
        options.reset_stats = environment.reset_stats = False

    def _start(self) -> None:
        options = self._options
        if not isinstance(self._runner, MasterRunner):
            Worker(self._environment, self._runner, self._runner.send_message).start()
            expected = 1
        else:
            expected = options.expect_workers
        if options.metrics_port:
            Metrics(self._run, self._master.collector).serve(options.metrics_port, options.metrics_host)
        self._master.start(expected, self._workers_within_s)
        gevent.spawn(self._quit_when_done)
        gevent.signal_handler(signal.SIGINT, self._interrupted, "SIGINT")
        gevent.signal_handler(signal.SIGTERM, self._interrupted, "SIGTERM")
        self._environment.events.quitting.add_listener(self._end_in_order)
        self._environment.events.quit.add_listener(self._say_verdict)

    def _interrupted(self, name: str) -> None:
        if self._signal:
            self._master.hurry()
        self._signal = self._signal or name
        self._master.stop()

    def _quit_when_done(self) -> None:
        self._master.done.wait()
        if not self._quitting:
            # while Locust waits for workers that never came, its main loop does not see that the runner quit
            self._options.expect_workers = 0
            self._runner.quit()

    def _end_in_order(self, **_: Any) -> None:
        """Waits for the end of the run, however Locust came to quit, and settles the exit code."""
        if self._quitting:
            self._settled.wait()
            return
        self._quitting = True
        self._master.stop()
        self._master.done.wait()
        code = self._master.exit_code
        if self._master.message:
            sys.stderr.write(f"{self._master.message}\n")
        if not self._conducted:
            code = self._judge(code)
        self._environment.process_exit_code = int(code)
        self._settled.set()

    def _judge(self, code: ExitCode) -> ExitCode:
        if code is ExitCode.TARGET_UNREACHABLE:
            return code
        if self._signal and self._limited:
            code = gravest(code, ExitCode.INTERRUPTED)
            timeline = Timeline(self._run.timeline)
            timeline.write(EventKind.INTERRUPTED, signal=self._signal)
            timeline.close()
        judged, self._verdict = standalone.judge(self._run, spool_folder(os.environ))
        return gravest(code, judged)

    def _say_verdict(self, **_: Any) -> None:
        if self._verdict:
            sys.stdout.write(self._verdict)
            sys.stdout.flush()


def outlast_silence(runner: MasterRunner) -> None:
    """Locust stops the test as soon as it hears no worker; whether they are gone for good is the roster's to say."""
    stop = runner.stop

    def stop_at_the_end(send_stop_to_client: bool = True) -> None:
        if not send_stop_to_client:  # so only `quit` calls it
            stop(send_stop_to_client=False)

    runner.stop = stop_at_the_end  # type: ignore[method-assign]  # Locust makes its runner itself


def _options(environment: Environment) -> Namespace:
    options = environment.parsed_options
    assert isinstance(options, Namespace), "only a program that embeds Locust has no options"
    return options


def _end_within(seconds: float) -> None:
    """The last resort: a process that was told to end does so, even if something in it hangs."""
    gevent.spawn_later(seconds, os._exit, int(ExitCode.HARNESS_DEFECT))


end_when_asked()
expect_context()
put_up_fence()
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(take_over)
