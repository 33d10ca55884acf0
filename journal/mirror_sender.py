"""`python -m journal.mirror_sender DIRECTORY`: the sender of a mirror as a process, on its standard streams.

It ends with its receiver: a receiver that falls silent for too long is gone, even if no stream says so.
"""

import os
import sys
import threading
import time
from pathlib import Path

from journal.errors import MirrorBroken
from journal.exit_codes import ExitCode
from journal.mirror import Request, serve

SILENCE_S = 30.0


class _Listener:
    """Hears the signs of life of the receiver, in a thread, because a full pipe may hold up the sender for good."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._heard_s = time.monotonic()
        for task in (self._listen, self._watch):
            threading.Thread(target=task, daemon=True).start()

    def _listen(self) -> None:
        while sys.stdin.buffer.readline():
            self._heard_s = time.monotonic()
        self._heard_s = time.monotonic()
        self.ended.set()

    def _watch(self) -> None:
        while time.monotonic() - self._heard_s < SILENCE_S:
            time.sleep(1)
        os._exit(ExitCode.INTERRUPTED)  # nobody reads what the main thread may be stuck in writing


def main(arguments: list[str]) -> int:
    """Serves one receiver."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m journal.mirror_sender DIRECTORY\n")
        return ExitCode.BAD_INPUT
    try:
        request = Request.decode(sys.stdin.buffer.readline())
        serve(Path(arguments[0]), request, sys.stdout.buffer, _Listener().ended.is_set)
    except MirrorBroken as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except BrokenPipeError:
        os._exit(ExitCode.INTERRUPTED)  # the receiver is gone, and a flush on the way out would fail again
    return ExitCode.PASS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
