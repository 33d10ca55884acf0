"""Runs the command line, and turns whatever ends it into the exit codes of the design."""

import os
import signal
import sys
import traceback
from typing import NoReturn

import click

# the first process of a container ignores every signal that it does not handle, and the imports below take a second
if os.getpid() == 1:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(130))

from gameday.cli import gameday
from journal.errors import GamedayError
from journal.exit_codes import ExitCode


def main() -> NoReturn:
    """The entry point of the command `gameday`."""
    sys.exit(int(_run()))


def _run() -> ExitCode:
    try:
        result = gameday.main(prog_name="gameday", standalone_mode=False)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except GamedayError as error:
        click.echo(f"gameday: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.PASS
    except Exception:  # noqa: BLE001  # the last line of defence: Python's own code for a crash, 1, would read "fail"
        traceback.print_exc()
        click.echo("gameday: this is a defect of the harness, not of the target; please report it", err=True)
        return ExitCode.HARNESS_DEFECT
    return ExitCode(result) if isinstance(result, int) else ExitCode.PASS


if __name__ == "__main__":
    main()
