"""Whether an answer is what a profile's journey expects of it, and what is taken from it for later requests."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import regex

from journal.json_paths import JsonPath
from journal.outcomes import Outcome
from journal.profile_journeys import Expected, Extraction, HeaderRule, JsonRule
from journal.templates import as_text, filled, parsed
from load.client.reply import Reply
from load.described.values import Values
from load.http import Answer, unexpected

PATTERN_WITHIN_S = 0.05
"""A pattern that takes longer is given up: some take for ever on some texts, and all users of a worker would wait."""

_NO_JSON = object()
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_SAYS = ("detail", "message", "error", "title")


class Received:
    """An answer, whose text and JSON are read once, and only if somebody asks."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._text: str | None = None
        self._json: Any = None
        self._read = False

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 are replaced."""
        if self._text is None:
            self._text = self.reply.body.decode(errors="replace")
        return self._text

    @property
    def json(self) -> Any:
        """The body as JSON; `_NO_JSON` when it is none."""
        if not self._read:
            self._read = True
            try:
                self._json = json.loads(self.reply.body)
            except (ValueError, RecursionError):  # the latter: nested deeper than anything that means well
                self._json = _NO_JSON
        return self._json

    def found(self, path: JsonPath) -> list[Any]:
        """What the JSON holds at a place."""
        return [] if self.json is _NO_JSON else path.find(self.json)


class Judge:
    """What one step expects and extracts, read once; `hide` takes secrets out of whatever is said about an answer."""

    def __init__(self, expected: Expected, extract: Mapping[str, Extraction], hide: Callable[[str], str]) -> None:
        self._status = expected.status
        self._json = [_JsonCheck(place, rule, self._quote) for place, rule in expected.json.items()]
        self._headers = [_HeaderCheck(name, rule, self._quote) for name, rule in expected.headers.items()]
        self._body = expected.body
        self._contains, self._lacks = parsed(expected.body.contains), parsed(expected.body.lacks)
        self._extract = [_Taker(name, source) for name, source in extract.items()]
        self._hide = hide

    def judge(self, reply: Reply, values: Values) -> Answer:
        """How the exchange ended; what is extracted is added to `values`."""
        if reply.outcome is not Outcome.OK:
            return Answer(reply.outcome, detail=self._hide(reply.detail))
        received = Received(reply)
        if not self._status_is_right(reply.status):
            return Answer(unexpected(reply.status), reply.status, detail=self._said(received))
        complaint = next(self._complaints(received, values), "")
        outcome = Outcome.WRONG_ANSWER if complaint else Outcome.OK
        return Answer(outcome, reply.status, detail=complaint)

    def _quote(self, value: Any) -> str:
        """A value as it may be told; hidden before it is cut, or half a secret would remain."""
        return self._hide(repr(value))[:60]

    def _status_is_right(self, status: int) -> bool:
        return status in self._status if self._status else 200 <= status < 300

    def _said(self, received: Received) -> str:
        wanted = " or ".join(map(str, self._status)) or "2xx"
        body = received.json if isinstance(received.json, dict) else {}
        said = next((self._hide(str(body[key]))[:80] for key in _SAYS if key in body), "")
        return f"{received.reply.status} instead of {wanted}{': ' + said if said else ''}"

    def _complaints(self, received: Received, values: Values) -> Iterator[str]:
        if (self._json or any(taker.needs_json for taker in self._extract)) and received.json is _NO_JSON:
            yield "the answer is no JSON"
        for json_check in self._json:
            yield from json_check.complaints(received, values)
        for header_check in self._headers:
            yield from header_check.complaints(received, values)
        yield from self._body_complaints(received, values)
        for taker in self._extract:
            yield from taker.take(received, values)

    def _body_complaints(self, received: Received, values: Values) -> Iterator[str]:
        limit, length = self._body.max_bytes, len(received.reply.body)
        if limit is not None and length > limit:
            yield f"the body has {length} bytes, more than {limit}"
        for wanted in filled(self._contains, values):
            if as_text(wanted) not in received.text:
                yield f"the body does not contain {self._quote(wanted)}"
        for unwanted in filled(self._lacks, values):
            if as_text(unwanted) in received.text:
                yield f"the body contains {self._quote(unwanted)}"


class _JsonCheck:
    """One rule for one place."""

    def __init__(self, place: str, rule: JsonRule, quote: Callable[[Any], str]) -> None:
        self._place, self._rule, self._quote = place, rule, quote
        self._path = JsonPath.parse(place)
        self._equals, self._contains = parsed(rule.equals), parsed(rule.contains)

    def complaints(self, received: Received, values: Values) -> Iterator[str]:
        found = received.found(self._path)
        if self._rule.absent:
            if found:
                yield f"the answer has a {self._place}"
            return
        if not found and not self._path.many:
            yield f"the answer has no {self._place}"
        for value in found:
            yield from (f"{self._place} {what}" for what in self._wrong(value, values))

    def _wrong(self, value: Any, values: Values) -> Iterator[str]:
        rule = self._rule
        if rule.type is not None and not _TYPES[rule.type](value):
            yield f"is no {rule.type}"
        wanted = filled(self._equals, values)
        if wanted is not None and not _same(value, wanted):
            yield f"is {self._quote(value)}, not {self._quote(wanted)}"
        if rule.min is not None or rule.max is not None:
            yield from self._out_of_range(value)
        part = filled(self._contains, values)
        if part != "" and as_text(part) not in as_text(value):
            yield f"is {self._quote(value)}, without {self._quote(part)}"

    def _out_of_range(self, value: Any) -> Iterator[str]:
        low, high = self._rule.min, self._rule.max
        if not _TYPES["number"](value):
            yield "is no number"
        elif low is not None and value < low:
            yield f"is {value}, less than {low:g}"
        elif high is not None and value > high:
            yield f"is {value}, more than {high:g}"


def _same(value: Any, wanted: Any) -> bool:
    """Equal as JSON is: true is not 1, though 1.0 is."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_same(value[key], wanted[key]) for key in value)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


