"""Runs the command line, and turns whatever ends it into the exit codes of the design."""

import os
import signal
import sys
import traceback
from typing import NoReturn

import click

# the imports below take a second or two, in which nothing is begun that would have to be ended in order; what somebody
# chose to ignore stays ignored (the first process of a container ignores by default, which does not count as that)
if _STOPPING := [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]:
    for _number in _STOPPING:
        signal.signal(_number, lambda *_: os._exit(130))

from gameday.cli import gameday
from journal.errors import GamedayError
from journal.exit_codes import ExitCode


def main() -> NoReturn:
    """The entry point of the command `gameday`."""
    for number in _STOPPING:
        signal.signal(number, signal.default_int_handler)
    sys.exit(int(_run()))


def _run() -> ExitCode:
    try:
        result = gameday.main(prog_name="gameday", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("gameday: interrupted", err=True)
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
