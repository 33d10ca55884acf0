"""Removes the target's temporary state directory when the supervisor had no chance to, because it was killed.

Usage: python -m target.janitor SUPERVISOR_PID DIR
"""

import os
import select
import shutil
import sys
import time
from pathlib import Path


def remove_folder(folder: Path, *, within_s: float = 5.0) -> None:
    """Remove `folder` and all in it, again and again while dying processes still write to it."""
    deadline = time.monotonic() + within_s
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def main() -> None:
    """Wait for the supervisor's end, then clean up."""
    pid, folder = int(sys.argv[1]), Path(sys.argv[2])
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        pass
    else:
        if os.getppid() == pid:  # else it is gone already, and its number may be another process's
            select.select([watched], [], [])
    remove_folder(folder)


if __name__ == "__main__":
    main()
