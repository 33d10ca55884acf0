"""Single operations that did not end well, kept one by one as far as there is room; frames hold the full counts."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from journal.frame_file import Damage
from journal.json_lines import read_json_lines
from journal.outcomes import Endpoint, Kind, Outcome


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
    failures, damages = [], []
    for record in read_json_lines(path):
        if isinstance(record, Damage):
            damages.append(record)
        elif all(field.name in record for field in fields(Failure)):
            failures.append(Failure(**{field.name: record[field.name] for field in fields(Failure)}))
        else:
            damages.append(Damage(path.name, 0, 0, f"a failure of an unknown form: {record!r:.80}"))
    return sorted(failures, key=lambda failure: failure.at_ns), damages
