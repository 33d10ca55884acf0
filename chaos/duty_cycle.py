"""The process that stops another one and lets it run, in turn, until its time is up; it always ends with SIGCONT.

It lives apart from whoever started it: killing that one changes nothing, the deadline is in here. It says `ready` when
it holds the process, then waits for one line with the seconds to go on; if its input ends before, nothing happens.
"""

import argparse
import signal
import sys
import time
from signal import SIGCONT, SIGHUP, SIGINT, SIGSTOP, SIGTERM

from chaos.platforms.process_handle import ProcessHandle, hold_process

_ENDING = {SIGTERM, SIGINT, SIGHUP}


def main() -> int:
    """Runs the process; 0 when the time was up, the process ended, or somebody asked for the end."""
    arguments = _parse()
    handle = hold_process(arguments.incarnation)
    if handle is None:
        sys.stderr.write(f"{arguments.incarnation}: this process has ended\n")
        return 1
    with handle:
        print("ready", flush=True)
        line = sys.stdin.readline()
        if line:
            alternate(handle, off_s=arguments.off_ms / 1000, on_s=arguments.on_ms / 1000, duration_s=float(line))
    return 0


def alternate(handle: ProcessHandle, *, off_s: float, on_s: float, duration_s: float) -> None:
    """Stops the process for `off_s` and lets it run for `on_s` until `duration_s` is over or a signal asks for the end.

    Signals are not handled but waited for, so that none can come between a stop and its continuation.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    deadline_s = time.monotonic() + duration_s
    try:
        while handle.send(SIGSTOP):
            if _interrupted(min(off_s, deadline_s - time.monotonic())):
                return
            handle.send(SIGCONT)
            if _interrupted(min(on_s, deadline_s - time.monotonic())) or time.monotonic() >= deadline_s:
                return
    finally:
        handle.send(SIGCONT)


def _interrupted(wait_s: float) -> bool:
    return signal.sigtimedwait(_ENDING, max(0.0, wait_s)) is not None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.duty_cycle", description=__doc__)
    parser.add_argument("incarnation", help="the process to stall, as pid@start")
    parser.add_argument("--off-ms", type=float, required=True)
    parser.add_argument("--on-ms", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
