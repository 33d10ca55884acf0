"""Sees a run through, whoever began it: follow, fetch, judge, clean up, exit by the verdict."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from gameday.cluster.clean_up import clean_up
from gameday.cluster.conductor_state import Conductor, Standing
from gameday.cluster.fetching import fetch_rest, has_volume
from gameday.cluster.following import Follower, NeverStarted, say
from gameday.cluster.ledgers import await_reaper
from gameday.cluster.run import CONDUCTOR, ClusterRun
from gameday.conductor import View
from gameday.inputs import discard_unused
from gameday.live_view import LiveView
from gameday.plain_view import PlainView
from gameday.stop_signals import StopSignals
from gameday.verdict_command import judge_and_print
from journal.errors import ClusterRefused, ClusterUnreachable, GamedayError, Interrupted
from journal.exit_codes import ExitCode, gravest
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, Phase, read_timeline

_LOG_LINES = 20


def see_through(run: ClusterRun, stop: StopSignals, *, keep: bool, plain: bool) -> ExitCode:
    """The rest of a run whose objects are in the cluster; its exit code.

    Raises:
        NeverStarted: its pods cannot start; it was cleaned up, unless it is to be kept.
        ClusterUnreachable: the cluster did not answer for too long; the run goes on.
    """
    try:
        conductor = _followed(run, stop, plain=plain)
        code = _brought_home(run, conductor)
    except NeverStarted:
        _removed(run, keep=keep)
        discard_unused(run.local)
        raise
    except Interrupted:
        raise  # its text says how to go on
    except GamedayError:
        say(f"nothing was removed from the cluster; to take the run up again: gameday k8s attach {run.names.run_id}")
        raise
    return gravest(code, _removed(run, keep=keep), ExitCode.INTERRUPTED if stop.received else ExitCode.PASS)


def _followed(run: ClusterRun, stop: StopSignals, *, plain: bool) -> Conductor:
    follower = Follower(run, stop)
    follower.await_start()
    with _view(run, plain=plain) as view:
        return follower.follow(view)


@contextmanager
def _view(run: ClusterRun, *, plain: bool) -> Iterator[View]:
    console = Console()
    if plain or not console.is_terminal:
        yield PlainView()
        return
    with LiveView(run.plan, run.local.path.name, console) as view:
        typed: View = view
        yield typed


def _brought_home(run: ClusterRun, conductor: Conductor) -> ExitCode:
    """Fetches what is missing, hears what the reaper did, and judges it all."""
    if conductor.standing is not Standing.ENDED:
        say("the conductor takes far longer than its plan; what there is, is judged")
    if has_volume(run):
        fetch_rest(run, say)
    elif run.local.manifest.exists():
        say("the volume of the run is gone; what was copied before is judged")
    else:
        say("the run did not begin, and there is nothing to fetch")
        discard_unused(run.local)
        return ExitCode.INTERRUPTED
    if not run.local.manifest.exists():
        _say_last_words(run, conductor)
        discard_unused(run.local)
        return conductor.own_code or ExitCode.HARNESS_DEFECT
    if conductor.was_cut_off and not _ended_in_order(run.local):
        why = f" ({conductor.reason})" if conductor.reason else ""
        say(f"the conductor was cut off{why}; what it wrote is judged")
    return gravest(_told(lambda: await_reaper(run)), _told(lambda: judge_and_print(run.local)), conductor.own_code)


def _ended_in_order(run: RunDirectory) -> bool:
    events, _ = read_timeline(run.timeline)
    return any(event.kind is EventKind.PHASE and event.data.get("phase") == Phase.ENDED for event in events)


def _told(step: Callable[[], ExitCode | None]) -> ExitCode:
    """What goes wrong in a step is told and becomes its code: the steps after it are due all the same."""
    try:
        return step() or ExitCode.PASS
    except GamedayError as error:
        click.echo(f"gameday: {error}", err=True)
        return error.exit_code


def _say_last_words(run: ClusterRun, conductor: Conductor) -> None:
    """What the conductor printed before it ended without a run."""
    say(f"the run did not begin; its conductor ended with code {conductor.exit_code} and said:")
    path = f"{run.names.path('pods')}/{conductor.pod}/log"
    try:
        click.echo(run.api.text(path, container=CONDUCTOR, tailLines=_LOG_LINES) if conductor.pod else "", err=True)
    except (ClusterRefused, ClusterUnreachable) as error:
        click.echo(f"its log cannot be read: {error}", err=True)


def _removed(run: ClusterRun, *, keep: bool) -> ExitCode:
    if keep:
        say(f"everything stays in the cluster; to remove it: gameday k8s attach {run.names.run_id}")
        return ExitCode.PASS
    code = _told(lambda: clean_up(run))
    if code is ExitCode.PASS:
        say(f"run {run.names.run_id} is removed from the cluster")
    return code
