"""Judges a run directory and prints the end of a run."""

import click

from analysis.__main__ import judge_and_say
from journal.exit_codes import ExitCode
from journal.run_directory import RunDirectory


def judge_and_print(run: RunDirectory) -> ExitCode:
    """Writes verdict and reports into the run directory, prints the verdict, returns its exit code.

    Raises:
        RunDirectoryError: the directory has no readable manifest.
    """
    lines, code = judge_and_say(run)
    for line in lines:
        click.echo(line)
    return code
