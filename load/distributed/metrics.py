"""The run as Prometheus metrics, served by the master: users, rate, bad share, phase, and the fault in force."""

from typing import NoReturn

import gevent
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from journal.errors import CommandError, Problem
from journal.run_directory import RunDirectory
from journal.timeline import Event, EventKind, FaultState, Phase, TimelineTail
from load.distributed.collector import Collector, pulse

_IN_FORCE = {FaultState.INJECTED, FaultState.EFFECTIVE, FaultState.NO_EFFECT, FaultState.NOT_REVERTED}


class Metrics:
    """Gauges of one run, renewed every second from the newest frames and the timeline."""

    def __init__(self, run: RunDirectory, collector: Collector) -> None:
        self.registry = CollectorRegistry()
        self._collector = collector
        self._tail = TimelineTail(run.timeline)
        self._users = self._gauge("gameday_users", "Users in the last whole second")
        self._rate = self._gauge("gameday_requests_per_second", "Requests that ended in the last whole second")
        self._bad = self._gauge("gameday_bad_share", "Share of these requests that was slow or failed")
        self._failed = self._gauge("gameday_failed_share", "Share of these requests that failed")
        self._phase = self._gauge("gameday_phase", "1 for the phase that the run is in", "phase")
        self._fault = self._gauge("gameday_fault_active", "1 while a fault is in force", "fault_id", "fault")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def serve(self, port: int, host: str) -> None:
        """Serves the metrics and keeps them fresh until the process ends.

        Raises:
            CommandError: the port cannot be bound.
        """
        try:
            start_http_server(port, host, self.registry)
        except OSError as error:
            what = f"{host}:{port} cannot be used: {error.strerror}"
            problem = Problem("--metrics-host, --metrics-port", what, "choose a free port of this machine")
            raise CommandError([problem]) from error
        gevent.spawn(self._renew_each_second)

    def _renew_each_second(self) -> NoReturn:
        while True:
            self.renew()
            gevent.sleep(1)

    def renew(self) -> None:
        """Takes in what happened since the last call."""
        now = pulse(self._collector.recent)
        self._users.set(now.users)
        self._rate.set(now.requests)
        self._bad.set(now.bad_share)
        self._failed.set(now.failed_share)
        for event in self._tail.read():
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.kind is EventKind.PHASE:
            for phase in Phase:
                self._phase.labels(phase.value).set(phase == event.data.get("phase"))
        elif event.kind is EventKind.FAULT:
            labels = str(event.data.get("fault_id", "")), str(event.data.get("fault", ""))
            self._fault.labels(*labels).set(event.data.get("state") in _IN_FORCE)
