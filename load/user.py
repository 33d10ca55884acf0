"""The base class of journeys: a user with an account, a session, pauses, and manners when it is asked to stop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import gevent
from locust import User
from locust.exception import RescheduleTask
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from journal.errors import TargetUnreachable
from journal.outcomes import Outcome
from journal.plan_storms import Storm
from load.checks import OK, Expect
from load.context import await_context
from load.http import Answer
from load.logbook import Timing
from load.storms.blow import Blow
from load.storms.login import AccountLogin
from load.storms.weather import Weather
from load.tasks import Task
from load.websocket import WebSocketSession

FIRST_POLL_S, POLL_GROWTH, LONGEST_POLL_S = 0.05, 1.5, 1.0
_LONGEST_RETRY_S = 5.0


def journey_name(cls: type) -> str:
    """The name of a journey: that of its file."""
    return cls.__module__.rpartition(".")[2]


class Journey(User):
    """A way through the API. Its tasks use `get`, `post`, `must_refuse`, `complete`, `websocket` and `think`.

    A call that does not go as expected is recorded and ends the task; the user pauses and begins the next one.
    Tasks are drawn without putting back until each had its turn by weight, so that the mix holds in short runs too.
    A user that is asked to stop does so between two requests, never within one.
    """

    abstract = True
    signs_up: ClassVar[bool] = True
    """Whether its users have accounts of AIA; then the promises of AIA are put to the test after the load."""
    runs_unasked: ClassVar[bool] = True
    """False: it runs only where a plan's mix names it, since not every target has what it needs."""
    holds_login: ClassVar[bool] = True
    """Whether its users keep one login from step to step, which a storm can let expire."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.shared = await_context()
        self.journey = journey_name(type(self))
        self.random = self.shared.new_random()
        self.http = self.shared.session(self.journey)
        self.weather = Weather(self.http, self.shared.logbook, self.journey, self._stop_if_asked)
        if self.signs_up:
            self.account = self.shared.accounts.new()
        self.login: AccountLogin | None = None
        if self.signs_up and self.holds_login:
            self.login = AccountLogin(self.account, self.http, self.weather, self.shared.logbook)
        self._bag: list[Any] = []
        # what Locust picks from; the class keeps the declared ones
        self.tasks = [Journey.draw_task if self.shared.open_model is None else Journey.serve_arrivals]

    def on_start(self) -> None:
        """Enters, again and again until the target lets the user in."""
        retry_s = 0.2
        while True:
            self._stop_if_asked()
            began_s = time.perf_counter()
            try:
                self.enter()
                self.shared.exposed[self] = None
                return
            except TargetUnreachable as error:
                self.shared.warn(f"a user was not let in: {error}")
                gevent.sleep(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
            finally:
                self.shared.logbook.pauses(self.journey, time.perf_counter() - began_s, "entering")

    def enter(self) -> None:
        """Signs up. Raises TargetUnreachable."""
        if self.signs_up:
            self.shared.accounts.sign_up(self.account)

    def on_stop(self) -> None:
        """Closes the connection."""
        self.shared.exposed.pop(self, None)
        self.weather.leave()
        self.http.close()

    def can_lose(self, storm: Storm) -> bool:
        """Every user has connections; not every one keeps a login."""
        return storm.kind == "reconnect" or self.login is not None

    def strike(self, blow: Blow) -> None:
        """A storm strikes this user, whatever it is doing."""
        self.weather.strike(blow, self.expire_login)

    def expire_login(self, storm: Storm) -> bool:
        """The login of this user is useless from now on; whether it had one."""
        return self.login is not None and self.login.expire(storm)

    def restore_login(self) -> None:
        """The login of this user has not expired after all."""
        if self.login is not None:
            self.login.restore()

    def draw_task(self) -> None:
        """One pass: the next task of this user."""
        if not self._bag:
            self._bag = list(type(self).tasks)
            self.random.shuffle(self._bag)
        self._bag.pop()(self)

    def serve_arrivals(self) -> None:
        """Passes of an open model, each when an arrival is due; until the user is stopped."""
        assert self.shared.open_model is not None
        while True:
            self._stop_if_asked()
            self.weather.come_back()
            self.weather.end_of_visit(self.restore_login)
            self._state = LOCUST_STATE_WAITING  # Locust stops users that wait at once
            self.shared.exposed.pop(self, None)  # nobody yet: whom an arrival stands for comes with it
            intended_at_ns = self.shared.open_model.next_pass(self.journey)
            self.shared.exposed[self] = None
            self._state = LOCUST_STATE_RUNNING
            self.http.intended_at_ns = intended_at_ns
            with suppress(RescheduleTask):  # a pass that went wrong is over
                self.draw_task()

    @property
    def token(self) -> str:
        """A valid access token of this user's account; empty without one."""
        if not self.signs_up or self.account.expired:
            return self.account.access_token if self.signs_up else ""
        try:
            self.shared.accounts.renew(self.account)
        except TargetUnreachable as error:
            self.shared.warn(f"a login could not be renewed: {error}")
        return self.account.access_token

    # Pauses

    def wait_time(self) -> float:
        """Pauses between two tasks; Locust calls this, and pauses for what is left, which is nothing."""
        seconds = self._think_time_s()
        self.shared.logbook.pauses(self.journey, seconds)
        self.weather.pause(seconds)
        return 0.0

    def _think_time_s(self) -> float:
        think = self.shared.plan.load.think_time
        return self.random.uniform(think.min_s, think.max_s)

    def think(self) -> None:
        """Pauses as a person does between two steps."""
        self.pause(self._think_time_s())

    def pause(self, seconds: float) -> None:
        """Pauses; a user that was asked to stop goes no further."""
        self._stop_if_asked()
        self.shared.logbook.pauses(self.journey, seconds)
        if self.http.intended_at_ns > 0:  # a pass that begins with a pause means its first request to come after it
            self.http.intended_at_ns += round(seconds * 1e9)
        self.weather.pause(seconds)
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.shared.stopping or self._state == LOCUST_STATE_STOPPING:
            raise gevent.GreenletExit

    # Requests

    def get(self, template: str, *, expect: Expect = OK, **request: Any) -> Answer:
        """A GET with this user's token that must be answered as expected; see `load.http.Client.send`."""
        return self._done(self.try_call("GET", template, expect=expect, **request))

    def post(self, template: str, body: Any = None, *, expect: Expect = OK, **request: Any) -> Answer:
        """A POST with this user's token that must be answered as expected."""
        return self._done(self.try_call("POST", template, expect=expect, body=body, **request))

    def try_call(self, method: str, template: str, *, expect: Expect = OK, **request: Any) -> Answer:
        """A request whose failure does not end the task; `token=""` sends none."""
        return self.http.call(method, template, expect=expect, **self._with_token(request))

    def must_refuse(self, invariant: str, method: str, template: str, *, status: int, **request: Any) -> None:
        """A request that the target promises to refuse; `example` names the case should it be granted."""
        self._done(self.http.refused(invariant, method, template, status=status, **self._with_token(request)))

    def _with_token(self, request: dict[str, Any]) -> dict[str, Any]:
        return request if "token" in request else {**request, "token": self.token}

    @staticmethod
    def _done(answer: Answer) -> Answer:
        if not answer.ok:
            raise RescheduleTask
        return answer

    @contextmanager
    def websocket(self, template: str, **path: str) -> Iterator[WebSocketSession]:
        """A WebSocket with this user's token, for the length of a with block."""
        self.http.intended_at_ns = min(self.http.intended_at_ns, -1) if self.http.intended_at_ns else 0
        session = WebSocketSession(self.shared, self.journey, template, path)
        try:
            self.weather.come_back()
            if self.login is not None and self.weather.expired is not None:
                self.login.be_refused_by(session)
            with self.weather.exposing(session, self.token):
                yield session
        except TargetUnreachable as error:
            raise RescheduleTask from error

    # Work that the target does later

    def complete(self, workflow: str, submit: str, body: Any, status: str, *, id_field: str = "task_id") -> Answer:
        """Submits work, which must be accepted with 202 and an id, and asks until it is completed.

        The end-to-end time is a series of its own under the name `workflow`. `status` is the template of the path at
        which the work is read, with the placeholder `{id_field}`.
        """
        timing = self.shared.logbook.workflow(self.journey, workflow)
        accepted = self.try_call("POST", submit, body=body, expect=Expect(202, **{id_field: str}))
        if not accepted.ok:
            timing.end(accepted.outcome, f"not accepted: {accepted.detail}")
            return self._done(accepted)
        work_id = accepted.body[id_field]
        self.shared.tasks.add(Task(status, id_field, work_id, self.account))
        return self._await_completion(timing, status, id_field, work_id)

    def _await_completion(self, timing: Timing, status: str, id_field: str, work_id: str) -> Answer:
        waited_s, pause_s, limit_s = 0.0, FIRST_POLL_S, self.shared.profile.task_timeout_s
        while waited_s < limit_s:
            self.pause(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(pause_s * POLL_GROWTH, LONGEST_POLL_S)
            # a question that gets lost does not end the work: the next one finds it
            answer = self.try_call("GET", status, expect=Expect(200, status=str), path={id_field: work_id})
            if answer.ok and answer.body["status"] == "completed":
                timing.end()
                self.shared.tasks.seen_completed(work_id)
                return answer
        timing.end(Outcome.TIMEOUT, f"{work_id} is not completed after {limit_s:g} s")
        raise RescheduleTask
