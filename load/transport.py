"""One HTTP/1.1 connection on a gevent socket; it sends a request once, or says that it could not."""

import ssl
import time
from dataclasses import dataclass, field
from select import POLLIN
from urllib.parse import urlsplit

import gevent
from gevent import socket
from gevent.monkey import get_original
from gevent.ssl import SSLContext, create_default_context
from geventhttpclient.response import HTTPParseError, HTTPResponse

from journal.outcomes import Outcome

RECEIVE_BYTES = 65_536
_poll = get_original("select", "poll")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a target listens, and how its certificate is judged."""

    scheme: str
    host: str
    port: int
    verify_tls: bool = True

    @classmethod
    def of(cls, base_url: str, *, verify_tls: bool = True) -> "Origin":
        """The origin of a base URL, which is known to have a scheme and a host."""
        parts = urlsplit(base_url)
        return cls(
            parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), verify_tls
        )

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    def tls(self) -> SSLContext | None:
        """The TLS settings, None for plain HTTP; certificates are checked unless the profile says otherwise."""
        if self.scheme != "https":
            return None
        context = create_default_context()
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Reply:
    """How one exchange ended. `outcome` is OK for any whole answer; `detail` says what happened when there is none.

    `served_by` is the replica behind this connection as far as it was known before; `service_us` spans connecting
    where that was necessary, sending, and receiving the last byte.
    """

    outcome: Outcome
    service_us: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""
    served_by: str = ""


class _Answer(HTTPResponse):
    """The parser of one answer, which keeps the body."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.body = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.body += buf

    @property
    def whole(self) -> bool:
        """Whether a final answer has arrived completely; 1xx answers only announce it."""
        return bool(self.message_complete and self.get_code() >= 200)


class Connection:
    """A keep-alive connection of one user. It is opened when needed, and given up after anything but a whole answer.

    Nothing is sent twice: a connection that the server closed while it was idle is noticed before sending, one that
    breaks afterwards ends the exchange as CUT.
    """

    def __init__(self, origin: Origin, timeout_s: float) -> None:
        self._origin = origin
        self._timeout_s = timeout_s
        self._tls = origin.tls()
        self._socket: socket.socket | None = None
        self._served_by = ""

    def exchange(self, method: str, request: bytes) -> Reply:
        """Sends the request, returns the whole answer or what became of it; all within the time-out."""
        began_ns = time.perf_counter_ns()
        timer = gevent.Timeout.start_new(self._timeout_s)
        try:
            self._prepare()
        except (OSError, gevent.Timeout) as error:
            detail = f"no connection: {self._what(error, timer)}"
            return self._lost(Outcome.REFUSED, detail, began_ns)
        else:
            return self._talk(method, request, began_ns, timer)
        finally:
            timer.close()

    def _talk(self, method: str, request: bytes, began_ns: int, timer: gevent.Timeout) -> Reply:
        assert self._socket is not None
        answer = _Answer(method)
        done = False
        try:
            self._socket.sendall(request)
            while not answer.whole:
                data = self._socket.recv(RECEIVE_BYTES)
                answer.feed(data)
                if not data and not answer.whole:
                    return self._lost(Outcome.CUT, "connection closed before any answer", began_ns)
            done = True
        except gevent.Timeout as error:
            return self._lost(Outcome.TIMEOUT, self._what(error, timer), began_ns)
        except HTTPParseError as error:
            outcome = Outcome.CUT if not data else Outcome.WRONG_ANSWER
            return self._lost(
                outcome, f"connection closed within the answer: {error}" if not data else str(error), began_ns
            )
        except OSError as error:
            return self._lost(Outcome.CUT, self._what(error, timer), began_ns)
        finally:
            if not done:  # also when the user is stopped in the middle: the answer would be taken for the next one's
                self.close()
        return self._received(answer, began_ns)

    def _received(self, answer: _Answer, began_ns: int) -> Reply:
        service_us = (time.perf_counter_ns() - began_ns) // 1000
        headers = {name.lower(): value for name, value in answer.items()}
        served_by, self._served_by = self._served_by, headers.get("x-served-by", "")
        if answer.should_close():
            self.close()
        return Reply(Outcome.OK, service_us, answer.get_code(), headers, bytes(answer.body), served_by=served_by)

    def _lost(self, outcome: Outcome, detail: str, began_ns: int) -> Reply:
        service_us = (time.perf_counter_ns() - began_ns) // 1000
        return Reply(outcome, service_us, detail=detail, served_by=self._served_by)

    def _what(self, error: BaseException, timer: gevent.Timeout) -> str:
        if not isinstance(error, gevent.Timeout):
            return str(error) or type(error).__name__
        if error is not timer:
            raise error
        return f"nothing within {self._timeout_s:g} s"

    def _prepare(self) -> None:
        if self._socket is not None and not self._closed_by_peer(self._socket):
            return
        self.close()
        self._served_by = ""
        plain = socket.create_connection((self._origin.host, self._origin.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            self._socket = plain
            return
        try:
            self._socket = self._tls.wrap_socket(plain, server_hostname=self._origin.host)
        except BaseException:  # whatever stops the handshake, a time-out included, nobody else knows of this socket
            plain.close()
            raise

    @staticmethod
    def _closed_by_peer(idle: socket.socket) -> bool:
        """An idle connection that can be read has been closed, or holds bytes that belong to no request of ours."""
        poll = _poll()
        poll.register(idle.fileno(), POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Closes the connection, if there is one; the next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
