"""The rules that a fault has to pass before it happens; a rule that fails to answer refuses it too."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from chaos.context import Context
from chaos.fault import Injection
from chaos.platforms.base import Platform
from journal.errors import FaultRefused


def check_guards(context: Context, platform: Platform, injection: Injection) -> None:
    """Raises FaultRefused, with every rule that is broken or could not be checked."""
    rules: tuple[Callable[[], str], ...] = (
        lambda: _host_is_allowed(context.base_url, context.allowed_hosts),
        platform.why_forbidden,
        lambda: platform.why_not_under_load(context.base_url),
        lambda: _environment_matches(context.environment, platform.environment()),
        lambda: _some_part_stays(injection),
    )
    objections = []
    for rule in rules:
        try:
            objection = rule()
        except Exception as error:  # noqa: BLE001  # fail closed: a rule that cannot be checked is broken
            objection = f"a safety rule could not be checked: {error!r}"
        if objection:
            objections.append(objection)
    if objections:
        raise FaultRefused("; ".join(objections))


def _host_is_allowed(base_url: str, allowed: Sequence[str]) -> str:
    host = urlsplit(base_url).hostname
    return "" if host in allowed else f"the host {host!r} is not among those that may be hit: {', '.join(allowed)}"


def _environment_matches(expected: str, found: str) -> str:
    return "" if expected == found else f"the target says it is {found!r}, the profile says {expected!r}"


def _some_part_stays(injection: Injection) -> str:
    redundancy = injection.redundancy
    if redundancy is None or redundancy.taken < redundancy.ready:
        return ""
    if injection.may_take_all and redundancy.taken == redundancy.ready:
        return ""
    return f"{redundancy.taken} of {redundancy.ready} ready replicas would go, and none would be left"