class _HeaderCheck:
    """One rule for one header."""

    def __init__(self, name: str, rule: HeaderRule, quote: Callable[[Any], str]) -> None:
        self._name, self._rule, self._quote = name, rule, quote
        self._equals, self._contains = parsed(rule.equals), parsed(rule.contains)

    def complaints(self, received: Received, values: Values) -> Iterator[str]:
        found = received.reply.headers.get(self._name.lower())
        equals, part = as_text(filled(self._equals, values)), as_text(filled(self._contains, values))
        if self._rule.absent:
            if found is not None:
                yield f"the answer has the header {self._name}"
        elif found is None:
            yield f"the answer has no header {self._name}"
        elif equals and found != equals:
            yield f"{self._name} is {self._quote(found)}, not {self._quote(equals)}"
        elif part not in found:
            yield f"{self._name} is {self._quote(found)}, without {self._quote(part)}"


class _Taker:
    """Takes one value from an answer."""

    def __init__(self, name: str, source: Extraction) -> None:
        self._name, self._source = name, source
        self._path = None if source.json is None else JsonPath.parse(source.json)
        self._pattern = None if source.regex is None else regex.compile(source.regex)

    @property
    def needs_json(self) -> bool:
        return self._path is not None

    def take(self, received: Received, values: Values) -> Iterator[str]:
        """Adds the value to `values`, or says why there is none; never quotes it, it may be a password."""
        found = self._candidates(received)
        if not found:
            yield f"there is no {self._name} to extract at {self._where}"
            return
        value = values.chance.choice(found) if len(found) > 1 else found[0]
        if self._pattern is None:
            values[self._name] = value
            return
        try:
            match = self._pattern.search(as_text(value), timeout=PATTERN_WITHIN_S)
        except TimeoutError:
            yield f"the pattern for {self._name} took longer than {PATTERN_WITHIN_S * 1000:g} ms"
            return
        if match is None:
            yield f"the pattern for {self._name} found nothing in {self._where}"
        else:
            values[self._name] = match[1] if match.re.groups else match[0]

    def _candidates(self, received: Received) -> list[Any]:
        if self._path is not None:
            return received.found(self._path)
        if self._source.header is None:
            return [received.text]
        header = received.reply.headers.get(self._source.header.lower())
        return [] if header is None else [header]

    @property
    def _where(self) -> str:
        if self._source.json is not None:
            return self._source.json or "the whole answer"
        return "the body" if self._source.header is None else f"the header {self._source.header}"
