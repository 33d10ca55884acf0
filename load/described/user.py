"""A Locust user that goes the way of a journey in the profile."""

import time
import types
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from locust.env import Environment

from journal.data_rows import Row
from journal.errors import TargetUnreachable
from journal.outcomes import Outcome
from journal.plan_storms import Storm
from journal.profile import Profile
from journal.profile_journeys import DataMode, ProfileJourney
from journal.templates import as_text
from load.accounts import useless
from load.client.errors import RequestError
from load.client.reply import Reply
from load.described.data import RanOut, named
from load.described.requests import Request, Way
from load.described.values import Values
from load.flow import flow
from load.http import Answer, unexpected
from load.invariants import EXPIRED_TOKEN_REFUSED
from load.storms.blow import REFUSALS, Blow
from load.storms.login import EXPIRED
from load.user import Journey, journey_name
from load.websocket import SWITCHING, WebSocketSession

RENEWAL = "login renewal"
_FINE = Answer(Outcome.OK)
_END_LOOKED_FOR_EVERY_S = 0.2


class DescribedJourney(Journey):
    """Logs in once if its description says so, then does the steps again and again, pausing after each request.

    A pass begins with what the login extracted; a request that does not go as expected ends it.
    """

    abstract = True
    signs_up = False
    description: ClassVar[ProfileJourney]
    way: ClassVar[Way | None] = None

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._way = self._read_way()
        self._number = next(self.shared.user_numbers)
        self._rows: dict[str, Row] = {}
        self._known = self._at_first()
        self._login_ends_s = float("inf")
        self._spared: dict[str, str] = {}

    def _read_way(self) -> Way:
        """The way of this class, read by its first user."""
        cls = type(self)
        if cls.way is None:
            shared = self.shared
            think_time, hide = shared.plan.load.think_time, shared.secrets.hide
            cls.way = Way(self.description, shared.profile.data, think_time, hide)
        return cls.way

    def _at_first(self) -> Values:
        user = {"user.number": self._number, "user.worker": self.shared.assignment.index}
        known = Values(self.random, {**self._way.variables, **self.shared.secrets.values, **user})
        for name, row in self._rows.items():
            known.update(named(name, row))
        return known

    def _with_rows(self, known: Values, *modes: DataMode) -> Values:
        """The values and a new row of each set of data that is given out anew for each pass."""
        values = known.copy()
        for name in self._way.data:
            if self.shared.data.mode(name) in modes:
                values.update(named(name, self._take(name)))
        return values

    def on_start(self) -> None:
        """Takes the rows that are this user's own, then logs in."""
        own = [name for name in self._way.data if self.shared.data.mode(name) == "unique"]
        self._rows = {name: self._take(name) for name in own}
        super().on_start()

    def on_stop(self) -> None:
        """Leaves its rows to others and closes the connection."""
        for name, row in self._rows.items():
            self.shared.data.give_back(name, row)
        super().on_stop()

    def _take(self, name: str) -> Row:
        """A row; when there is none, the run is over, and this user waits for its end."""
        try:
            return self.shared.data.take(name, self.random)
        except RanOut as error:
            self.shared.fail(str(error))
            while True:
                self.pause(_END_LOOKED_FOR_EVERY_S)

    def enter(self) -> None:
        """Does the steps of the login, which are not counted; the values that they extract are known from then on.

        Raises:
            TargetUnreachable: one of them was not answered as expected.
        """
        values = self._with_rows(self._at_first(), "random")
        client = self.shared.connect()
        try:
            for request in self._way.login:
                reply = client.send(request.method, request.path, **request.filled(values))
                answer = request.judge(reply, values)
                if not answer.ok:
                    raise TargetUnreachable(f"{request.series}: {answer.detail}")
        finally:
            client.close()
        self._known = values
        self.weather.renewed()
        self._login_ends_s = float("inf")
        if self._way.renew_s is not None:
            self._login_ends_s = time.monotonic() + self._way.renew_s

    def wait_time(self) -> float:
        """No pause between passes: there was one after the last request."""
        return 0.0

    def go(self) -> None:
        """One pass."""
        self._renew()
        values = self._with_rows(self._known, "once", "random")
        for request in self._due():
            if not self._done_well(request, values):
                return

    def _due(self) -> Iterator[Request]:
        for request in self._way.steps:
            times, chance = divmod(request.times, 1)
            for _ in range(int(times) + (chance > 0 and self.random.random() < chance)):
                yield request

    def _done_well(self, request: Request, values: Values) -> bool:
        self._stop_if_asked()
        expired = self.weather.expired
        if expired is not None and not request.names.isdisjoint(self._way.tokens):
            answer = self._refused(expired, request, values)
            if self.weather.expired is not None:  # there is no new login yet
                return self._paused(request, answer)
            values.update(self._tokens())
        if request.exchanges:
            return self._paused(request, self._talked(request, values))
        answer = self.http.judged(
            request.method,
            request.path,
            lambda reply: request.judge(reply, values),
            name=request.series,
            **request.filled(values),
        )
        return self._paused(request, answer)

    def _talked(self, request: Request, values: Values) -> Answer:
        """Says over a WebSocket what a step lists, pausing after each answer."""
        session, headers = self._session(request, values)
        try:
            self.weather.come_back()
            with self.weather.exposing(session, headers=headers):
                for exchange in request.exchanges:
                    for _ in range(exchange.times):
                        exchange.go(session, values)
                        if exchange.sends:
                            self._paused(request, _FINE)
        except RequestError as error:
            return Answer(error.outcome, detail=str(error))
        return _FINE

    def _session(self, request: Request, values: Values) -> tuple[WebSocketSession, dict[str, str]]:
        made = request.filled(values)
        session = WebSocketSession(self.shared, self.journey, request.path, made["path"], made.get("query"))
        session.name, session.hide = request.series, self.shared.secrets.hide
        return session, made.get("headers", {})

    def _paused(self, request: Request, answer: Answer) -> bool:
        think = request.think_time or self._way.think_time
        self.pause(self.random.uniform(think.min_s, think.max_s))
        return answer.ok

    # Storms

    def can_lose(self, storm: Storm) -> bool:
        """Every user has connections; a login can expire whose description says what its tokens are."""
        return storm.kind == "reconnect" or bool(self._way.tokens)

    def expire_login(self, storm: Storm) -> bool:  # noqa: ARG002  # all its tokens are alike
        """What the login extracted and calls tokens is useless from now on; whether there was any."""
        tokens = self._tokens()
        if self.weather.expired is None:
            self._spared = tokens
            self._known.update({name: useless(token) for name, token in tokens.items()})
        return bool(tokens) and self.weather.expired is None

    def restore_login(self) -> None:
        """What the login extracted is good again."""
        self._known.update(self._spared)

    def _tokens(self) -> dict[str, str]:
        return {name: as_text(self._known[name]) for name in self._way.tokens if self._known.get(name)}

    def _refused(self, blow: Blow, request: Request, values: Values) -> Answer:
        """Sends a request with useless tokens, which must be refused, and logs in again."""
        values.update(self._tokens())
        answer = _FINE
        if not blow.noticed:
            name, send = request.series + EXPIRED, self._handshake if request.exchanges else self._sent
            answer = send(request, name, values)
            blow.noticed = answer.ok
            blow.refused += answer.status in REFUSALS
        if answer.ok:
            self._login_ends_s = 0.0
            self._renew()
        return answer

    def _sent(self, request: Request, name: str, values: Values) -> Answer:
        def judge(reply: Reply) -> Answer:
            if reply.outcome is not Outcome.OK:
                return Answer(reply.outcome, detail=reply.detail)
            return self._as_refusal(reply.status, name)

        return self.http.judged(request.method, request.path, judge, name=name, **request.filled(values))

    def _handshake(self, request: Request, name: str, values: Values) -> Answer:
        session, headers = self._session(request, values)
        try:
            return self._as_refusal(session.must_be_refused(name, headers=headers), name)
        except RequestError as error:
            return Answer(error.outcome, detail=str(error))

    def _as_refusal(self, status: int, name: str) -> Answer:
        """An answer to a useless token; the promise is broken where it opens what it should not."""
        granted = 200 <= status < 300 or status == SWITCHING
        if not granted and status not in REFUSALS:
            return Answer(unexpected(status), status, detail=f"{status} instead of 401")
        example = f"{name} was answered {status} with a token that is none"
        self.shared.logbook.checked(EXPIRED_TOKEN_REFUSED, violated=granted, example=example)
        return Answer(Outcome.OK, status)

    def _renew(self) -> None:
        """Logs in again when it is time to, which is measured as a series of its own."""
        if time.monotonic() < self._login_ends_s:
            return
        timing = self.shared.logbook.workflow(self.journey, RENEWAL)
        try:
            self.enter()
        except TargetUnreachable as error:
            timing.end(Outcome.CLIENT_ERROR, str(error))
            self.shared.warn(f"a login could not be renewed: {error}")
        else:
            timing.end()


