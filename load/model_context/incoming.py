"""The messages in an answer, whether it is one JSON object or a stream of events, read at once or as it arrives."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from load.client.errors import TooLarge
from load.client.headers import Headers
from load.client.reply import Reply
from load.client.sse import Event, EventParser
from load.client.stream import Stream
from load.model_context.json_rpc import Malformed, Message, message_of


@dataclass(frozen=True, slots=True)
class Incoming:
    """A whole answer: its status, the session that it gives or keeps, and its messages."""

    status: int
    session_id: str
    messages: list[Message]


def of_reply(reply: Reply) -> Incoming:
    """What an answer holds that has been read already."""
    headers = reply.headers
    kind = _kind(headers)
    if kind == "text/event-stream":
        try:
            messages = _of_events(EventParser().feed(_with_line_end(reply.body)))
        except TooLarge as error:
            messages = [Malformed(str(error))]
    else:
        messages = _of_body(kind, reply.body)
    return Incoming(reply.status, headers.get("mcp-session-id", ""), messages)


def of_stream(stream: Stream) -> Incoming:
    """What an answer holds that is read only now, to its end. Raises RequestError."""
    session_id = stream.headers.get("mcp-session-id", "")
    if stream.is_event_stream:
        return Incoming(stream.status, session_id, _of_events(stream.events()))
    return Incoming(stream.status, session_id, _of_body(_kind(stream.headers), stream.read()))


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _with_line_end(body: bytes) -> bytes:
    """The body with its last line's end recognisable: a lone CR might still be followed by LF, were it not the end."""
    return body + b"\n" if body.endswith(b"\r") else body


def _of_events(events: Iterable[Event]) -> list[Message]:
    # an event without data only tells where a stream could be taken up again
    return [_parsed(event.data) for event in events if event.data and event.event == "message"]


def _of_body(kind: str, body: bytes) -> list[Message]:
    return [_parsed(body) if kind == "application/json" else Malformed(f"the answer is of the type {kind!r:.40}")]


def _parsed(text: bytes | str) -> Message:
    try:
        return message_of(json.loads(text))
    except (ValueError, RecursionError):
        return Malformed("the message is no JSON")
