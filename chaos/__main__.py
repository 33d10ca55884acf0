"""`python -m chaos`: run one experiment, or list what there is."""

import os
import sys
import traceback
from pathlib import Path

import click

from chaos.actions import operation
from chaos.context import BASE_URL, EXPERIMENT, FAULT_ID, RUN, STATE_FILE
from chaos.experiment import experiment_names, prepare_experiment, read_experiment
from chaos.interruption import Interruption
from chaos.runner import Observations, judge, run_and_revert
from chaos.toolkit_files import send_log_to, write_journal
from journal.errors import CommandError, GamedayError, Problem
from journal.exit_codes import ExitCode
from journal.run_directory import RunDirectory

_interruption = Interruption()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Break one thing, and always undo it."""


@cli.command("list")
def list_command() -> None:
    """List the experiments and what can be set in each."""
    for name in experiment_names():
        _, document = read_experiment(name)
        settings = (f"{key}={value}" for key, value in document["configuration"].items() if not isinstance(value, dict))
        click.echo(f"{name}: {document['title']}\n    {' '.join(settings)}")


@cli.command("run")
@click.argument("experiment")
@click.option("--fault-id", default="F1", show_default=True, help="The fault's name in the timeline and the ledger.")
@click.option("--run", "run_directory", type=click.Path(path_type=Path), help="The run directory that it belongs to.")
@click.option("--state-file", type=click.Path(path_type=Path), help="The target's state file.")
@click.option("--base-url", help="The target's address; the default is what the run or the state file says.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Replace a value of the configuration.")
@click.option("--journal", type=click.Path(path_type=Path), help="Where to write Chaos Toolkit's journal.")
def run_command(
    *,
    experiment: str,
    fault_id: str,
    run_directory: Path | None,
    state_file: Path | None,
    base_url: str | None,
    settings: tuple[str, ...],
    journal: Path | None,
) -> None:
    """Run EXPERIMENT, the name of one or a YAML file, and revert it.

    Exits 0 when the fault had its effect, is proven to be reverted, and the steady state was met before and after.
    """
    given = {FAULT_ID: fault_id, RUN: run_directory, STATE_FILE: state_file, BASE_URL: base_url}
    os.environ.update({name: str(value) for name, value in given.items() if value})
    if journal and not journal.absolute().parent.is_dir():
        raise CommandError([Problem(str(journal), "there is no such folder to write the journal to")])
    if run_directory and (logs := RunDirectory(run_directory).logs).is_dir():
        send_log_to(logs / f"{fault_id}-chaostoolkit.log")
        journal = journal or logs / f"{fault_id}-journal.json"
    else:
        send_log_to(None)
    sys.exit(_run(experiment, settings, journal))


def _run(source: str, settings: tuple[str, ...], journal: Path | None) -> ExitCode:
    read_experiment(source)  # a wrong name should be told before a target that is not there
    os.environ[EXPERIMENT] = Path(source).stem
    os.environ.update(operation().context.variables())
    seen = run_and_revert(prepare_experiment(source, settings), operation(), _interruption)
    code = judge(operation(), seen)
    _tell(seen, code)
    if journal and seen.journal:
        write_journal(journal, seen.journal)
    return code


def _tell(seen: Observations, code: ExitCode) -> None:
    steps = ", ".join(operation().states) or "nothing was injected"
    click.echo(f"{operation().context.fault_id}: {steps}")
    reasons = [*seen.unmet, *seen.failures]
    if operation().refusal:
        reasons.append(f"refused: {operation().refusal}")
    if seen.interrupted_by:
        reasons.append(f"interrupted by {seen.interrupted_by}")
    for reason in reasons:
        click.echo(f"  {reason}", err=True)
    if code is ExitCode.NOT_REVERTED:
        click.echo("  the fault may still be in force; see: gameday recover", err=True)


def main() -> int:
    """The command line, with the exit codes of the harness. Never a traceback for anything foreseen."""
    _interruption.install()
    try:
        cli(prog_name="python -m chaos", standalone_mode=False)
    except GamedayError as error:
        click.echo(f"{error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except Exception:  # noqa: BLE001  # a defect of ours; Python's own exit code for it would read "fail"
        traceback.print_exc()
        return ExitCode.HARNESS_DEFECT
    return ExitCode.PASS


if __name__ == "__main__":
    sys.exit(main())