def add_described(environment: Environment, profile: Profile) -> None:
    """Makes the profile's journeys user classes of Locust; those that are there already stay as they are."""
    there = {journey_name(cls) for cls in environment.user_classes if issubclass(cls, DescribedJourney)}
    missing = {name: journey for name, journey in profile.journeys.items() if name not in there}
    environment.user_classes.extend(_class(name, journey) for name, journey in missing.items())


def _class(name: str, journey: ProfileJourney) -> type[DescribedJourney]:
    """A class of its own; Locust tells classes apart by their names, and ours must not be a Python journey's."""
    body: dict[str, Any] = {
        "__module__": name,
        "__doc__": journey.description,
        "abstract": False,
        "weight": journey.weight,
        "description": journey,
        "tasks": [_task(journey)],
    }
    made: type[DescribedJourney] = types.new_class(
        f"profile: {name}", (DescribedJourney,), exec_body=lambda names: names.update(body)
    )
    return made


def _task(journey: ProfileJourney) -> Callable[[DescribedJourney], None]:
    """One pass as a task of its own, which says what it does as the tasks of Python journeys do."""
    operations: dict[str, float] = {}
    for step in journey.steps:
        counted = step.operations if step.websocket else {f"{step.method} {step.name or step.path}": step.times}
        for name, times in counted.items():
            operations[name] = operations.get(name, 0.0) + times

    # the pause after the last request stands where Python journeys have the one between two passes
    @flow(operations, thinks=journey.thinks - 1, waiting_s=journey.pauses_s)
    def go(user: DescribedJourney) -> None:
        user.go()

    return go
