"""The actions that experiments name; all of one process speak of the same fault."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from chaos.context import Context
from chaos.operation import Operation
from journal.errors import GamedayError

_ENDED_BY_US = 20  # what the toolkit itself raises for "end now, but play the rollbacks"
_logger = logging.getLogger("chaostoolkit")


@cache
def operation() -> Operation:
    """The one operation of this process, described by its environment. Raises as `Context.from_environment`."""
    return Operation(Context.from_environment(os.environ))


def inject(fault: str, options: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Injects the fault of that name; when it is refused, the experiment ends here and now.

    An action that fails does not stop a Chaos Toolkit experiment, and any `Exception` counts as such; SystemExit does
    stop it, and plays the rollbacks.
    """
    try:
        record = operation().inject(fault, options or {})
    except GamedayError as error:
        _logger.error("%s was refused: %s", fault, error)
        raise SystemExit(_ENDED_BY_US) from error
    return {"target": record.target_label}


def verify_effect() -> bool:
    """Whether the injected fault has the effect that it should have."""
    finding = operation().verify()
    if not finding.holds:
        _logger.error("the fault had no effect: %s", dict(finding.evidence))
    return finding.holds


def await_end() -> bool:
    """Waits until the fault is over, by itself or because its time is up."""
    operation().await_end()
    return True


def revert() -> bool:
    """Reverts what is in force and proves it; nothing to do is fine."""
    operation().revert()
    return True
