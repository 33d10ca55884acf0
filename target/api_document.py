"""What the OpenAPI document says beyond what FastAPI finds by itself: which calls need a login."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from target.auth import signed_in

LOGIN = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "of /auth/login"}


def describe_logins(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Lets the document of the application name the scheme and each operation that needs it.

    The login itself is read by hand, since a security dependency of FastAPI's would be solved for every request.
    """
    plain = app.openapi

    def document() -> dict[str, Any]:
        known = app.openapi_schema is not None
        found = plain()
        if not known:
            _add_logins(found, routers)
        return found

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents it


def _add_logins(document: dict[str, Any], routers: Sequence[APIRouter]) -> None:
    document.setdefault("components", {})["securitySchemes"] = {"login": LOGIN}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema and _needs_login(route.dependant):
            for method in route.methods or ():
                document["paths"][route.path_format][method.lower()]["security"] = [{"login": []}]


def _needs_login(dependant: Dependant) -> bool:
    return any(inner.call is signed_in or _needs_login(inner) for inner in dependant.dependencies)
