"""All that a journey needs, in one place; importing it puts the harness into Locust."""

from load import locust_plugin as _locust_plugin  # noqa: F401  # registers its listeners
from load.checks import OK, Expect
from load.flow import flow
from load.invariants import LOGIN_NEEDS_PASSWORD, NO_FOREIGN_DATA
from load.model_context.answers import NOT_FOUND, REFUSAL, TOOL_ERROR
from load.model_context.journey import ModelContextJourney
from load.user import Journey

__all__ = [
    "LOGIN_NEEDS_PASSWORD",
    "NOT_FOUND",
    "NO_FOREIGN_DATA",
    "OK",
    "REFUSAL",
    "TOOL_ERROR",
    "Expect",
    "Journey",
    "ModelContextJourney",
    "flow",
]
