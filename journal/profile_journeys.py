"""Journeys that a profile describes, so that any HTTP API can be loaded without code; see docs/any-api.md.

Texts of requests and of what is expected are templates (`journal.templates`), places in JSON are `journal.json_paths`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Len

from journal.plan import FORBID_UNKNOWN, ThinkTime

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null"]
Status = Annotated[int, Interval(ge=100, le=599)]


@dataclass(frozen=True, kw_only=True)
class JsonRule:
    """What a place in the JSON of an answer has to be; it has to be there unless it is to be `absent`."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    equals: Any = None
    type: JsonType | None = None
    min: float | None = None
    max: float | None = None
    contains: str = ""
    absent: bool = False


@dataclass(frozen=True, kw_only=True)
class HeaderRule:
    """What a header of an answer has to be; it has to be there unless it is to be `absent`."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    equals: str = ""
    contains: str = ""
    absent: bool = False


@dataclass(frozen=True, kw_only=True)
class BodyRule:
    """What the body of an answer holds, what it must not hold, and how long it may be."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    max_bytes: Annotated[int, Ge(0)] | None = None


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected of an answer; without a status any of 200 to 299."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    status: tuple[Status, ...] = ()
    json: dict[str, JsonRule] = field(default_factory=dict)
    headers: dict[str, HeaderRule] = field(default_factory=dict)
    body: BodyRule = field(default_factory=BodyRule)


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Where a value is taken from: a place in the JSON, a header, or the body; of that what a pattern finds."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    json: str | None = None
    header: str | None = None
    regex: str | None = None


@dataclass(frozen=True, kw_only=True)
class SocketExchange:
    """What is said over a WebSocket: a message and its answer, or without `send` one that the server sends of itself.

    It is over with the next message for which `expect` holds and of which everything can be extracted, over all
    others; `times` in a row.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    name: Annotated[str, Len(1)]
    send: Any = None
    expect: dict[str, JsonRule] = field(default_factory=dict)
    extract: dict[str, Extraction] = field(default_factory=dict)
    within_s: Annotated[float, Gt(0)] | None = None
    times: Annotated[int, Interval(ge=1, le=1000)] = 1

    @property
    def series(self) -> str:
        """The name under which it is counted."""
        return f"WS {self.name}"

    @property
    def pauses(self) -> int:
        """How many pauses belong to it: one after each answer, none after what comes by itself."""
        return 0 if self.send is None else self.times


@dataclass(frozen=True, kw_only=True)
class RequestStep:
    """One request; `times` is how often it happens in a pass on average, a fraction by chance.

    With `websocket` it opens one at `path`, for as long as it takes to say all that is listed.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    method: Method = "GET"
    path: Annotated[str, Len(1)]
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    form: dict[str, Any] | None = None
    body: str | None = None
    expect: Expected = field(default_factory=Expected)
    extract: dict[str, Extraction] = field(default_factory=dict)
    times: Annotated[float, Ge(0)] = 1.0
    think_time: ThinkTime | None = None
    websocket: tuple[SocketExchange, ...] = ()

    @property
    def series(self) -> str:
        """The name under which it is counted."""
        path = self.path.replace("${", "{")
        return f"WS {self.name or path}" if self.websocket else self.name or f"{self.method} {path}"

    @property
    def operations(self) -> dict[str, float]:
        """What is counted of it, by name, and how often it happens in a pass on average."""
        counts = {self.series: self.times}
        for exchange in self.websocket:
            counts[exchange.series] = counts.get(exchange.series, 0.0) + self.times * exchange.times
        return counts

    @property
    def pauses(self) -> float:
        """How many pauses belong to it, in a pass on average."""
        return self.times * (1 + sum(exchange.pauses for exchange in self.websocket))


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a user does when it starts, which is not load; done again after `renew_s`, which is a series of its own.

    `tokens` names what it extracts that can expire: a storm makes it useless, and the user logs in again.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    steps: Annotated[tuple[RequestStep, ...], Len(1)]
    renew_s: Annotated[float, Gt(0)] | None = None
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProfileJourney:
    """A user's way through an API: steps, one after the other, again and again; one round of them is a pass."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    description: str = ""
    weight: Annotated[int, Ge(0)] = 1
    headers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    think_time: ThinkTime | None = None
    on_start: Login | None = None
    steps: Annotated[tuple[RequestStep, ...], Len(1)]

    @property
    def thinks(self) -> float:
        """How many pauses of the plan's think time a pass has on average."""
        return sum(step.pauses for step in self.steps if step.think_time is None and self.think_time is None)

    @property
    def pauses_s(self) -> float:
        """How long a pass pauses otherwise, in seconds on average."""
        pauses = ((step.pauses, step.think_time or self.think_time) for step in self.steps)
        return sum(times * think_time.mean_s for times, think_time in pauses if think_time is not None)


DataMode = Literal["unique", "once", "random"]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Test data, from a file or as rows: one row for each user, each row for one pass only, or any row by chance."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    file: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    mode: DataMode = "unique"


_NAMES = re.compile(r"\$\{([\w.-]+)\}")

RESERVED = {"secrets", "random", "now", "user"}
"""What no set of data may be called, since names of templates begin with it."""

BUILT_INS = {
    "random.uuid": "a new UUID each time",
    "random.int": "a number from 0 to 2,147,483,647, another each time",
    "now.ms": "the time, in milliseconds since 1970",
    "now.iso": "the time, as 2026-01-31T12:00:00.000Z",
    "user.number": "the user's number within its worker, from 0",
    "user.worker": "the number of the user's worker, from 0",
}
"""What templates may name without anybody having made it. Chance comes from the plan's seed."""


def names_in(part: "ProfileJourney | Login | RequestStep | Mapping[str, str]") -> set[str]:
    """Every name that templates anywhere in a part of a journey use."""
    data = part if isinstance(part, Mapping) else asdict(part)
    return set(_NAMES.findall(json.dumps(data, default=str, ensure_ascii=False)))


def data_in(part: "ProfileJourney | Login", data: Iterable[str]) -> list[str]:
    """Which of these sets of data a journey uses, or a part of it."""
    named = {name.partition(".")[0] for name in names_in(part)}
    return [name for name in data if name in named]
