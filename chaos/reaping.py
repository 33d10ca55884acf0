"""What every reaper does with a record that is due: attempts, a pause apart, none in the way of another record."""

import os
import time

from chaos.ledger import Ledger
from chaos.record import Record
from chaos.reversal import prove_and_close, revert

_ATTEMPT_S, _RETRY_S = 2.0, 1.0


class Reaping:
    """The attempts of one reaper; with `hurried`, no attempt waits long for an answer."""

    def __init__(self, ledger: Ledger, *, hurried: bool = False) -> None:
        self._ledger, self._hurried = ledger, hurried
        self._retry_at_s: dict[str, float] = {}

    def attempt(self, record: Record) -> bool:
        """Reverts the record, unless the last attempt is less than a second ago; whether it is closed now."""
        if time.monotonic() < self._retry_at_s.get(key_of(record), 0.0):
            return False
        try:
            revert(record, by="reaper", hurried=self._hurried)
            prove_and_close(self._ledger, record, by="reaper", patience_s=_ATTEMPT_S, hurried=self._hurried)
        except Exception as error:  # noqa: BLE001  # whatever fails for one record is tried again and stops no other
            log(f"not reverted, tried again in {_RETRY_S:g} s: {record.label}: {error!r}")
            self._retry_at_s[key_of(record)] = time.monotonic() + _RETRY_S
            return False
        log(f"reverted: {record.label}")
        return True


def overdue_s(record: Record) -> float:
    """Seconds since the record's fault should have been over; negative before."""
    return (time.time_ns() - record.expires_at_ns) / 1e9


def log(message: str) -> None:
    """One line on the standard output."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} reaper {os.getpid()}: {message}", flush=True)


def key_of(record: Record) -> str:
    """What tells this record from all others."""
    return f"{record.run_id}/{record.fault_id}/{record.injected_at_ns}"
