"""Judges a run directory and prints the end of a run."""

import click

from analysis.judge import judge
from analysis.report.write import write_reports
from analysis.terminal import end_lines
from analysis.verdict import write_verdict
from journal.exit_codes import ExitCode
from journal.run_directory import RunDirectory


def judge_and_print(run: RunDirectory) -> ExitCode:
    """Writes verdict and reports into the run directory, prints the verdict, returns its exit code.

    Raises:
        RunDirectoryError: the directory has no readable manifest.
    """
    evidence, verdict = judge(run)
    write_verdict(run.verdict, verdict)
    write_reports(run, evidence, verdict)
    for line in end_lines(run, verdict):
        click.echo(line)
    return verdict.exit
