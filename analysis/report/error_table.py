"""The errors section: what ended badly, by endpoint and outcome, the most frequent first, the rest counted."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from analysis.evidence import Evidence
from analysis.report.timeline import COUNTED
from journal.outcomes import Endpoint, Outcome

SHOWN = 20
_DETAILS = 3


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """All bad endings of one endpoint in one way, with the details that were kept most often."""

    endpoint: Endpoint
    outcome: str
    count: int
    first_s: float
    last_s: float
    details: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The most frequent errors; `rest` operations in `rest_kinds` further rows are only counted."""

    rows: tuple[ErrorRow, ...]
    total: int
    rest: int
    rest_kinds: int


def error_table(evidence: Evidence, shown: int = SHOWN) -> ErrorTable:
    """Exact counts from the frames, details from the single failures that were kept."""
    columns = evidence.columns
    details: dict[tuple[Endpoint, str], Counter[str]] = {}
    for failure in evidence.failures:
        details.setdefault((failure.endpoint, failure.outcome), Counter())[failure.detail] += 1
    rows = []
    for row in evidence.rows(*COUNTED):
        for outcome in Outcome:
            seconds = np.flatnonzero(columns.count[row, outcome])
            if outcome == Outcome.OK or not seconds.size:
                continue
            endpoint = columns.endpoints[row]
            kept = details.get((endpoint, outcome.name), Counter()).most_common(_DETAILS)
            count = int(columns.count[row, outcome].sum())
            first_s, last_s = evidence.seconds_s[seconds[[0, -1]]].tolist()
            rows.append(ErrorRow(endpoint, outcome.label, count, first_s, last_s, tuple(kept)))
    rows.sort(key=lambda row: (-row.count, row.endpoint, row.outcome))
    rest = rows[shown:]
    total = sum(row.count for row in rows)
    return ErrorTable(tuple(rows[:shown]), total, sum(row.count for row in rest), len(rest))
