"""The command line of the harness."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from chaos.ledger import default_ledger, open_ledger
from chaos.recover import recover_all
from gameday.check_report import Checked, check_lines
from gameday.conductor import Job, View, conduct
from gameday.forecast import describe_journeys, forecast_gates
from gameday.live_view import LiveView
from gameday.options import Overrides, overridden
from gameday.plain_view import PlainView
from gameday.preflight import check_plan, check_profile
from gameday.sources import load_plan, load_profile, packaged
from gameday.starter import write_starter_files
from gameday.verdict_command import judge_and_print
from journal.errors import BadInput, GamedayError, Problem
from journal.exit_codes import ExitCode, gravest
from journal.plan import Plan
from journal.profile import Profile
from journal.run_directory import RunDirectory, make_run_directory

_EXIT_CODES = "Exit codes: " + " · ".join(f"{code.value} {code.meaning}" for code in ExitCode)


@click.group(epilog=_EXIT_CODES)
@click.version_option(package_name="aia-gameday", prog_name="gameday")
def gameday() -> None:
    """Load and chaos game days for the AIA platform, with a verdict that can be trusted."""


def _plan_and_profile(plan: str, profile: str, overrides: Overrides) -> tuple[Plan, Profile]:
    """Both records, or one error with the problems of both."""
    problems: list[Problem] = []
    records: list[Plan | Profile] = []
    for load, name in ((load_plan, plan), (load_profile, profile)):
        try:
            records.append(load(name))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    checked_plan, checked_profile = records
    assert isinstance(checked_plan, Plan)
    assert isinstance(checked_profile, Profile)
    return overridden(checked_plan, checked_profile, overrides)


def _check(plan: Plan, profile: Profile) -> Checked:
    check_profile(profile)
    journeys = describe_journeys()
    check_plan(plan, profile, journeys)
    return Checked(plan, profile, list(forecast_gates(plan, journeys)))


_plan_argument = click.argument("plan", metavar="PLAN")
_profile_option = click.option(
    "--profile", default="embedded", show_default=True, help="Name or file of the target's profile."
)
_state_option = click.option(
    "--state-file", default="", metavar="FILE", help="Use the running target that wrote this state file."
)


@gameday.command()
@_plan_argument
@_profile_option
@_state_option
@click.option("--out", type=click.Path(path_type=Path), help="The run directory to make (default: runs/TIME-PLAN).")
@click.option("--seed", type=click.IntRange(min=0), help="Replaces the plan's seed.")
@click.option("--defect", "defects", multiple=True, help="Plants a defect in the embedded target; see the documents.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, help="Serves Prometheus metrics of the run.")
@click.option("--plain", is_flag=True, help="Plain lines instead of the live view.")
def run(
    *,
    plan: str,
    profile: str,
    state_file: str,
    out: Path | None,
    seed: int | None,
    defects: tuple[str, ...],
    metrics_port: int,
    plain: bool,
) -> ExitCode:
    """Runs PLAN (a file, or the name of one that comes with the harness) and exits by its verdict."""
    overrides = Overrides(state_file=state_file, seed=seed, defects=defects)
    checked = _check(*_plan_and_profile(plan, profile, overrides))
    for gate in checked.undecidable:
        click.echo(
            f"note: {gate.gate} of {gate.subject} will get about {gate.samples} samples, {gate.needed} are needed"
        )
    directory = make_run_directory(out or _default_directory(checked.plan.name))
    job = Job(checked.plan, checked.profile, directory, ("gameday", *sys.argv[1:]), metrics_port=metrics_port)
    code = _conduct(job, plain=plain)
    if not directory.manifest.exists():
        _discard(directory)
        return code
    return gravest(judge_and_print(directory), code)


def _conduct(job: Job, *, plain: bool) -> ExitCode:
    """Conducts the job; what went wrong is printed and becomes an exit code, so that the run is judged all the same."""
    console = Console()
    try:
        if plain or not console.is_terminal:
            click.echo(f"run directory {job.run.path}")
            conduct(job, PlainView())
        else:
            with LiveView(job.plan, job.run.path.name, console) as view:
                _typed: View = view
                conduct(job, _typed)
    except GamedayError as error:
        click.echo(f"gameday: {error}", err=True)
        return error.exit_code
    return ExitCode.PASS


def _default_directory(name: str) -> Path:
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = "".join(character if character.isalnum() or character in "-_" else "-" for character in name)
    return Path("runs") / f"{stamp}-{safe}"


def _discard(directory: RunDirectory) -> None:
    """A run that never began leaves only its logs, and those only if they say something."""
    for log in directory.logs.iterdir():
        if not log.stat().st_size:
            log.unlink()
    if not any(directory.logs.iterdir()):
        directory.logs.rmdir()
        directory.path.rmdir()


@gameday.command()
@_plan_argument
@_profile_option
@_state_option
def check(plan: str, profile: str, state_file: str) -> ExitCode:
    """Checks PLAN against the profile and predicts the samples of each gate; sends nothing.

    Exits 3 when a required gate cannot decide.
    """
    checked = _check(*_plan_and_profile(plan, profile, Overrides(state_file=state_file)))
    for line in check_lines(checked):
        click.echo(line)
    return ExitCode.INCONCLUSIVE if checked.undecidable else ExitCode.PASS


@gameday.command()
@click.argument("run_directory", metavar="RUN", type=click.Path(path_type=Path))
def report(run_directory: Path) -> ExitCode:
    """Judges the run directory RUN again, writes its reports, and exits by the verdict."""
    return judge_and_print(RunDirectory(run_directory))


@gameday.command()
@click.option("--ledger", metavar="LEDGER", help="A directory, or kubernetes:NAMESPACE/NAME (default: this machine's).")
def recover(ledger: str | None) -> ExitCode:
    """Reverts every fault that is still open on this machine, or in a cluster; safe to call at any time."""
    recovery = recover_all(open_ledger(ledger) if ledger else default_ledger(os.environ))
    for record in recovery.reverted:
        click.echo(f"reverted {record.label}")
    for problem in recovery.failed:
        click.echo(f"gameday: {problem}", err=True)
    if not recovery.reverted and not recovery.failed:
        click.echo("nothing to recover: no fault is open")
    return ExitCode.PASS if recovery.complete else ExitCode.NOT_REVERTED


@gameday.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> ExitCode:
    """Writes a plan and a profile to start from into FOLDER; overwrites nothing."""
    for path in write_starter_files(folder):
        click.echo(f"wrote {path}")
    click.echo(f"edit them, then: gameday check {folder / 'plan.yaml'} --profile {folder / 'profile.yaml'}")
    return ExitCode.PASS


@gameday.command()
def plans() -> ExitCode:
    """Lists the plans that come with the harness."""
    for name, path in packaged("plan").items():
        click.echo(f"{name:<12} {load_plan(str(path)).description}")
    return ExitCode.PASS


@gameday.group()
def target() -> None:
    """The embedded reference AIA."""


@target.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def up(options: tuple[str, ...]) -> None:
    """Starts the reference AIA in the foreground and prints its URL; --help lists its options."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "target", *options])  # noqa: S606  # becomes the target itself
