"""Prints what a recovery has done."""

import click

from chaos.recover import Recovery
from journal.exit_codes import ExitCode


def print_recovery(recovery: Recovery) -> ExitCode:
    """Prints a line for each fault; the exit code that follows."""
    for record in recovery.reverted:
        click.echo(f"reverted {record.label}")
    for problem in recovery.failed:
        click.echo(f"gameday: {problem}", err=True)
    if not recovery.reverted and not recovery.failed:
        click.echo("nothing to recover: no fault is open")
    return ExitCode.PASS if recovery.complete else ExitCode.NOT_REVERTED
