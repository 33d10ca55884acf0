"""The reaper: a process apart from the harness that reverts what the harness no longer can.

A record is due when its owner is gone, or when it is overdue although its owner lives. For a ledger in a directory
there is one reaper: it holds a lock as long as it lives, and ends when the ledger has been empty for a second. For one
in a cluster it is a pod that stays; see `chaos/pod_reaper.py`.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from chaos.directory_ledger import DirectoryLedger
from chaos.ledger import open_ledger
from chaos.local_reaper import take_lock
from chaos.owner import Standing, no_pods, standing_of
from chaos.pod_reaper import PodReaper
from chaos.reaping import Reaping, log, overdue_s
from chaos.record import Record
from chaos.reversal import events_of
from journal.errors import GamedayError
from journal.timeline import FaultState

_POLL_S, _IDLE_S = 0.1, 1.0
_OWNER_GRACE_S = 10.0  # an owner that lives still judges the steady state after the fault has ended
_GIVE_UP_AFTER_S = 600.0
_ALIVE = Path("/tmp/alive")  # noqa: S108  # the pod's own; nobody else is there


def watch(ledger: DirectoryLedger) -> None:
    """Reverts what is due until nothing is left, or nothing that this process could still revert."""
    while (lock := take_lock(ledger.directory)) is not None:
        try:
            _watch_until_empty(ledger)
        finally:
            os.close(lock)
        if not _waiting(ledger):  # a record may have been written between the last look and the release of the lock
            return


def _watch_until_empty(ledger: DirectoryLedger) -> None:
    reaping = Reaping(ledger)
    empty_since_s = time.monotonic()
    while time.monotonic() - empty_since_s < _IDLE_S:
        waiting = _waiting(ledger)
        for record in waiting:
            if is_due(record) and not reaping.attempt(record) and _is_hopeless(record):
                events_of(record).write(FaultState.NOT_REVERTED, target=record.target_label, evidence={"by": "reaper"})
        if waiting:
            empty_since_s = time.monotonic()
        time.sleep(_POLL_S)


def _waiting(ledger: DirectoryLedger) -> list[Record]:
    return [record for record in ledger.read().records if not _is_hopeless(record)]


def is_due(record: Record) -> bool:
    """Whether it is this reaper's turn to revert it."""
    return standing_of(record.owner, no_pods) is Standing.GONE or overdue_s(record) > _OWNER_GRACE_S


def _is_hopeless(record: Record) -> bool:
    return overdue_s(record) > _GIVE_UP_AFTER_S


def main() -> int:
    """Runs the reaper of one ledger."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # its starter may have held signals back
    parser = argparse.ArgumentParser(prog="python -m chaos.reaper", description="Revert what nobody else reverts.")
    parser.add_argument("--ledger", required=True, help="a directory, or kubernetes:NAMESPACE/NAME")
    parser.add_argument("--alive", type=Path, default=_ALIVE, help="touched after each good look at a cluster's ledger")
    arguments = parser.parse_args()
    try:
        ledger = open_ledger(arguments.ledger)
        if isinstance(ledger, DirectoryLedger):
            watch(ledger)
        else:
            PodReaper(arguments.ledger, arguments.alive).run()
    except (GamedayError, OSError) as error:
        log(f"ended: {error}")
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
