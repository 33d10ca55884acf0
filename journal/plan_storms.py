"""Storms of a plan: moments at which the same thing happens to many users at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Len

from journal.errors import Problem

StormKind = Literal["reconnect", "token-expiry"]
Dropped = Literal["http", "websocket"]

_SETTINGS = {"connections": "reconnect", "tokens": "token-expiry"}


@dataclass(frozen=True, kw_only=True)
class Storm:
    """What happens to this share of the users, `at_s` after the warm-up; judged as a fault is.

    reconnect: their `connections` break at the same moment, also under a request; each user comes back at once, or at
    a random moment within `spread_s`. token-expiry: their access tokens become useless, at the same moment or spread
    over `spread_s`; with `tokens: all` the refresh tokens do too. `recovery_s`: within it everybody must be back.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    id: Annotated[str, Len(1)]
    kind: StormKind
    at_s: Annotated[float, Ge(1.0)]
    share: Annotated[float, Interval(gt=0.0, le=1.0)] = 1.0
    spread_s: Annotated[float, Ge(0.0)] = 0.0
    connections: Annotated[tuple[Dropped, ...], Len(1)] | None = None
    tokens: Literal["access", "all"] | None = None
    recovery_s: Annotated[float, Gt(0)] = 15.0
    max_budget_share: Annotated[float, Ge(0.0)] = 1.0

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{self.kind} storm"

    @property
    def cut_detail(self) -> str:
        """How a request is told that was cut because its connection broke."""
        return cut_by(self.id)

    def drops(self, what: Dropped) -> bool:
        """Whether connections of this sort are among those that break."""
        return self.kind == "reconnect" and (self.connections is None or what in self.connections)

    @property
    def spares_refresh(self) -> bool:
        """Whether refresh tokens stay good."""
        return self.tokens != "all"

    @property
    def over_within_s(self) -> float:
        """How long after its begin everybody must be back."""
        return self.spread_s + self.recovery_s

    @property
    def words(self) -> str:
        """All of it, in words."""
        if self.kind == "reconnect":
            kinds = {"http": "keep-alive connections", "websocket": "WebSockets"}
            what = " and ".join(text for kind, text in kinds.items() if kind in (self.connections or kinds))
        else:
            what = "access tokens" if self.spares_refresh else "all tokens"
        spread = f", spread over {self.spread_s:g} s" if self.spread_s else ""
        return f"{what} of {self.share:.4g} of the users{spread}".replace("of 1 of the users", "of all users")


def cut_by(storm_id: str) -> str:
    """What the failure of a request says that this storm cut."""
    return f"dropped by the storm {storm_id}"


def storm_problems(where: str, storm: Storm) -> Iterator[Problem]:
    """Settings that mean nothing for a storm of its kind; `where` is its place in the plan."""
    for name, kind in _SETTINGS.items():
        if getattr(storm, name) is not None and storm.kind != kind:
            yield Problem(f"{where}.{name}", f"has no meaning for a {storm.name}", f"remove it, or choose {kind}")
    if storm.connections is not None and len(set(storm.connections)) < len(storm.connections):
        yield Problem(f"{where}.connections", "names the same twice", "keep one")
