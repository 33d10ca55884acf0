"""A Locust user whose requests are timed by the kernel; for a locustfile it takes the place of FastHttpUser.

    from load.client.user import HttpUser

    class Visitor(HttpUser):
        @task
        def front(self):
            self.client.get("/")

Under plain Locust its requests enter Locust's statistics through `events.request`. In a run of the harness (when
`load.journey` is loaded too) they enter the recorder, carry the run's header, and go only where the profile allows.
"""

from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from locust import User
from locust.exception import StopTest
from locust.user.users import RestMixin

from journal.exit_codes import ExitCode
from load.client.books import Events, Recorded
from load.client.encoding import Encoder, basic_auth
from load.client.origin import Limits
from load.client.response import ResponseContextManager
from load.client.session import HttpSession
from load.context import RunContext, await_context, is_awaited
from load.http import RUN_HEADER


class HttpUser(User, RestMixin[ResponseContextManager]):
    """A user with a `client`. Its class attributes mean what they mean to FastHttpUser, unless said otherwise."""

    abstract = True

    network_timeout: float = 60.0
    """The longest silence while an answer is awaited, in seconds."""
    connection_timeout: float = 60.0
    total_timeout: float | None = 300.0
    """The longest that one request may take, however steadily its answer drips; None: for ever."""
    max_redirects: int = 30
    insecure: bool = False
    """Whether certificates go unchecked; unlike FastHttpUser, which never checks them unless told to."""
    ca_file: str = ""
    """A file of certificate authorities to trust instead of the system's."""
    default_headers: dict[str, str] | None = None
    max_header_bytes: int = 65_536
    max_body_bytes: int = 64 * 1024 * 1024
    """Bounds of one answer; of its body both as received and as decoded."""

    # of FastHttpUser; each would change what is measured, so anything but the default is refused
    max_retries: int = 0
    proxy_host: str | None = None
    proxy_port: int | None = None
    client_pool: Any = None
    ssl_context_factory: Any = None
    concurrency: int = 10
    """Without effect: as many connections are opened as a user has requests under way at once."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._refuse_what_there_is_not()
        shared = await_context() if is_awaited() else None
        self.client = self._session(shared)

    def _refuse_what_there_is_not(self) -> None:
        if self.host is None:
            self._refuse("there is no host: give one with --host, or as an attribute of the user class")
        if self.max_retries:
            self._refuse("max_retries: requests are sent once; what was sent twice would count as one")
        for name in ("proxy_host", "client_pool", "ssl_context_factory"):
            if getattr(self, name) is not None:
                self._refuse(f"{name} is not supported; see docs/moving-a-locustfile.md")

    def _refuse(self, why: str) -> NoReturn:
        # a test in which nothing was sent has no failures, and Locust would end it with 0
        self.environment.process_exit_code = int(ExitCode.BAD_INPUT)
        raise StopTest(why)

    def _session(self, shared: RunContext | None) -> HttpSession:
        base_url, headers = _without_credentials(str(self.host))
        headers |= self.default_headers or {}
        hosts: frozenset[str] = frozenset()
        insecure, ca_file = self.insecure, self.ca_file
        if shared is not None:
            headers[RUN_HEADER] = shared.assignment.run_id
            hosts = frozenset(shared.profile.allowed_hosts)
            insecure, ca_file = insecure or not shared.profile.verify_tls, ca_file or shared.profile.ca_file
        limits = Limits(
            connect_s=self.connection_timeout,
            read_s=self.network_timeout,
            total_s=self.total_timeout,
            header_bytes=self.max_header_bytes,
            body_bytes=self.max_body_bytes,
        )
        encoder = Encoder(base_url, headers, verify_tls=not insecure, ca_file=ca_file, hosts=hosts)
        events = Events(self)
        book = events if shared is None else Recorded(shared, type(self), events)
        return HttpSession(encoder, limits, book, max_redirects=self.max_redirects)

    @property
    def intended_at_ns(self) -> int:
        """When the next request is meant to begin; see `load.http`."""
        return self.client.intended_at_ns

    @intended_at_ns.setter
    def intended_at_ns(self, at_ns: int) -> None:
        self.client.intended_at_ns = at_ns

    def on_stop(self) -> None:
        """Closes the connections; a class that overrides this calls it too."""
        self.client.close()


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The URL without name and password, and the header that carries them instead."""
    parts = urlsplit(url)
    if not parts.username:
        return url.rstrip("/"), {}
    netloc = parts.netloc.rpartition("@")[2]
    authorization = basic_auth(unquote(parts.username), unquote(parts.password or ""))
    return parts._replace(netloc=netloc).geturl().rstrip("/"), {"Authorization": authorization}
