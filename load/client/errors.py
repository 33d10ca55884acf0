"""What can become of a request that got no answer, or one that cannot be used; each error knows how it is counted.

RequestError                  a TargetUnreachable of `journal.errors`; carries its outcome
├── NotConnected              refused: the request was never sent
│   ├── UnknownHost           the name has no address
│   ├── ConnectionNotOpened   nobody listens, no route, or no answer in time
│   └── TlsRefused            the handshake failed
│       └── CertificateRefused   wrong name, expired, or nobody vouches for it
├── TimedOut                  time-out: it was sent, and the whole answer did not come in time
│   └── PushMissing           a WebSocket's server did not send of itself what it was to send
├── ConnectionCut             cut: the connection broke or ended before the answer was whole
│   └── SocketClosed          a WebSocket was closed by the other side, which gave a code
├── BadAnswer                 wrong answer: what came is no HTTP, or none that may be used
│   ├── TooLarge              header or body beyond the limit, before or after decoding
│   ├── SurplusBytes          more than the answer itself announced
│   ├── NotDecodable          the body is not in the encoding that it claims
│   ├── BadFrame              a frame of a WebSocket breaks its protocol
│   └── RedirectRefused       too many redirects, or one that leads nowhere
└── BadStatus                 client error, server error or limited: a whole answer that says no
"""

from journal.errors import TargetUnreachable
from journal.outcomes import Outcome


class RequestError(TargetUnreachable):
    """A request that did not end with an answer that can be used."""

    outcome: Outcome = Outcome.WRONG_ANSWER


class NotConnected(RequestError):
    """There was no connection to send it on."""

    outcome = Outcome.REFUSED


class UnknownHost(NotConnected):
    """The name of the target has no address."""


class ConnectionNotOpened(NotConnected):
    """No address of the target took the connection in time."""


class TlsRefused(NotConnected):
    """The TLS handshake failed."""


class CertificateRefused(TlsRefused):
    """The certificate is not one that proves the name of the target."""


class TimedOut(RequestError):
    """The answer was not whole in time."""

    outcome = Outcome.TIMEOUT


class PushMissing(TimedOut):
    """A message that the server was to send of itself did not come in time."""


class ConnectionCut(RequestError):
    """The connection ended before the answer was whole."""

    outcome = Outcome.CUT


class SocketClosed(ConnectionCut):
    """The other side has closed a WebSocket; `code` and `reason` are its own."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"closed by the target with {code}{': ' + reason if reason else ''}")


class BadAnswer(RequestError):
    """What came is not an HTTP answer that may be used."""

    outcome = Outcome.WRONG_ANSWER


class TooLarge(BadAnswer):
    """The header or the body is larger than the limit."""


class SurplusBytes(BadAnswer):
    """The target sent more than its answer announced, or an answer to no request."""


class NotDecodable(BadAnswer):
    """The body is not in the encoding that it claims."""


class BadFrame(BadAnswer):
    """What came over a WebSocket is no frame that may stand there."""


class RedirectRefused(BadAnswer):
    """A redirect that cannot be followed, or one too many."""


class BadStatus(RequestError):
    """A whole answer whose status says no; `status` has it."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.outcome = outcome_of_status(status)
        super().__init__(message)


def outcome_of_status(status: int) -> Outcome:
    """How an answer with this status counts where nothing particular was expected."""
    if status < 400:
        return Outcome.OK
    if status == 429:
        return Outcome.LIMITED
    return Outcome.SERVER_ERROR if status >= 500 else Outcome.CLIENT_ERROR
