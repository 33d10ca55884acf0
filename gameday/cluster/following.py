"""Follows a run from its start to its end: waits for its pods, shows its progress, hands on the wish to end it."""

import subprocess
import time
from collections.abc import Callable

import click

from gameday.cluster.conductor_state import Conductor, Standing, conductor_of, pod_path
from gameday.cluster.diagnosis import Patience, Trouble, is_scaling_up, pod_troubles, refused_pods, together
from gameday.cluster.mirroring import SENDER, SILENCE_S, Mirroring
from gameday.cluster.run import CONDUCTOR, ClusterRun, run_directory_in
from gameday.conductor import View
from gameday.progress import Progress
from gameday.stop_signals import StopSignals
from journal.errors import ClusterRefused, ClusterUnreachable, CommandError, Problem
from journal.mirror import Receiver
from journal.timeline import Event, EventKind, Phase
from probes.kubernetes_api import Json

TICK_S, LOOK_EVERY_S = 0.2, 1.0
START_WITHIN_S = 600.0
UNREACHABLE_FOR_S = 600.0
OVERTIME_S = 900.0


class NeverStarted(CommandError):
    """The pods of the run cannot start; nothing was loaded or broken."""


class Follower:
    """Looks at the run's pods now and then, at its mirrored directory all the time."""

    def __init__(self, run: ClusterRun, stop: StopSignals) -> None:
        self._run = run
        self._stop = stop
        self._patience = Patience()
        self._look_at_s = 0.0
        self._answered_s = time.monotonic()
        self._asked_to_end = False
        self.conductor = Conductor(Standing.WAITING)
        self._pods: list[Json] = []

    def await_start(self) -> Conductor:
        """Waits until the conductor runs, or has ended.

        Raises:
            NeverStarted: a pod cannot start; says why.
        """
        ends_s = time.monotonic() + START_WITHIN_S
        while self.conductor.standing is Standing.WAITING:
            looked = self._look()
            self._hand_on_stop()
            if looked and self.conductor.standing is Standing.WAITING:
                self._diagnose(out_of_time=time.monotonic() > ends_s)
            time.sleep(TICK_S)
        return self.conductor

    def follow(self, view: View) -> Conductor:
        """Shows the progress until the conductor has ended."""
        progress = Progress(self._run.local, self._run.plan.slo)
        ends_s = time.monotonic() + self._run.plan.load.ready_within_s + self._run.plan.load.duration_s + OVERTIME_S
        job = self._run.conductor_job()
        if job is None or self._has_ended():
            return self.conductor
        with Mirroring(self._connection(run_directory_in(job)), Receiver(self._run.local.path)) as mirroring:
            link = _Link(mirroring)
            while not self._has_ended() and time.monotonic() < ends_s:
                view.refresh(progress, [*progress.refresh(), *link.news(progress)])
                time.sleep(TICK_S)
                looked = self._look()
                self._hand_on_stop()
                if looked and progress.phase in {None, Phase.CHECK}:
                    self._diagnose()  # the workers may be what does not start
        view.refresh(progress, progress.refresh())
        return self.conductor

    def _has_ended(self) -> bool:
        return self.conductor.standing is Standing.ENDED

    def _connection(self, directory: str) -> "Callable[[], subprocess.Popen[bytes]]":
        run = self._run
        return lambda: run.kubectl.exec(run.names.namespace, self.conductor.pod, CONDUCTOR, [*SENDER, directory])

    def _look(self) -> bool:
        """Looks at the pods, not too often; whether there was anything to see."""
        if time.monotonic() < self._look_at_s:
            return False
        self._look_at_s = time.monotonic() + LOOK_EVERY_S
        try:
            self._pods = self._run.pods()
            self.conductor = conductor_of(self._pods, self._run.conductor_job())
            self._answered_s = time.monotonic()
        except (ClusterUnreachable, ClusterRefused) as error:
            if isinstance(error, ClusterRefused) and not error.passing:
                raise
            if time.monotonic() - self._answered_s > UNREACHABLE_FOR_S:
                raise ClusterUnreachable(f"no answer for {UNREACHABLE_FOR_S / 60:.0f} minutes: {error}") from error
            return False
        return True

    def _hand_on_stop(self) -> None:
        """Asks the conductor, once, to end in order: it reverts, judges, and writes what it knows."""
        if self._stop.received is None or self._asked_to_end:
            return
        try:
            if self.conductor.standing is Standing.RUNNING:
                self._run.api.delete(pod_path(self._run.names, self.conductor.pod))
            else:
                self._run.api.delete(self._run.names.path("jobs", CONDUCTOR, "apis/batch/v1"))
        except ClusterUnreachable:
            return  # asked again by the next look
        except ClusterRefused as error:
            if error.status != 404:
                raise
        self._asked_to_end = True
        self._look_at_s = 0.0

    def _diagnose(self, *, out_of_time: bool = False) -> None:
        troubles = self._troubles()
        fatal = self._patience.exhausted(troubles, time.monotonic()) or (troubles if out_of_time else [])
        if fatal:
            where = self._run.names.namespace
            raise NeverStarted(Problem(where, str(found), found.remedy) for found in together(fatal))
        if out_of_time:
            what = f"the conductor does not run after {START_WITHIN_S / 60:.0f} minutes"
            raise NeverStarted([Problem(self._run.names.namespace, what, "see: kubectl describe pods")])

    def _troubles(self) -> list[Trouble]:
        events = self._events()
        found = list(refused_pods(events, self._run.names.run_id))
        for pod in self._pods:
            found += pod_troubles(pod, scaling_up=is_scaling_up(events, pod))
        return found

    def _events(self) -> list[Json]:
        """The namespace's events; none for whoever may not read them."""
        try:
            return list(self._run.api.items(self._run.names.path("events")))
        except (ClusterRefused, ClusterUnreachable):
            return []


class _Link:
    """Tells when the connection to the conductor is lost, and when it is there again."""

    def __init__(self, mirroring: Mirroring) -> None:
        self._mirroring = mirroring
        self._lost = False

    def news(self, progress: Progress) -> list[Event]:
        """What there is to tell, as events for the view."""
        if self._mirroring.failed is not None:
            raise self._mirroring.failed
        since_s = self._mirroring.lost_since_s
        lost = since_s is not None and time.monotonic() - since_s > SILENCE_S
        if lost == self._lost:
            return []
        self._lost = lost
        text = f"no connection to the conductor, trying again ({self._mirroring.reason})" if lost else "connected again"
        event = Event(time.time_ns(), EventKind.WARNING, {"message": text})
        progress.messages.append((event.at_ns, text))
        return [event]


def say(text: str) -> None:
    """Prints a line about the command's own doing."""
    click.echo(text)
