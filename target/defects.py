"""Planted defects: what `--defect` accepts, and the questions that healthy code asks at its few hooks.

A target without defects answers every question with "behave well".
"""

import asyncio
import heapq
import random
import re
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from target.answers import is_load

SYNTAX = """\
  slow:METHOD:PATH:MS:PERCENT  delay PERCENT of the requests of one endpoint by MS milliseconds
  semaphore:SIZE:MS            the load's calls share SIZE servers in each replica, who take
                               MS milliseconds for each, in order
  leak:KIB                     keep KIB KiB per request for ever
  lost-task:PERCENT            accept, but never do
  doubled-task:PERCENT         complete and pay twice
  ledger                       each payment and distribution creates one token
  foreign-task                 another user's task is readable
  errors:PERCENT               answer 500
  any-password                 login takes any password
  any-token                    access tokens are taken without a look at their signature
  mcp-sessions                 Model Context Protocol: sessions are kept in the memory of one replica
  mcp-wrong-id:PERCENT         Model Context Protocol: the answer carries another id
  mcp-no-result:PERCENT        Model Context Protocol: the answer lacks its result"""

NEVER_BROKEN_PATHS = frozenset({"/health", "/ready", "/metrics"})


class EvenShare:
    """Says yes to `percent` % of the calls, as evenly spread as possible, by carrying the remainder along.

    With 20 % that is every fifth call; `phase` (0 to 100) says how far along the first one is.
    """

    def __init__(self, percent: float, phase: float = 0.0) -> None:
        self._percent = percent
        self._carried = phase

    def __call__(self) -> bool:
        """Whether it happens this time."""
        self._carried += self._percent
        if self._carried < 100:
            return False
        self._carried -= 100
        return True


NEVER = EvenShare(0)
_SHARES = {
    "lost-task": "loses_task",
    "doubled-task": "doubles_task",
    "errors": "answers_500",
    "mcp-wrong-id": "mistakes_mcp_id",
    "mcp-no-result": "forgets_mcp_result",
}


@dataclass(frozen=True, kw_only=True)
class SlowPath:
    """Requests of one endpoint, some of which have to wait."""

    method: str
    path: re.Pattern[str]
    delay_s: float
    share: EvenShare


class Servers:
    """So many servers who take the same time for each call, first come, first served: capacity SIZE/MS, to be computed.

    When a call's turn ends is fixed as it comes, so that waking up late delays that call alone and takes nothing from
    the capacity.
    """

    def __init__(self, size: int, service_s: float) -> None:
        self._free_at_s = [0.0] * size
        self._service_s = service_s

    def ends_at_s(self, now_s: float) -> float:
        """When the call that comes now will have been served."""
        ends_s = max(now_s, heapq.heappop(self._free_at_s)) + self._service_s
        heapq.heappush(self._free_at_s, ends_s)
        return ends_s


@dataclass(kw_only=True)
class Defects:
    """The defects of one process; the defaults are those of a healthy one."""

    slow_paths: list[SlowPath] = field(default_factory=list)
    servers: Servers | None = None
    leak_bytes: int = 0
    loses_task: EvenShare = NEVER
    doubles_task: EvenShare = NEVER
    answers_500: EvenShare = NEVER
    mistakes_mcp_id: EvenShare = NEVER
    forgets_mcp_result: EvenShare = NEVER
    created_tokens: int = 0
    ignores_owner: bool = False
    accepts_any_password: bool = False
    accepts_any_token: bool = False
    keeps_mcp_sessions: bool = False

    @property
    def spoils_mcp(self) -> bool:
        """Whether any answer of the Model Context Protocol goes out spoilt."""
        return self.mistakes_mcp_id is not NEVER or self.forgets_mcp_result is not NEVER

    def plant(self, spec: str, *, seed: str = "") -> None:
        """Switch on the defect that `spec` names; ValueError says what is wrong with it."""
        name, *arguments = spec.split(":")
        phase = random.Random(f"{seed}/{spec}").uniform(0, 100)
        match name, arguments:
            case "slow", [method, path, delay_ms, percent]:
                share = EvenShare(_percent(percent), phase)
                delay_s = _positive(delay_ms, "MS") / 1000
                self.slow_paths.append(
                    SlowPath(method=method.upper(), path=_path_pattern(path), delay_s=delay_s, share=share)
                )
            case "semaphore", [size, service_ms]:
                self.servers = Servers(_size(size), _positive(service_ms, "MS") / 1000)
            case "leak", [kib]:
                self.leak_bytes = int(_positive(kib, "KIB") * 1024)
            case _, [percent] if name in _SHARES:
                setattr(self, _SHARES[name], EvenShare(_percent(percent), phase))
            case "ledger", []:
                self.created_tokens = 1
            case "foreign-task", []:
                self.ignores_owner = True
            case "mcp-sessions", []:
                self.keeps_mcp_sessions = True
            case "any-password", []:
                self.accepts_any_password = True
            case "any-token", []:
                self.accepts_any_token = True
            case _:
                raise ValueError("no such defect")


def planted(specs: tuple[str, ...], *, seed: str) -> Defects:
    """The defects that `specs` name; ValueError when one of them is not understood."""
    defects = Defects()
    for spec in specs:
        defects.plant(spec, seed=seed)
    return defects


def _positive(text: str, what: str) -> float:
    value = float(text)
    if not 0 < value < 1_000_000:
        raise ValueError(f"{what} must be above 0 and below 1,000,000")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10_000:
        raise ValueError("SIZE must be from 1 to 10,000")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise ValueError("PERCENT must be above 0 and at most 100")
    return value


def _path_pattern(path: str) -> re.Pattern[str]:
    if not path.startswith("/"):
        raise ValueError("PATH must begin with /")
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", path)))


class PlantedFaults:
    """ASGI middleware for the defects that concern requests as such: leak, slow path, errors."""

    def __init__(self, app: ASGIApp, defects: Defects) -> None:
        self._app = app
        self._defects = defects
        self._leaked: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, WebSocket or lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._defects.leak_bytes:
            self._leaked.append(b"\x01" * self._defects.leak_bytes)  # written to, so that the pages are really used
        await self._wait_on_slow_path(scope["method"], scope["path"])
        await self._wait_for_a_server(scope)
        if scope["path"] not in NEVER_BROKEN_PATHS and self._defects.answers_500():
            await JSONResponse({"detail": "internal server error"}, 500)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _wait_for_a_server(self, scope: Scope) -> None:
        servers = self._defects.servers
        if servers is None or not is_load(scope):
            return
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(servers.ends_at_s(now_s) - now_s)

    async def _wait_on_slow_path(self, method: str, path: str) -> None:
        for slow in self._defects.slow_paths:
            if method == slow.method and slow.path.fullmatch(path) and slow.share():
                await asyncio.sleep(slow.delay_s)
