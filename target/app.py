"""Puts one replica's application together: routers, error answers, and what runs beside the requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from target import (
    agents,
    auth,
    defects,
    economy,
    governance,
    health,
    model_control,
    performance,
    reports,
    services,
    sockets,
    workflows,
)
from target.agent_messages import AgentMessages
from target.answers import CountRequests, MarkAnswers
from target.api_document import describe_logins
from target.counters import Counters
from target.defects import PlantedFaults
from target.lifecycle import Lifecycle
from target.metrics_feed import MetricsFeed
from target.model_context_route import ModelContext
from target.settings import Secrets, Settings
from target.store import STORE_UNAVAILABLE
from target.telemetry import MeasureRequests, Telemetry

_PARTS = (health, auth, model_control, agents, workflows, economy, governance, performance, reports, sockets)


def application(
    settings: Settings,
    secrets: Secrets,
    *,
    name: str,
    pid: int,
    counters: Counters,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
) -> ASGIApp:
    """The application of replica `name`, with its middleware, outermost first: count, mark, measure, break."""
    planted = defects.planted(settings.defects, seed=f"{settings.seed}/{name}")
    model_context = ModelContext(planted)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            services.opened(settings, secrets, planted) as app.state.services,
            _beside(app),
            model_context.running(),
        ):
            yield

    app = FastAPI(title="AIA", version=health.VERSION, lifespan=lifespan)
    app.state.telemetry = telemetry
    app.state.lifecycle = lifecycle
    for part in _PARTS:
        app.include_router(part.router)
    describe_logins(app, [part.router for part in _PARTS])
    app.router.routes.append(model_context.route)
    for failure in STORE_UNAVAILABLE:
        app.add_exception_handler(failure, _store_unavailable)
    app.add_exception_handler(RequestValidationError, _not_as_described)
    inner = PlantedFaults(app, planted) if settings.defects else app
    return CountRequests(MarkAnswers(MeasureRequests(inner, telemetry), f"{name}@{pid}", lifecycle), counters)


@asynccontextmanager
async def _beside(app: FastAPI) -> AsyncIterator[None]:
    """What runs beside the requests for as long as the replica lives."""
    app.state.metrics_feed = MetricsFeed(app.state.services.agents)
    app.state.agent_messages = AgentMessages(app.state.services.store)
    await app.state.metrics_feed.read()
    await app.state.agent_messages.open()
    jobs = [asyncio.create_task(job) for job in (app.state.metrics_feed.run(), app.state.agent_messages.run())]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def _not_as_described(_request: Request, error: Exception) -> JSONResponse:
    """422 without FastAPI's echo of the input, which may be a password, or (NaN) nothing that JSON can carry."""
    assert isinstance(error, RequestValidationError)
    return JSONResponse(
        {"detail": [{part: each[part] for part in ("type", "loc", "msg")} for each in error.errors()]}, 422
    )


async def _store_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    detail = "the store (Redis) is unreachable or too slow; try again"
    return JSONResponse({"detail": detail}, 503, headers={"Retry-After": "1"})
