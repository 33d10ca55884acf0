"""The faults there are, by the name that experiments use, and how one is made from its options."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chaos.fault import Fault
from chaos.faults.delay_redis import DelayRedis
from chaos.faults.kill_replica import KillReplica
from chaos.faults.throttle_redis import ThrottleRedis
from journal.errors import CommandError, Problem

FAULTS: dict[str, type[Fault]] = {fault.name: fault for fault in (KillReplica, ThrottleRedis, DelayRedis)}


def make_fault(name: str, options: Mapping[str, Any]) -> Fault:
    """The fault of that name with these options.

    Raises:
        CommandError: no such fault, or with every option that cannot be.
    """
    if name not in FAULTS:
        raise CommandError([Problem("fault", f"there is no fault {name!r}", f"one of: {', '.join(sorted(FAULTS))}")])
    try:
        return TypeAdapter(FAULTS[name]).validate_python(dict(options))
    except ValidationError as error:
        problems = [_problem(name, detail["loc"], detail["msg"], detail["input"]) for detail in error.errors()]
        raise CommandError(problems) from error


def _problem(name: str, location: tuple[int | str, ...], message: str, value: object) -> Problem:
    return Problem(".".join([name, *map(str, location)]), f"{message}, found {value!r:.60}")
