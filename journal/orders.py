"""Orders from the conductor to the Locust master while the load runs: what level it shall go to next."""

from dataclasses import dataclass
from pathlib import Path

from journal.json_lines import JsonLines, JsonLinesTail
from journal.records import parsed, to_json


@dataclass(frozen=True, kw_only=True)
class Order:
    """So many users from now on, approached at this rate; `level` counts the levels of a run from 0.

    Of an open model, whose users wait for arrivals, so many of these a second instead; at 0 they pause.
    """

    level: int
    users: int
    spawn_rate_per_s: float
    arrivals_per_s: float | None = None


class Orders:
    """Appends orders to the run directory's file of them."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def give(self, order: Order) -> None:
        """Writes one order."""
        self._lines.append(to_json(order))

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        self._lines.close()


class OrdersTail:
    """Follows the orders as they are given."""

    def __init__(self, path: Path) -> None:
        self._tail = JsonLinesTail(path)

    def newest(self) -> Order | None:
        """The last of the orders since the previous call; those before it are out of date."""
        orders = [order for record in self._tail.read() if (order := parsed(Order, record)) is not None]
        return orders[-1] if orders else None
