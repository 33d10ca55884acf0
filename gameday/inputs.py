"""Plan and profile as commands take them: named by file or name, overridden, and held against each other."""

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from chaos.directory_ledger import DirectoryLedger
from chaos.ledger import LEDGER, default_ledger
from gameday.check_report import Checked
from gameday.cluster.names import NAMED, is_namespace
from gameday.forecast import describe_journeys, expected_in_flight, forecast_gates
from gameday.options import Overrides, overridden
from gameday.preflight import check_plan, check_profile
from gameday.sources import load_plan, load_profile, with_line
from journal.errors import BadInput, CommandError, Problem, ProfileError
from journal.plan import Plan
from journal.profile import Profile, with_planned_mix
from journal.run_directory import RunDirectory

plan_argument = click.argument("plan", metavar="PLAN")
state_option = click.option(
    "--state-file", default="", metavar="FILE", help="Use the running target that wrote this state file."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="The run directory to make (default: runs/TIME-PLAN)."
)
plain_option = click.option("--plain", is_flag=True, help="Plain lines instead of the live view.")


def check_run_id(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Checks the id of a run, as click calls it."""
    if value is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", value):
        raise click.BadParameter("a run id has up to 32 lower-case letters, digits and hyphens")
    return value


def check_namespace(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Checks the name of a namespace, as click calls it: it becomes part of the API's paths."""
    if not is_namespace(value):
        raise click.BadParameter(NAMED)
    return value


def read_checked(plan: str, profile: str, overrides: Overrides) -> Checked:
    """Both records, which fit together, with the forecast of each gate; sends nothing.

    Raises:
        BadInput: with every problem of both.
    """
    records = plan_and_profile(plan, profile, overrides)
    try:
        return check_together(*records)
    except BadInput as error:
        names = {"plan": plan, "profile": profile}
        raise BadInput(with_line(problem, names) for problem in error.problems) from None


def plan_and_profile(plan: str, profile: str, overrides: Overrides) -> tuple[Plan, Profile]:
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
    checked_plan, checked_profile = overridden(checked_plan, checked_profile, overrides)
    return with_planned_mix(checked_plan, checked_profile), checked_profile


def check_together(plan: Plan, profile: Profile) -> Checked:
    """Holds both records against each other and against the journeys. Raises BadInput."""
    check_profile(profile)
    journeys = describe_journeys(profile)
    check_plan(plan, profile, journeys)
    forecasts = list(forecast_gates(plan, journeys))
    return Checked(plan, profile, forecasts, expected_in_flight(plan, journeys))


def require_secrets(profile: Profile) -> None:
    """Raises ProfileError with each secret that is not set here, where the workers will run."""
    unset = [name for name in profile.secret_variables().values() if not os.environ.get(name)]
    if unset:
        raise ProfileError(
            Problem(f"profile: secrets: {name}", "is not set", "set it before the run") for name in unset
        )


def require_ledger(plan: Plan) -> None:
    """Raises CommandError when the plan has faults and the ledger of this machine could not hold their records."""
    if not plan.faults:
        return
    ledger = default_ledger(os.environ)
    if isinstance(ledger, DirectoryLedger):
        try:
            ledger.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            what = f"the ledger {ledger.directory} cannot be written: {error.strerror}; without it there is no fault"
            raise CommandError([Problem("ledger", what, f"name another directory in {LEDGER}")]) from error


def tell_undecidable(checked: Checked) -> None:
    """Prints which gates will not get the samples that they need."""
    for gate in checked.undecidable:
        click.echo(
            f"note: {gate.gate} of {gate.subject} will get about {gate.samples} samples, {gate.needed} are needed"
        )


def default_directory(name: str) -> Path:
    """Where the run of a plan goes when nobody says where."""
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = "".join(character if character.isalnum() or character in "-_" else "-" for character in name)
    return Path("runs") / f"{stamp}-{safe}"


def discard_unused(directory: RunDirectory) -> None:
    """A run that never began leaves only its logs, and those only if they say something."""
    for log in directory.logs.iterdir():
        if not log.stat().st_size:
            log.unlink()
    if not any(directory.logs.iterdir()):
        directory.logs.rmdir()
    if not any(directory.path.iterdir()):
        directory.path.rmdir()
