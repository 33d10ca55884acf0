"""The command line of the harness."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from analysis.words import counted
from chaos.directory_ledger import DirectoryLedger
from chaos.ledger import default_ledger, open_ledger
from chaos.recover import recover_all
from gameday.capacity.command import Wishes, capacity_job
from gameday.check_report import check_lines
from gameday.cluster.commands import k8s
from gameday.conductor import Job, View, conduct
from gameday.inputs import (
    check_run_id,
    default_directory,
    discard_unused,
    out_option,
    plain_option,
    plan_argument,
    read_checked,
    require_ledger,
    require_secrets,
    state_option,
    tell_undecidable,
)
from gameday.live_view import LiveView
from gameday.locust_processes import Address, MetricsAt, require_free, worker_command
from gameday.openapi import profile_text, read_openapi, write_profile
from gameday.options import Overrides
from gameday.plain_view import PlainView
from gameday.recovery_report import print_recovery
from gameday.sources import load_plan, packaged
from gameday.starter import write_starter_files
from gameday.verdict_command import judge_and_print
from journal.collecting import collect
from journal.environment import LOAD_SECRET, load_secret
from journal.errors import CommandError, GamedayError, Problem
from journal.exit_codes import ExitCode, gravest
from journal.run_directory import RunDirectory, make_run_directory, new_run_id
from journal.spool import open_spool

_EXIT_CODES = "Exit codes: " + " · ".join(f"{code.value} {code.meaning}" for code in ExitCode)

_DEFECT_HELP = "Plants a defect in the embedded target, may be repeated; `gameday target up --defect list` names them."

_profile_option = click.option(
    "--profile", default="embedded", show_default=True, help="Name or file of the target's profile."
)


@click.group(epilog=_EXIT_CODES)
@click.version_option(package_name="aia-gameday", prog_name="gameday")
def gameday() -> None:
    """Load and chaos game days for the AIA platform, with a verdict that can be trusted."""


@gameday.command()
@plan_argument
@_profile_option
@state_option
@out_option
@click.option("--seed", type=click.IntRange(min=0), help="Replaces the plan's seed.")
@click.option("--defect", "defects", multiple=True, metavar="SPEC", help=_DEFECT_HELP)
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, help="Serves Prometheus metrics of the run.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address that serves them.")
@click.option("--run-id", callback=check_run_id, metavar="ID", help="The id of the run (default: a new one).")
@click.option(
    "--workers-at", metavar="HOST:PORT", help="Await the workers there (`gameday worker`), instead of starting them."
)
@plain_option
def run(
    *,
    plan: str,
    profile: str,
    state_file: str,
    out: Path | None,
    seed: int | None,
    defects: tuple[str, ...],
    metrics_port: int,
    metrics_host: str,
    run_id: str | None,
    workers_at: str | None,
    plain: bool,
) -> ExitCode:
    """Runs PLAN (a file, or the name of one that comes with the harness) and exits by its verdict."""
    address = Address.parse(workers_at, "--workers-at") if workers_at is not None else None
    if address is not None:
        require_free(address, "--workers-at")
    if metrics_port:
        require_free(Address(metrics_host, metrics_port), "--metrics-host, --metrics-port")
    if address is not None and not load_secret():
        click.echo(f"note: whoever reaches {workers_at} can pass for a worker; set {LOAD_SECRET} here and there")
    checked = read_checked(plan, profile, Overrides(state_file=state_file, seed=seed, defects=defects))
    if address is None:
        require_secrets(checked.profile)
    require_ledger(checked.plan)
    tell_undecidable(checked)
    if address is not None:
        wanted = counted(checked.plan.load.workers, "worker")
        click.echo(f"awaiting {wanted}, each started by: gameday worker --master {workers_at}")
    job = Job(
        checked.plan,
        checked.profile,
        run=make_run_directory(out or default_directory(checked.plan.name)),
        command=("gameday", *sys.argv[1:]),
        run_id=run_id or new_run_id(),
        workers_at=address,
        metrics=MetricsAt(metrics_host, metrics_port),
    )
    return _conduct_and_judge(job, plain=plain)


@gameday.command()
@click.option("--master", required=True, metavar="HOST:PORT", help="Where `gameday run --workers-at` listens.")
def worker(master: str) -> None:
    """Generates load for a master elsewhere: waits for it, does what it says, ends with it.

    Where GAMEDAY_LOAD_SECRET, or the file that GAMEDAY_LOAD_SECRET_FILE names, holds a secret, the master must have the
    same one. What a killed master did not take lies in GAMEDAY_SPOOL_DIR (default: runs/spool) for `gameday collect`.
    """
    command = worker_command(Address.parse(master, "--master"))
    load_secret()
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # becomes the worker itself


@gameday.command()
@click.argument("plan", metavar="[PLAN]", default="capacity")
@_profile_option
@state_option
@out_option
@click.option("--seed", type=click.IntRange(min=0), help="Replaces the plan's seed.")
@click.option("--defect", "defects", multiple=True, metavar="SPEC", help=_DEFECT_HELP)
@click.option(
    "--start",
    type=click.IntRange(min=1),
    help="The first level, in users or arrivals/s (default: the plan's first stage).",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    help="Never more than this (default: the profile's limit; of arrivals/s, what the plan's max_in_flight carries).",
)
@click.option(
    "--resolution",
    type=click.FloatRange(0.01, 1),
    default=0.1,
    show_default=True,
    help="Width of the interval that is narrow enough, as a share of its upper end.",
)
@click.option("--level-s", type=click.IntRange(1, 3600), default=24, show_default=True, help="Seconds of a first look.")
@click.option("--settle-s", type=click.FloatRange(0, 600), default=4, show_default=True, help="Seconds before each.")
@click.option(
    "--max-duration", "max_duration_s", type=click.FloatRange(10, 86400), default=1800, show_default=True, metavar="S"
)
@click.option(
    "--at-least", type=click.IntRange(min=1), help="Exit 1 when it carries fewer users, or arrivals/s, than this."
)
@click.option("--with-fault", "experiment", metavar="EXPERIMENT", help="Search again while its fault is held.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A value of that experiment.")
def capacity(
    *,
    plan: str,
    profile: str,
    state_file: str,
    out: Path | None,
    seed: int | None,
    defects: tuple[str, ...],
    **wishes: Any,
) -> ExitCode:
    """Finds how many users the target carries within its SLO, or arrivals per second, as an interval.

    PLAN gives journeys, think time and SLO; its stages only say where to begin. A plan with load.arrivals is searched
    in arrivals per second.
    """
    overrides = Overrides(state_file=state_file, seed=seed, defects=defects)
    job = capacity_job(plan, profile, overrides, Wishes(**wishes), out)
    return _conduct_and_judge(job, plain=True)


def _conduct_and_judge(job: Job, *, plain: bool) -> ExitCode:
    code = _conduct(job, plain=plain)
    if not job.run.manifest.exists():
        discard_unused(job.run)
        return code
    judged = judge_and_print(job.run)
    final = gravest(judged, code)
    if final != judged:
        click.echo(f"Exit {final.value} instead: {final.meaning}.")
    return final


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


@gameday.command()
@plan_argument
@_profile_option
@state_option
def check(plan: str, profile: str, state_file: str) -> ExitCode:
    """Checks PLAN against the profile and predicts the samples of each gate; sends nothing.

    Exits 3 when a required gate cannot decide.
    """
    checked = read_checked(plan, profile, Overrides(state_file=state_file))
    for line in check_lines(checked):
        click.echo(line)
    return ExitCode.INCONCLUSIVE if checked.undecidable else ExitCode.PASS


@gameday.command()
@click.argument("run_directory", metavar="RUN", type=click.Path(path_type=Path))
def report(run_directory: Path) -> ExitCode:
    """Judges the run directory RUN again, writes its reports, and exits by the verdict.

    What workers of this machine left in RUN/spool is collected first.
    """
    found = collect(RunDirectory(run_directory), [RunDirectory(run_directory).spool])
    if found.parcels:
        click.echo(str(found))
    return judge_and_print(RunDirectory(run_directory))


@gameday.command("collect")
@click.argument("run_directory", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("spools", metavar="[SPOOL]...", nargs=-1, type=click.Path(path_type=Path, exists=True))
def collect_command(run_directory: Path, spools: tuple[Path, ...]) -> ExitCode:
    """Brings into RUN what its workers could not hand over to their master, each second once; then judge it again.

    SPOOL is a spool file or a folder of them, such as one copied from a worker's machine (default: RUN/spool). Spools
    of other runs are left alone.
    """
    run = RunDirectory(run_directory)
    remedy = "name a file NAME.spool, or the folder in which they lie"
    unusable = [path for path in spools if not path.is_dir() and open_spool(path) is None]
    if unusable:
        raise CommandError(Problem(str(path), "is no spool of a worker", remedy) for path in unusable)
    click.echo(str(collect(run, spools or [run.spool])))
    return ExitCode.PASS


@gameday.command()
@click.option("--ledger", metavar="LEDGER", help="A directory, or kubernetes:NAMESPACE/NAME (default: this machine's).")
def recover(ledger: str | None) -> ExitCode:
    """Reverts every fault that is still open on this machine, or in a cluster; safe to call at any time."""
    found = open_ledger(ledger) if ledger else default_ledger(os.environ)
    if ledger and isinstance(found, DirectoryLedger) and not found.directory.exists():
        remedy = "leave --ledger out for this machine's own"
        raise CommandError([Problem(f"--ledger {ledger}", "there is no such directory", remedy)])
    return print_recovery(recover_all(found))


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
        click.echo(f"{name:<14} {load_plan(str(path)).description}")
    return ExitCode.PASS


gameday.add_command(k8s)


@gameday.group()
def profile() -> None:
    """Profiles of targets."""


@profile.command("from-openapi")
@click.argument("source", metavar="URL|FILE")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write (default: print it).")
@click.option("--base-url", help="Where the API is (default: the first server of the document).")
def from_openapi(source: str, output: Path | None, base_url: str | None) -> ExitCode:
    """Makes a profile to start from of an OpenAPI 3 document (JSON): what reads runs, what writes has the weight 0."""
    text = profile_text(read_openapi(source), source, base_url)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_profile(text, output)
        click.echo(f"wrote {output}; edit it, then: gameday check smoke --profile {output}")
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
