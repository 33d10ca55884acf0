"""Single operations that did not end well, kept one by one as far as there is room; frames hold the full counts."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from journal.frame_file import Damage
from journal.json_lines import read_records
from journal.outcomes import Endpoint, Kind, Outcome
from journal.records import parsed


@dataclass(frozen=True, slots=True)
class Failure:
    """One bad ending: when, what, how, and which replica had served this connection before, where that is known."""

    at_ns: int
    worker: str
    kind: str
    journey: str
    name: str
    outcome: str
    detail: str
    served_by: str = ""

    @classmethod
    def of(
        cls, endpoint: Endpoint, outcome: Outcome, *, at_ns: int, worker: str, detail: str, served_by: str
    ) -> "Failure":
        """The failure of one operation."""
        return cls(
            at_ns, worker, endpoint.kind.name, endpoint.journey, endpoint.name, outcome.name, detail[:200], served_by
        )

    @property
    def endpoint(self) -> Endpoint:
        """What was called."""
        return Endpoint(Kind[self.kind], self.journey, self.name)

    def record(self) -> dict[str, object]:
        """The failure as one JSON object."""
        return asdict(self)


def read_failures(path: Path) -> tuple[list[Failure], list[Damage]]:
    """All failures in order of time, and what could not be read."""
    failures, damages = read_records(path, _parse, "a failure")
    return sorted(failures, key=lambda failure: failure.at_ns), damages


def _parse(data: dict[str, Any]) -> Failure | None:
    failure = parsed(Failure, data)
    known = failure is not None and failure.kind in Kind.__members__ and failure.outcome in Outcome.__members__
    return failure if known else None
