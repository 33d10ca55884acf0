"""One step of a described journey: its request, made from templates that are read once, and the judge of its answer."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from journal.outcomes import Outcome
from journal.plan import ThinkTime
from journal.profile_journeys import Expected, ProfileJourney, RequestStep, SocketExchange, data_in, names_in
from journal.templates import Template, as_text, filled, parsed
from load.client.reply import Reply
from load.client.websocket import Message
from load.described.answers import Judge
from load.described.values import Values
from load.http import Answer
from load.websocket import WebSocketSession


class Request:
    """A step that is ready to be sent again and again."""

    def __init__(self, step: RequestStep, common: Mapping[str, str], hide: Callable[[str], str]) -> None:
        self.method, self.series = step.method, step.series
        self.names = names_in(step) | names_in(common)
        self.times, self.think_time = step.times, step.think_time
        path = Template.parse(step.path)
        self.path, self._in_path = path.placeholders(), path.names
        self._headers = parsed(_merged(common, step.headers))
        self._query = parsed(step.query)
        self._json, self._form, self._body = parsed(step.json), parsed(step.form), parsed(step.body)
        self._judge = Judge(step.expect, step.extract, hide)
        self.judge = self._judge.judge
        self.exchanges = [Exchange(exchange, hide) for exchange in step.websocket]

    def filled(self, values: Values) -> dict[str, Any]:
        """What `load.http.Client.send` takes beside method and path."""
        made: dict[str, Any] = {"path": {name: as_text(values[name]) for name in self._in_path}}
        if self._headers:
            made["headers"] = _texts(self._headers, values)
        if self._query:
            made["query"] = _texts(self._query, values)
        if self._json is not None:
            made["body"] = filled(self._json, values)
        if self._form is not None:
            made["form"] = _texts(self._form, values)
        if self._body is not None:
            made["content"] = as_text(filled(self._body, values)).encode()
        return made


def _merged(common: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Headers of the journey and of the step; the step's win, however they are spelled."""
    names = {name.lower() for name in own}
    return {**{name: value for name, value in common.items() if name.lower() not in names}, **own}


def _texts(templates: Mapping[str, Any], values: Values) -> dict[str, str]:
    return {name: as_text(filled(value, values)) for name, value in templates.items()}


class Exchange:
    """What is said over a WebSocket, ready to be said again and again."""

    def __init__(self, exchange: SocketExchange, hide: Callable[[str], str]) -> None:
        self.times, self.sends = exchange.times, exchange.send is not None
        self._series, self._within_s = exchange.series, exchange.within_s
        self._send = parsed(exchange.send)
        self._judge = Judge(Expected(json=exchange.expect), exchange.extract, hide)

    def go(self, session: WebSocketSession, values: Values) -> None:
        """Sends its message, if it has one, and waits for the one that is expected. Raises RequestError."""

        def wanted(message: Message) -> Answer | None:
            body = message.encode() if isinstance(message, str) else message
            answer = self._judge.judge(Reply(Outcome.OK, 0, status=200, body=body), values)
            return answer if answer.ok else None

        if not self.sends:
            session.awaited(self._series, wanted, within_s=self._within_s)
            return
        sent = filled(self._send, values)
        text = sent if isinstance(sent, str) else json.dumps(sent)
        session.answered(self._series, text, wanted, within_s=self._within_s)


class Way:
    """A described journey, ready to be gone."""

    def __init__(
        self, journey: ProfileJourney, data: Iterable[str], think_time: ThinkTime, hide: Callable[[str], str]
    ) -> None:
        self.data = data_in(journey, data)
        self.variables = dict(journey.variables)
        self.think_time = journey.think_time or think_time
        login = journey.on_start
        self.renew_s = login.renew_s if login else None
        self.tokens = login.tokens if login else ()
        self.login = [Request(step, {}, hide) for step in login.steps] if login else []
        self.steps = [Request(step, journey.headers, hide) for step in journey.steps]
