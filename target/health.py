"""What can be asked without logging in: the landing page, health, readiness, metrics."""

import asyncio
import time
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from target import landing
from target.lifecycle import Lifecycle
from target.services import Injected, Services
from target.store import STORE_UNAVAILABLE
from target.telemetry import Telemetry

router = APIRouter(tags=["health"])

VERSION = "1.0.0"
_ANSWER_LIMIT_S = 1.0

ComponentStatus = Literal["healthy", "slow", "unreachable", "down", "unknown"]


class Welcome(BaseModel):
    """That the API is here."""

    message: str = "AIA: from a prompt to a report, slides and a dashboard"
    version: str = VERSION
    status: str = "running"


class Component(BaseModel):
    """One part: `latency_ms` for Redis, `workers` (live ones) for the agents."""

    status: ComponentStatus
    latency_ms: float | None = None
    workers: int | None = None


class Health(BaseModel):
    """The whole, and its parts."""

    status: Literal["healthy", "degraded", "unhealthy"]
    components: dict[str, Component]


class Ready(BaseModel):
    """That start-up is complete, and that no end has begun."""

    status: Literal["ready", "leaving"] = "ready"


@router.get("/", response_model=Welcome)
async def root(request: Request) -> Welcome | HTMLResponse:
    """A page for browsers, JSON for all others."""
    accepted = [kind.split(";")[0].strip() for kind in request.headers.get("accept", "").split(",")]
    first = next((kind for kind in accepted if kind in {"text/html", "application/json"}), "application/json")
    return HTMLResponse(landing.PAGE) if first == "text/html" else Welcome()


@router.get("/health", response_model_exclude_none=True)
async def health(response: Response, services: Injected) -> Health:
    """What state the parts are in; 503 when nothing works without the one that is down."""
    redis, agents = await _look(services)
    if redis.status == "unreachable":
        response.status_code = 503
        status: Literal["healthy", "degraded", "unhealthy"] = "unhealthy"
    else:
        status = "healthy" if redis.status == agents.status == "healthy" else "degraded"
    return Health(status=status, components={"api": Component(status="healthy"), "redis": redis, "agents": agents})


async def _look(services: Services) -> tuple[Component, Component]:
    """The state of Redis and of the agents, found with one question to Redis."""
    began = time.perf_counter()
    try:
        workers = (await asyncio.wait_for(services.agents.metrics(), _ANSWER_LIMIT_S))["workers"]
    except TimeoutError:
        return Component(status="slow"), Component(status="unknown")
    except STORE_UNAVAILABLE:
        return Component(status="unreachable"), Component(status="unknown")
    latency_ms = round((time.perf_counter() - began) * 1000, 3)
    agents = Component(status="healthy" if workers else "down", workers=workers)
    return Component(status="healthy", latency_ms=latency_ms), agents


@router.get("/ready")
async def ready(request: Request, response: Response) -> Ready:
    """A replica listens only when it is ready, so that this is never asked before; 503 while it leaves."""
    lifecycle: Lifecycle = request.app.state.lifecycle
    if lifecycle.phase != "leaving":
        return Ready()
    response.status_code = 503
    return Ready(status="leaving")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text of this replica."""
    telemetry: Telemetry = request.app.state.telemetry
    return Response(telemetry.text(), media_type=CONTENT_TYPE_LATEST)
