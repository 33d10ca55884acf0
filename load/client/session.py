"""`self.client` of a Locust user: requests by URL, counted as they end, each hop of a redirect on its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Any, Protocol

from journal.outcomes import Outcome
from load.client.connection import Connection, Sessions
from load.client.cookies import Cookies, WatchedJar
from load.client.decoding import decode
from load.client.encoding import Encoder, Prepared
from load.client.errors import RedirectRefused, RequestError, outcome_of_status
from load.client.origin import Limits, Origin
from load.client.redirects import STATUSES, next_request
from load.client.response import Counts, Response, ResponseContextManager

PACED = -1
_KEPT = 2048
_SETS_COOKIE, _IS_ENCODED = b"\r\nset-cookie:", b"\r\ncontent-encoding:"


class Book(Protocol):
    """Where the requests of a user are counted and told of; without `listeners` only of those that went wrong."""

    listeners: Sequence[object]

    def series(self, method: str, name: str) -> Counts:
        """The counts of one endpoint."""

    def ended(self, response: Response, outcome: Outcome, exception: Exception | None) -> None:
        """One request has ended, the last one of its redirects; it is counted already."""


class HttpSession:
    """The requests of one user over connections of its own, with cookies; like Locust's FastHttpSession.

    `intended_at_ns` is set by whoever drives users on a schedule, see `load.http`.
    """

    def __init__(
        self,
        encoder: Encoder,
        limits: Limits,
        book: Book,
        *,
        max_redirects: int = 30,
        sessions: Sessions | None = None,
    ) -> None:
        self.intended_at_ns = 0
        self.request_name: str | None = None
        self.cookies = Cookies()
        self._encoder = encoder
        self._limits = limits
        self._book = book
        self._max_redirects = max_redirects
        self._sessions: Sessions = {} if sessions is None else sessions
        self._prepared: dict[tuple[str, str], Prepared] = {}
        self._series: dict[tuple[str, str], Counts] = {}
        self._plain: dict[str, bytes] = {}
        self._plain_version = 0

    @property
    def cookiejar(self) -> WatchedJar:
        """The cookies of this user."""
        return self.cookies.jar

    @property
    def base_url(self) -> str:
        """What paths are appended to."""
        return self._encoder.url_of("")

    # Locust's interface

    def request(  # noqa: PLR0917  # the order of Locust's own
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Any = None,
        catch_response: bool = False,  # as Locust has it
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str | bytes, str | bytes] | None = None,
        json: Any = None,
        allow_redirects: bool = True,
        context: Mapping[str, Any] | None = None,
        params: Any = None,
        files: Any = None,
    ) -> Any:
        """Sends a request and returns its answer; see `docs/moving-a-locustfile.md`.

        No failure of the target raises: it is counted, and the answer's `error` says what happened.

        Raises:
            ValueError: the URL or a header cannot be sent.
        """
        if data is None and json is None and headers is None and params is None and auth is None and files is None:
            request = self._prepared.get((method, url)) or self._prepare(method, url)
        else:
            request = self._encoder.prepare(
                method, url, data=data, json=json, headers=headers, params=params, auth=auth, files=files
            )
        label = name or self.request_name or url
        response = ResponseContextManager(request) if catch_response else Response(request)
        exchange = self._open_stream if stream else self._exchange
        self._begin(response, label)
        exchange(request, response)
        if allow_redirects and response.status in STATUSES:
            self._follow(response, label, exchange)
        if catch_response or response.error is not None or response.status >= 400 or self._book.listeners:
            response.method, response.label, response.context = method, label, context
            if catch_response:
                response.report = self._conclude
            else:
                self._conclude(response, response.own_failure())
        elif response.stamped and not response.intended_ns:
            lag_ns = response.lag_ns
            response.series.answered(response.service_ns, lag_ns, response.received_ns + lag_ns)
        else:
            self._count(response, Outcome.OK)
        return response

    def get(self, url: str, **options: Any) -> Any:
        """Sends a GET request."""
        # to pass on an empty dictionary costs as much as the recorder does
        return self.request("GET", url, **options) if options else self.request("GET", url)

    def head(self, url: str, **options: Any) -> Any:
        """Sends a HEAD request; its redirects are followed too, as Locust does."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Any:
        """Sends an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Any) -> Any:
        """Sends a DELETE request."""
        return self.request("DELETE", url, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Any:
        """Sends a POST request."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> Any:
        """Sends a PUT request."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: Any = None, **options: Any) -> Any:
        """Sends a PATCH request."""
        return self.request("PATCH", url, data=data, **options)

    def iter_lines(self, url: str, method: str = "GET", **options: Any) -> Iterator[str]:
        """The lines of an answer, as they come."""
        response = self.request(method, url, stream=True, **options)
        response.raise_for_status()
        try:
            yield from response.iter_lines()
        finally:
            response.close()

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Counts the requests of a with block under one name."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def close(self) -> None:
        """Closes all connections that are idle."""
        for place in self._encoder.places.values():
            for connection in place.idle:
                connection.close()
            place.idle.clear()

    # One hop

    def _prepare(self, method: str, url: str) -> Prepared:
        if len(self._prepared) >= _KEPT:  # URLs with ids in them; they are no use later
            self._prepared.clear()
        request = self._prepared[method, url] = self._encoder.prepare(method, url)
        return request

    def _begin(self, response: Response, label: str) -> None:
        method = response.request.method
        series = self._series.get((method, label)) or self._new_series(method, label)
        response.series, response.counted_as = series, label
        intended_ns = self.intended_at_ns
        if not intended_ns:
            series.start(time_ns())
            return
        response.intended_ns = intended_ns
        if intended_ns > 0:
            self.intended_at_ns = PACED
            series.start(intended_ns)
        else:
            series.start(time_ns())

    def _new_series(self, method: str, label: str) -> Counts:
        series = self._series[method, label] = self._book.series(method, label)
        return series

    def _bytes_of(self, request: Prepared) -> bytes:
        cookies = self.cookies
        version = cookies.jar.version
        if version and (request.cookies != version or cookies.may_expire):
            request.whole = request.head + cookies.line(request) + b"\r\n" + request.body
            request.cookies = version
        return request.whole

    def _exchange(self, request: Prepared, response: Response) -> None:
        idle = request.place.idle
        connection = idle.pop() if idle else self._connect(request.place.origin)
        try:
            connection.exchange_into(response, self._bytes_of(request), request.without_body)
        except RequestError as error:
            response.lose(error, connection.began_ns, connection.elapsed_ns)
            return
        finally:
            idle.append(connection)
        self._look_into(request, response)

    def _connect(self, origin: Origin) -> Connection:
        return Connection(origin, self._limits, self._sessions)

    def _look_into(self, request: Prepared, response: Response) -> None:
        """Does what the header asks for. One that asked for nothing new is known when it comes again, to the byte."""
        head, jar = response.head, self.cookies.jar
        if self._plain_version == jar.version and self._plain.get(request.url) == head:
            return
        fields = head.lower()
        encoded = _IS_ENCODED in fields
        if encoded and response.body:
            self._decode(response)
        changes = _SETS_COOKIE in fields and self.cookies.take(request, head, fields)
        if not changes and not encoded:
            if self._plain_version != jar.version or len(self._plain) >= _KEPT:
                self._plain.clear()
                self._plain_version = jar.version
            self._plain[request.url] = head

    def _decode(self, response: Response) -> None:
        try:
            response.body = decode(response.body, response.headers["content-encoding"], self._limits.body_bytes)
        except RequestError as error:
            response.error, response.unreadable = error, True

    def _open_stream(self, request: Prepared, response: Response) -> None:
        idle = request.place.idle
        connection = idle.pop() if idle else self._connect(request.place.origin)
        try:
            stream = connection.stream(self._bytes_of(request))
        except RequestError as error:
            response.lose(error, connection.began_ns, connection.elapsed_ns)
            idle.append(connection)
            return
        stream.when_over = lambda: idle.append(connection)
        response.take_stream(stream)
        if _SETS_COOKIE in (fields := stream.head.lower()):
            self.cookies.take(request, stream.head, fields)

    def _follow(self, response: Response, label: str, exchange: Callable[[Prepared, Response], None]) -> None:
        """Follows redirects. Each hop is a request that the target sees, so each one counts."""
        for _ in range(self._max_redirects):
            try:
                request = next_request(self._encoder, response.request, response.status, response.head)
            except RedirectRefused as error:
                response.error = error
                return
            if request is None:
                return
            response.close()
            self._count(response, Outcome.OK)
            response.renew(request)
            self._begin(response, f"{label} (redirected)")
            exchange(request, response)
            if response.status not in STATUSES:
                return
        response.error = RedirectRefused(f"more than {self._max_redirects} redirects")

    # Counting

    def _conclude(self, response: Response, exception: Exception | None) -> None:
        outcome = outcome_of(response, exception)
        self._count(response, outcome)
        self._book.ended(response, outcome, exception)

    @staticmethod
    def _count(response: Response, outcome: Outcome) -> None:
        intended_ns = response.intended_ns
        response.series.end(
            outcome,
            response.service_ns // 1000,
            lag_us=response.lag_ns // 1000 if response.stamped else None,
            response_us=response.since_intended_us() if intended_ns else None,
            at_ns=response.received_ns + response.lag_ns if response.stamped else 0,
        )


def outcome_of(response: Response, exception: Exception | None) -> Outcome:
    """How a request counts that its user, or the client itself, found to have failed with `exception`, or not."""
    if exception is None:
        return Outcome.OK
    if isinstance(exception, RequestError):
        return exception.outcome
    if isinstance(response.error, RequestError):
        return response.error.outcome
    return outcome_of_status(response.status) or Outcome.WRONG_ANSWER
