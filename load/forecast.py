"""`python -m load.forecast`: what each journey does per pass, from the declarations beside its tasks, as JSON.

{"journeys": {"auth": {"weight": 1, "thinks": 4.2, "waiting_s": 0.0, "operations": {"POST /auth/login": 0.4, …},
"kinds": {"POST /auth/login": "REQUEST", …}}}}

A pass is one task of a user, chosen by weight, and the pause after it. With a mean think time t and s for the mean
service time of a request, u users of a journey do each operation about
u · operations / (thinks · t + waiting_s + s · requests) times a second.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from journal.errors import CommandError, Problem
from journal.outcomes import Kind
from load.flow import Flow
from load.user import Journey, journey_name

_METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "MCP"}


def kind_of(operation: str) -> Kind:
    """What an operation is counted as, which its name tells.

    `METHOD /path` and `MCP …` are requests, `WS …` and `… first event` messages, and all else is a workflow.
    """
    if operation.endswith(" first event"):
        return Kind.MESSAGE
    first = operation.partition(" ")[0]
    return Kind.REQUEST if first in _METHODS else Kind.MESSAGE if first == "WS" else Kind.WORKFLOW


def forecast(journey: type[Journey]) -> dict[str, Any]:
    """What one pass of a journey does on average.

    Raises:
        CommandError: one of its tasks does not declare its flow.
    """
    flows = [_declared(journey, task) for task in journey.tasks]
    operations: dict[str, float] = {}
    for flow in flows:
        for name, times in flow.operations.items():
            operations[name] = operations.get(name, 0.0) + times / len(flows)
    return {
        "weight": journey.weight,
        "thinks": round(1 + sum(flow.thinks for flow in flows) / len(flows), 4),
        "waiting_s": round(sum(flow.waiting_s for flow in flows) / len(flows), 4),
        "operations": {name: round(times, 4) for name, times in operations.items()},
        "holds_login": journey.signs_up and journey.holds_login,
        "kinds": {name: kind_of(name).name for name in operations},
    }


def forecasts(journeys: Mapping[str, type[Journey]]) -> dict[str, dict[str, Any]]:
    """The forecasts of those journeys of which all tasks declare their flow."""
    found = {}
    for name, journey in journeys.items():
        with suppress(CommandError):
            found[name] = forecast(journey)
    return found


def _declared(journey: type[Journey], task: Any) -> Flow:
    """The flow of one task; Locust lists a task as often as it weighs, so that a plain mean is the weighted one."""
    flow = getattr(task, "flow", None)
    if not isinstance(flow, Flow):
        where = f"{journey.__module__}.{getattr(task, '__qualname__', task)}"
        raise CommandError([Problem(where, "the task does not say what it does", "put @flow(…) below its @task")])
    return flow


def journeys_in(folder: Path) -> Iterator[type[Journey]]:
    """The journeys of a folder of locustfiles, loaded under their bare names as Locust does it."""
    for path in sorted(folder.glob("[!_]*.py")):
        specification = importlib.util.spec_from_file_location(path.stem, path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[path.stem] = module
        specification.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Journey) and not value.abstract:
                yield value


def locustfiles_folder() -> Path:
    """The folder of journeys that comes with the harness."""
    specification = importlib.util.find_spec("locustfiles")
    assert specification is not None
    assert specification.origin is not None
    return Path(specification.origin).parent


def main() -> int:
    """Prints the forecast of all journeys of a folder."""
    parser = argparse.ArgumentParser(prog="python -m load.forecast", description=main.__doc__)
    parser.add_argument("-f", "--locustfiles", type=Path, default=None, help="folder of journeys (default: ours)")
    options = parser.parse_args()
    folder = options.locustfiles or locustfiles_folder()
    try:
        journeys = {journey_name(journey): forecast(journey) for journey in journeys_in(folder)}
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(json.dumps({"journeys": journeys}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
