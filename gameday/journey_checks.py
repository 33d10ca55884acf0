"""What no single field of a profile's journeys shows: names that nobody makes, patterns that cannot be read."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import regex

from gameday.yaml_file import Place
from journal.json_paths import JsonPath, PathError
from journal.plan import ThinkTime
from journal.profile import Profile
from journal.profile_journeys import (
    BUILT_INS,
    RESERVED,
    Expected,
    Extraction,
    JsonRule,
    Login,
    ProfileJourney,
    RequestStep,
    data_in,
    names_in,
)
from journal.templates import WORD, TemplateError, parsed, template_names

_JOURNEY = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
_LONGEST_NAME, _LONGEST_PATTERN = 200, 1000

Found = tuple[Place, str, str]
"""Where something is wrong, what, and what to do instead."""


def journey_problems(profile: Profile, columns: Mapping[str, Collection[str]]) -> Iterator[Found]:
    """Everything that is wrong with a profile's journeys, and with the secrets and columns of data that they name."""
    yield from _secret_problems(profile.secrets)
    for name in profile.data:
        if name in RESERVED or not re.fullmatch(WORD, name):
            yield ("data", name), "is no name for test data", f"use a word other than {', '.join(sorted(RESERVED))}"
    known = {*BUILT_INS, *profile.secret_variables()}
    known |= {f"{name}.{column}" for name, there in columns.items() for column in there}
    for name, journey in profile.journeys.items():
        place: Place = ("journeys", name)
        if not _JOURNEY.fullmatch(name):
            yield place, "is no name for a journey", "use up to 41 small letters, digits, - and _; a letter first"
        yield from _Check(place, set(known), unread=set(profile.data) - set(columns)).journey(journey)
        yield from _login_data_problems(place, profile, journey)


def _secret_problems(secrets: Mapping[str, str]) -> Iterator[Found]:
    for key, variable in secrets.items():
        place: Place = ("secrets", key)
        if not key.endswith("_env") or not re.fullmatch(WORD, key.removesuffix("_env")):
            yield place, "should end in _env", "write for example api_key_env: SHOP_API_KEY; it is ${secrets.api_key}"
        if not _VARIABLE.fullmatch(variable):
            # not quoted: it may be the secret itself
            yield place, "is not the name of an environment variable", "secrets never stand in a profile"


def _login_data_problems(place: Place, profile: Profile, journey: ProfileJourney) -> Iterator[Found]:
    """A login that is renewed cannot use up rows of which each pass has one."""
    for name in data_in(journey.on_start, profile.data) if journey.on_start else ():
        if profile.data[name].mode == "once":
            what = f"uses {name}, of which each pass takes a row of its own"
            yield (*place, "on_start"), what, "use data of the mode unique or random"


