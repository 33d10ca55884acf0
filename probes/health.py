"""Asks the target whether it is healthy and ready."""

import httpx

from journal.errors import TargetUnreachable
from probes.http_calls import SYSTEM, TIMEOUT_S, Trust, call

HEALTHY = frozenset({"healthy", "degraded"})


def health_status(base_url: str, timeout_s: float = TIMEOUT_S) -> str:
    """What `GET /health` says in `status`; an empty text when it says nothing of the kind. Raises TargetUnreachable."""
    return _status(call("GET", f"{base_url.rstrip('/')}/health", timeout_s=timeout_s))


def is_healthy(base_url: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the target calls itself healthy or degraded; any other status is not healthy, whatever the code."""
    try:
        answer = call("GET", f"{base_url.rstrip('/')}/health", timeout_s=timeout_s)
    except TargetUnreachable:
        return False
    return answer.is_success and _status(answer) in HEALTHY


def is_ready(url: str, timeout_s: float = TIMEOUT_S, *, path: str = "/ready", trust: Trust = SYSTEM) -> bool:
    """Whether `GET path` under this URL, of the target or of one replica's admin port, answers 200.

    Without a path any answer to `GET /` shows that somebody is there.
    """
    try:
        answer = call("GET", url.rstrip("/") + (path or "/"), timeout_s=timeout_s, trust=trust)
        return not path or answer.status_code == httpx.codes.OK
    except TargetUnreachable:
        return False


def _status(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    status = body.get("status") if isinstance(body, dict) else None
    return status if isinstance(status, str) else ""
