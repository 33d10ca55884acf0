"""The reaper of a cluster's ledger: it looks every half second, says what it has seen, and remembers it.

What it remembers is reverted in time even while the ledger cannot be read, as far as that is possible without the API
server. It never gives up, and ends only when it is asked to.
"""

import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from chaos.config_map_ledger import open_config_map_ledger
from chaos.owner import Standing, no_pods, standing_of
from chaos.reaping import Reaping, key_of, log, overdue_s
from chaos.record import Contents, Record
from journal.errors import ClusterRefused, ClusterUnreachable, GamedayError
from probes.kubernetes_api import KubernetesApi

_POLL_S, _READ_S = 0.5, 2.0
_OWNER_GRACE_S = 0.8  # an owner that lives reverts at the expiry itself
_LAST_S = 20.0  # when it is asked to end, what is still open gets this much longer
_AT_ONCE = 8
_ENDED = frozenset({"Succeeded", "Failed"})


class PodReaper:
    """One reaper; `alive` is touched after each good look, for the kubelet's probes."""

    def __init__(self, ledger: str, alive: Path) -> None:
        self._api = KubernetesApi.connect().hurried(patience_s=0, read_s=_READ_S)
        self._ledger = open_config_map_ledger(ledger, self._api)
        self._alive = alive
        self._reaping = Reaping(self._ledger, hurried=True)
        self._threads = ThreadPoolExecutor(_AT_ONCE)  # a proof takes seconds, for which nobody else should wait
        self._attempts: list[tuple[Record, Future[bool]]] = []
        self._remembered = Contents()
        self._ledger_is_gone = False
        self._complaint = ""
        self._asked_to_end = threading.Event()

    def run(self) -> None:
        """Watches until SIGTERM, and a little longer while something is open."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._asked_to_end.set())
        log(f"watching {self._ledger.name}")
        while not self._asked_to_end.is_set():
            self._round()
            self._asked_to_end.wait(_POLL_S)
        ends_s = time.monotonic() + _LAST_S
        while self._remembered.records and time.monotonic() < ends_s:
            self._round()
            time.sleep(_POLL_S)

    def _round(self) -> None:
        sees = self._look()
        self._collect()
        under_way = {key_of(record) for record, _ in self._attempts}
        for record in self._remembered.records:
            if key_of(record) not in under_way and self._is_due(record, sees=sees):
                self._attempts.append((record, self._threads.submit(self._reaping.attempt, record)))

    def _collect(self) -> None:
        """Forgets what was reverted and closed; with the ledger out of sight nothing else would tell."""
        ended = [each for each in self._attempts if each[1].done()]
        self._attempts = [each for each in self._attempts if each not in ended]
        for record, attempt in ended:
            if attempt.result():
                self._remembered = self._remembered.without(record)

    def _look(self) -> bool:
        """Renews what is remembered, and says so to those who wait for it; False when the ledger cannot be read."""
        try:
            glance = self._ledger.look()
            self._remembered, self._ledger_is_gone = glance.contents, False
            if glance.acknowledged != glance.tokens:
                self._ledger.acknowledge(glance.tokens)
        except GamedayError as error:
            self._ledger_is_gone = isinstance(error, ClusterRefused) and error.status == 404
            self._complain(error)
            return False
        self._alive.touch()
        self._complaint = ""
        return True

    def _complain(self, error: GamedayError) -> None:
        """Once for each new trouble, not twice a second."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log(f"the ledger cannot be read or acknowledged: {error}")

    def _is_due(self, record: Record, *, sees: bool) -> bool:
        """With its ledger gone, whoever might have closed the record is gone as well."""
        if overdue_s(record) > _OWNER_GRACE_S or self._ledger_is_gone:
            return True
        standing = standing_of(record.owner, self._standing_of_pod if sees else no_pods)
        return standing is Standing.GONE

    def _standing_of_pod(self, namespace: str, name: str, uid: str) -> Standing:
        try:
            pod = self._api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        except ClusterRefused as error:
            return Standing.GONE if error.status == 404 else Standing.UNKNOWN
        except ClusterUnreachable:
            return Standing.UNKNOWN
        if pod["metadata"]["uid"] != uid or pod.get("status", {}).get("phase") in _ENDED:
            return Standing.GONE
        return Standing.LIVES
