"""Where the requests of a Locust user are counted: in Locust's statistics, or in the recorder of a run."""

from collections.abc import Sequence

from locust import User

from journal.outcomes import Endpoint, Kind, Outcome
from load.client.response import Counts, Response
from load.context import RunContext
from load.user import journey_name


class Uncounted:
    """For requests that nothing records."""

    def start(self, at_ns: int = 0) -> None:
        """Nothing is counted."""

    def answered(self, service_ns: int, lag_ns: int, at_ns: int) -> None:
        """Nothing is counted."""

    def end(
        self,
        outcome: Outcome,
        service_us: int | None,
        *,
        lag_us: int | None = None,
        response_us: int | None = None,
        at_ns: int = 0,
    ) -> None:
        """Nothing is counted."""


class Events:
    """Tells Locust of each request, in the form that it documents."""

    _uncounted = Uncounted()

    def __init__(self, user: User) -> None:
        self._user = user
        self._event = user.environment.events.request
        self.listeners: Sequence[object] = (self._event,)

    def series(self, method: str, name: str) -> Counts:  # noqa: ARG002  # all alike
        """Nothing is counted."""
        return self._uncounted

    def ended(self, response: Response, outcome: Outcome, exception: Exception | None) -> None:  # noqa: ARG002  # Locust has its own
        """Fires the event; of a chain of redirects once, with the time of all of it."""
        began_ns = response.first_began_ns or response.began_ns
        total_ns = response.received_ns - began_ns if response.first_began_ns else response.service_ns
        self._event.fire(
            request_type=response.method,
            name=response.label,
            response_time=total_ns / 1e6,
            response_length=response.length,
            response=response,
            context={**self._user.context(), **(response.context or {})},
            exception=exception,
            start_time=began_ns / 1e9,
            url=response.url,
        )


class Recorded:
    """Counts each request in the recorder of the run."""

    def __init__(self, shared: RunContext, user: type[User], events: Events) -> None:
        self._logbook = shared.logbook
        self._journey = journey_name(user)
        self._events = events
        self.listeners: Sequence[object] = shared.logbook.listeners

    def series(self, method: str, name: str) -> Counts:
        """The counts of one endpoint in the recorder."""
        return self._logbook.series(Endpoint(Kind.REQUEST, self._journey, f"{method} {name}"))

    def ended(self, response: Response, outcome: Outcome, exception: Exception | None) -> None:
        """Keeps a failure by name, and fires the event where somebody listens."""
        if outcome is not Outcome.OK:
            endpoint = Endpoint(Kind.REQUEST, self._journey, f"{response.request.method} {response.counted_as}")
            served_by = response.headers.get("x-served-by", "")
            self._logbook.failed(endpoint, outcome, str(exception), served_by)
        if self.listeners:
            self._events.ended(response, outcome, exception)
