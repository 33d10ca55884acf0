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
from gameday.live_view import LiveView
from gameday.plain_view import PlainView
from gameday.stop_signals import StopSignals
from gameday.verdict_command import judge_and_print
from journal.errors import ClusterRefused, ClusterUnreachable, GamedayError
from journal.exit_codes import ExitCode, gravest

_LOG_LINES = 20


def see_through(run: ClusterRun, stop: StopSignals, *, keep: bool, plain: bool) -> ExitCode:
    """The rest of a run whose objects are in the cluster; its exit code.

    Raises:
        NeverStarted: its pods cannot start; it was cleaned up, unless it is to be kept.
        ClusterUnreachable: the cluster did not answer for too long; the run goes on.
    """
    follower = Follower(run, stop)
    try:
        follower.await_start()
        with _view(run, plain=plain) as view:
            conductor = follower.follow(view)
    except NeverStarted:
        _removed(run, keep=keep)
        raise
    code = _brought_home(run, conductor)
    return gravest(code, _removed(run, keep=keep), ExitCode.INTERRUPTED if stop.received else ExitCode.PASS)


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
    if conductor.was_cut_off:
        why = f" ({conductor.reason})" if conductor.reason else ""
        say(f"the conductor was cut off{why}; what it wrote is judged")
    if not has_volume(run):
        say("the run did not begin, and there is nothing to fetch")
        return ExitCode.INTERRUPTED
    fetch_rest(run, say)
    if not run.local.manifest.exists():
        _say_last_words(run, conductor)
        return conductor.own_code or ExitCode.HARNESS_DEFECT
    return gravest(_told(lambda: await_reaper(run)), _told(lambda: judge_and_print(run.local)), conductor.own_code)


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