@dataclass
class _Check:
    """Goes along a journey; `known` are the names that templates may use so far, `unread` data of unknown columns."""

    place: Place
    known: set[str]
    optional: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)

    def journey(self, journey: ProfileJourney) -> Iterator[Found]:
        yield from self._variables(journey.variables)
        yield from self._think_time(self.place, journey.think_time)
        if journey.on_start is not None:
            for number, step in enumerate(journey.on_start.steps):
                yield from self._login_step((*self.place, "on_start", "steps", number), step)
            yield from self._tokens((*self.place, "on_start", "tokens"), journey.on_start, journey)
        # the journey's own headers are part of each step, so they may name only what the first of them can know
        yield from self._headers((*self.place, "headers"), journey.headers)
        for number, step in enumerate(journey.steps):
            yield from self._step((*self.place, "steps", number), step)
        if not any(step.times for step in journey.steps):
            yield (*self.place, "steps"), "holds no request that ever happens", "give one of them times above 0"

    def _variables(self, variables: Mapping[str, Any]) -> Iterator[Found]:
        for name, value in variables.items():
            place = (*self.place, "variables", name)
            yield from _name_problems(place, name)
            if "${" in str(value):
                yield place, "is a constant, ${…} is not filled here", "write it where it is used"
        self.known |= set(variables)

    def _tokens(self, place: Place, login: Login, journey: ProfileJourney) -> Iterator[Found]:
        extracted = {name for step in login.steps for name in step.extract}
        used = names_in(journey.headers).union(*map(names_in, journey.steps))
        for number, name in enumerate(login.tokens):
            if name not in extracted:
                remedy = f"it extracts: {', '.join(sorted(extracted)) or 'nothing'}"
                yield (*place, number), f"the login extracts no {name}", remedy
            elif name not in used:
                yield (*place, number), f"no request of the journey uses ${{{name}}}", "remove it"

    def _login_step(self, place: Place, step: RequestStep) -> Iterator[Found]:
        yield from self._step(place, step)
        if step.times != 1:
            yield (*place, "times"), "has no meaning in a login, whose steps are done once", "remove it"
        if step.websocket:
            yield (*place, "websocket"), "has no meaning in a login", "open it in a step of the journey"
        if step.think_time is not None:
            yield (*place, "think_time"), "has no meaning in a login, which does not pause", "remove it"

    def _step(self, place: Place, step: RequestStep) -> Iterator[Found]:
        yield from self._path((*place, "path"), step.path)
        if len(step.series) > _LONGEST_NAME:
            yield (*place, "name"), f"is longer than {_LONGEST_NAME} characters", "give the request a shorter name"
        yield from self._headers((*place, "headers"), step.headers)
        yield from self._body(place, step)
        for key in ("query", "form"):
            yield from self._fields((*place, key), getattr(step, key) or {})
        yield from self._think_time(place, step.think_time)
        if step.websocket:
            yield from self._websocket(place, step)
        yield from self._expected((*place, "expect"), step.expect)
        for name, source in step.extract.items():
            yield from _name_problems((*place, "extract", name), name)
            yield from _extraction_problems((*place, "extract", name), source)
        (self.known if step.times >= 1 else self.optional).update(step.extract)

    def _websocket(self, place: Place, step: RequestStep) -> Iterator[Found]:
        """A handshake is a GET without a body, and its answer is not for the step to judge."""
        plain = RequestStep(path=step.path)
        for key in ("method", "json", "form", "body", "expect", "extract"):
            if getattr(step, key) != getattr(plain, key):
                yield (*place, key), "has no meaning for a WebSocket", "put it into what is said over it, or remove it"
        for number, exchange in enumerate(step.websocket):
            where = (*place, "websocket", number)
            yield from self._names((*where, "send"), exchange.send)
            yield from self._expected((*where, "expect"), Expected(json=exchange.expect))
            for name, source in exchange.extract.items():
                yield from _name_problems((*where, "extract", name), name)
                yield from _extraction_problems((*where, "extract", name), source)
                if source.header is not None:
                    yield (*where, "extract", name), "is taken from a header, and a message has none", ""
            (self.known if step.times >= 1 else self.optional).update(exchange.extract)

    def _path(self, place: Place, path: str) -> Iterator[Found]:
        yield from self._names(place, path)
        fixed = re.sub(r"\$\{[^{}]*\}?", "", path)
        if not path.startswith("/"):
            yield place, f"{path!r:.60} should begin with /", "the host is the profile's base_url"
        if {"?", "#"} & set(fixed):
            yield place, "holds a ? or #", "write what follows under `query`"
        if re.search(r"[{}\s\x00-\x1f\x7f]", fixed):
            yield place, "holds a blank or a brace", "a value is written ${name}, a blank %20"
        if not path.isascii():
            yield place, "holds characters beyond ASCII", "write them %-encoded, or as a variable"

    def _headers(self, place: Place, headers: Mapping[str, str]) -> Iterator[Found]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                yield (*place, name), "is no name of a header", ""
            if name.lower() in _OURS:
                yield (*place, name), "is set by the client itself", "remove it"
            if re.search(r"[\r\n\x00]", value):
                yield (*place, name), "holds a line break", "a header is one line"
            yield from self._names((*place, name), value)

    def _body(self, place: Place, step: RequestStep) -> Iterator[Found]:
        given = [key for key in ("json", "form", "body") if getattr(step, key) is not None]
        if len(given) > 1:
            yield place, f"has {' and '.join(given)}", "a request has one body; keep one of them"
        yield from self._names((*place, "json"), step.json)
        yield from self._names((*place, "body"), step.body)

    def _fields(self, place: Place, values: Mapping[str, Any]) -> Iterator[Found]:
        for name, value in values.items():
            if not isinstance(value, str | int | float):
                yield (*place, name), f"should be a text, a number or a truth value, not {value!r:.40}", ""
            yield from self._names((*place, name), value)

    def _think_time(self, place: Place, think_time: ThinkTime | None) -> Iterator[Found]:
        if think_time is not None and think_time.min_s > think_time.max_s:
            yield (*place, "think_time"), "min_s is above max_s", ""

    def _expected(self, place: Place, expected: Expected) -> Iterator[Found]:
        for where, json_rule in expected.json.items():
            yield from _path_problems((*place, "json", where), where)
            yield from self._json_rule((*place, "json", where), json_rule)
        for name, rule in expected.headers.items():
            if rule.absent and (rule.equals or rule.contains):
                yield (*place, "headers", name), "is to be absent and something else", "keep one of them"
            yield from self._names((*place, "headers", name), [rule.equals, rule.contains])
        for key in ("contains", "lacks"):
            yield from self._names((*place, "body", key), getattr(expected.body, key))

    def _json_rule(self, place: Place, rule: JsonRule) -> Iterator[Found]:
        if rule.absent and rule != JsonRule(absent=True):
            yield place, "is to be absent and something else", "keep one of them"
        if rule.min is not None and rule.max is not None and rule.min > rule.max:
            yield place, "min is above max", ""
        yield from self._names(place, [rule.equals, rule.contains])

    def _names(self, place: Place, value: Any) -> Iterator[Found]:
        """Names in a text, or anywhere in a structure, that nobody makes."""
        try:
            names = template_names(parsed(value))
        except TemplateError as error:
            yield place, str(error), ""
            return
        for name in sorted(set(names) - self.known):
            if name.partition(".")[0] in self.unread:
                continue
            if name in self.optional:
                what = f"${{{name}}} is extracted by a request that does not happen in each pass"
                yield place, what, "give it a first value under `variables`"
            else:
                yield place, f"nobody makes ${{{name}}} before this", self._nearest(name)

    def _nearest(self, name: str) -> str:
        known = sorted(other for other in self.known if other.partition(".")[0] == name.partition(".")[0])
        return f"known are: {', '.join(known or sorted(self.known))}"


def _name_problems(place: Place, name: str) -> Iterator[Found]:
    if not re.fullmatch(WORD, name):
        yield place, "is no name that a template could use", "use letters, digits, _ and -; a letter first"


def _path_problems(place: Place, text: str) -> Iterator[Found]:
    try:
        JsonPath.parse(text)
    except PathError as error:
        yield place, str(error), ""


def _extraction_problems(place: Place, source: Extraction) -> Iterator[Found]:
    if source.json is not None and source.header is not None:
        yield place, "is taken from the JSON and from a header", "keep one of them"
    if source == Extraction():
        yield place, "does not say where it is taken from", "name json, header or regex"
    if source.json is not None:
        yield from _path_problems((*place, "json"), source.json)
    if source.header is not None and not _HEADER.fullmatch(source.header):
        yield (*place, "header"), "is no name of a header", ""
    if len(source.regex or "") > _LONGEST_PATTERN:
        yield (*place, "regex"), f"is longer than {_LONGEST_PATTERN} characters", ""
        return
    try:
        regex.compile(source.regex or "")
    except regex.error as error:
        yield (*place, "regex"), f"is no pattern: {error}", ""
