"""Answers as users of Locust know them."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Protocol, Self

from locust.exception import CatchResponseError, LocustError, ResponseError

from journal.outcomes import Outcome
from load.client.answer import Answer
from load.client.encoding import Prepared
from load.client.errors import BadStatus, RequestError
from load.client.sse import Event
from load.client.stream import Stream

_ONLY_WITH = "pass catch_response=True and use the request in a with block to change how it counts"
_CHARSET = "charset="


class Counts(Protocol):
    """Where the beginning and the end of each operation of one endpoint are counted."""

    def start(self, at_ns: int = 0) -> None:
        """One begins, or was intended to begin, then, or now."""

    def answered(self, service_ns: int, lag_ns: int, at_ns: int) -> None:
        """One ended well then; the kernel stamped it, and it was on no schedule."""

    def end(
        self,
        outcome: Outcome,
        service_us: int | None,
        *,
        lag_us: int | None = None,
        response_us: int | None = None,
        at_ns: int = 0,
    ) -> None:
        """One ended then, or now."""


class Response(Answer):
    """One answer, or the error that there is instead: then `status_code` is 0 and `error` says what happened.

    Its times are those of an `Answer`; `service_ns` of a streamed one ends with the arrival of its header.
    """

    error: Exception | None = None
    encoding: str | None = None
    stream: Stream | None = None
    js: Any = None
    unreadable = False
    first_began_ns = 0
    # what the session keeps with the answer until it is counted
    series: Counts
    report: "Callable[[Response, Exception | None], None]"
    method = label = counted_as = ""
    context: Mapping[str, Any] | None = None
    intended_ns = 0

    def __init__(self, request: Prepared) -> None:
        self.request = request

    def take_stream(self, stream: Stream) -> None:
        """The header of the answer is there; the rest is read while it arrives."""
        self.stream = stream
        self.status, self.head = stream.status, stream.head
        self.began_ns, self.received_ns = stream.began_ns, stream.received_ns
        self.service_ns = stream.first_byte_us * 1000

    def lose(self, error: RequestError, began_ns: int, elapsed_ns: int) -> None:
        """There is no answer."""
        self.error = error
        self.began_ns, self.received_ns, self.service_ns = began_ns, began_ns + elapsed_ns, elapsed_ns

    def renew(self, request: Prepared) -> None:
        """A redirect is followed: what is known of the answer so far is forgotten, but for when it began."""
        self.first_began_ns = self.first_began_ns or self.began_ns
        self.request, self.stream = request, None
        self.status, self.head, self.body, self.stamped = 0, b"", b"", False

    def since_intended_us(self) -> int:
        """The time from the intended start, or from the sending within a pass that has begun."""
        since_ns = self.intended_ns if self.intended_ns > 0 else self.began_ns
        return max(0, self.received_ns - since_ns) // 1000

    @property
    def status_code(self) -> int:
        """The status; 0 without an answer."""
        return self.status

    @property
    def content(self) -> bytes | None:
        """The body, decoded; None without an answer, with one that cannot be decoded, and with one that is streamed."""
        return None if not self.status or self.unreadable or self.stream is not None else self.body

    @property
    def url(self) -> str:
        """The URL that was asked last."""
        return self.request.url

    @property
    def length(self) -> int:
        """The length of the body; of a streamed one, what its header says."""
        if self.stream is None:
            return len(self.content or b"")
        said = self.headers.get("content-length", "")
        return int(said) if said.isascii() and said.isdigit() else 0

    @property
    def elapsed(self) -> timedelta:
        """The service time."""
        return timedelta(microseconds=self.service_ns / 1000)

    @property
    def ok(self) -> bool:
        """Whether there is an answer whose status is below 400."""
        return 0 < self.status < 400

    @property
    def text(self) -> str | None:
        """The body as text: in `encoding` where that was set, else as the header says, else in UTF-8."""
        if self.content is None:
            return None
        try:
            return self.content.decode(self.encoding or self._charset(), "replace")
        except LookupError:  # an encoding that nobody knows
            return self.content.decode("utf-8", "replace")

    def _charset(self) -> str:
        _, found, value = self.headers.get("content-type", "").partition(_CHARSET)
        return value.partition(";")[0].strip().strip('"') if found else "utf-8"

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.content or b"")

    def raise_for_status(self) -> None:
        """Raises the error of this request, or BadStatus when its answer says no."""
        if self.error is not None:
            raise self.error
        if self.status >= 400:
            raise BadStatus(self.status, f"{self.status} for {self.url}")

    def own_failure(self) -> RequestError | None:
        """What the request failed with by itself, whatever its user says."""
        try:
            Response.raise_for_status(self)
        except RequestError as error:
            return error
        return None

    # Answers that are read while they arrive

    def iter_content(self, chunk_size: int = 1024, decode_content: bool = True) -> Iterator[Any]:  # as Locust has it
        """The body in pieces, as text where it is UTF-8 and `decode_content`; as they come, if it is streamed."""
        pieces = self.stream.pieces() if self.stream is not None else iter((self.content or b"",))
        for piece in pieces:
            for start in range(0, len(piece), chunk_size):
                part = piece[start : start + chunk_size]
                yield _as_text(part) if decode_content else part

    def iter_lines(self) -> Iterator[str]:
        """The lines of the body, as they come."""
        rest = b""
        for piece in self.iter_content(65_536, decode_content=False):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    def events(self) -> Iterator[Event]:
        """The server-sent events of a streamed answer, as they come."""
        if self.stream is None:
            raise LocustError("events are read while they arrive: pass stream=True")
        yield from self.stream.events()

    def close(self) -> None:
        """Gives up what has not been read of a streamed answer, and its connection."""
        if self.stream is not None:
            self.stream.close()

    # Only within a with block

    def success(self) -> None:
        """Not without a with block."""
        raise LocustError(_ONLY_WITH)

    def failure(self, reason: object) -> None:  # noqa: ARG002  # the same as within one
        """Not without a with block."""
        raise LocustError(_ONLY_WITH)

    def __enter__(self) -> Self:
        raise LocustError(_ONLY_WITH)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None:
        return None


def _as_text(part: bytes) -> str | bytes:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return part


class ResponseContextManager(Response):
    """An answer whose user decides how it counts, with `success()` or `failure(reason)`, until the block ends."""

    _entered = False
    _decided = False
    _failure: Exception | None = None

    def success(self) -> None:
        """Counts the request as good, whatever its status."""
        self._decide(None)

    def failure(self, reason: object) -> None:
        """Counts the request as wrong, and says why."""
        self._decide(reason if isinstance(reason, Exception) else CatchResponseError(reason))

    def _decide(self, failure: Exception | None) -> None:
        if not self._entered:
            raise LocustError(_ONLY_WITH)
        self._decided, self._failure = True, failure

    def raise_for_status(self) -> None:
        """Raises what it was decided to have failed with, or what it failed with by itself."""
        if not self._decided:
            super().raise_for_status()
        elif self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        self._entered = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None:
        """Counts the request. Swallows what Locust's own response swallows, nothing else."""
        if isinstance(error, ResponseError) and not self._decided:
            self._decided, self._failure = True, error
        self.report(self, self._failure if self._decided else self.own_failure())
        return kind is None or (isinstance(error, ResponseError))
