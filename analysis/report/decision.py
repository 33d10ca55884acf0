"""The decision table: every gate as a row, worst first, and the row that each reason of the verdict comes from."""

from dataclasses import dataclass

from analysis.charts.interval_bar import Scale, interval_bar, scale_of
from analysis.report import formats
from analysis.verdict import GateResult, State, Verdict
from analysis.words import more_time

SHOWN_ROWS = 12
_REQUIRED_PASS = (
    3  # places: 0 and 1 failed, 2 required and undecided, 3 required and passed, 4 and 5 the same of others
)
_GATE_NAMES = {
    "latency": "Latency",
    "availability": "Availability",
    "invariants": "Invariant",
    "faults": "Fault",
    "memory": "Memory",
    "accounts": "Accounts",
    "generator": "Generator",
}


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A gate with all that its row shows; `id` is the row's own place on the page."""

    id: str
    gate: GateResult
    gate_name: str
    measured: str
    interval: str
    samples: str
    bar: str
    when: str
    when_s: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """One of the verdict's reasons and the row that shows it."""

    text: str
    href: str


def decision_rows(verdict: Verdict) -> list[DecisionRow]:
    """Every gate: what failed, then what is required (undecided, passed), then what only informs."""
    ordered = sorted(verdict.gates, key=_order)
    scales = {key: _scale(verdict.gates, *key) for key in {(gate.gate, gate.unit) for gate in ordered}}
    return [_row(number, gate, scales[gate.gate, gate.unit]) for number, gate in enumerate(ordered, start=1)]


def split_rows(rows: list[DecisionRow]) -> tuple[list[DecisionRow], list[DecisionRow]]:
    """(the rows to show at once, the rows that may be folded away: what passes, or neither decides nor fails)."""
    decisive = sum(_place(row.gate) < _REQUIRED_PASS for row in rows)
    required = sum(_place(row.gate) <= _REQUIRED_PASS for row in rows)
    shown = max(decisive, min(required or len(rows), SHOWN_ROWS))
    return rows[:shown], rows[shown:]


def folded_words(folded: list[DecisionRow]) -> str:
    """What is behind the fold: "14 more rows that pass, 6 that are open and only inform"."""
    passing = sum(row.gate.state == State.PASS for row in folded)
    texts = {"that pass": passing, "that are open and only inform": len(folded) - passing}
    said = [f"{number} {text}" for text, number in texts.items() if number]
    return "More rows: " + ", ".join(said)


def linked_reasons(verdict: Verdict, rows: list[DecisionRow]) -> list[Reason]:
    """At most three reasons, each with the row that it came from."""
    return [Reason(reason, f"#{_source(reason.casefold(), rows, verdict)}") for reason in verdict.reasons[:3]]


def _place(gate: GateResult) -> int:
    if gate.state == State.FAIL:
        return 0 if gate.required else 1
    return (_REQUIRED_PASS - 1 if gate.required else _REQUIRED_PASS + 1) + (gate.state == State.PASS)


def _order(gate: GateResult) -> tuple[int, int, float, str]:
    names = list(_GATE_NAMES)
    place = names.index(gate.gate) if gate.gate in names else len(names)
    value = gate.measured.value or 0.0
    return (_place(gate), place, value if gate.unit == "share" else -value, gate.subject)


def _scale(gates: tuple[GateResult, ...], name: str, unit: str) -> Scale:
    alike = [gate for gate in gates if (gate.gate, gate.unit) == (name, unit)]
    thresholds = [gate.threshold for gate in alike if gate.threshold is not None]
    return scale_of([gate.measured for gate in alike], thresholds)


def _row(number: int, gate: GateResult, scale: Scale) -> DecisionRow:
    decimals = formats.decimals_for(gate.threshold)
    measured = formats.value_of(gate.measured, gate.unit, decimals)
    interval = formats.interval_of(gate.measured, gate.unit, decimals)
    label = f"measured {measured}" + (f", interval {interval}" if interval else "")
    drawn = gate.measured.value is not None and gate.unit != "count"
    return DecisionRow(
        id=f"row-{number}",
        gate=gate,
        gate_name=_GATE_NAMES.get(gate.gate, gate.gate),
        measured=measured,
        interval=interval,
        samples=formats.NONE if gate.measured.value is not None and not gate.samples else formats.count(gate.samples),
        bar=interval_bar(gate.measured, gate.threshold, scale, state=gate.state, label=label) if drawn else "",
        when=_when(gate),
        when_s=gate.began_s,
    )


def _when(gate: GateResult) -> str:
    if gate.began_s is not None:
        return f"from {formats.clock(gate.began_s)}"
    if gate.state == State.INCONCLUSIVE and gate.needs_s:
        return more_time(gate.needs_s)
    return ""


def _source(reason: str, rows: list[DecisionRow], verdict: Verdict) -> str:
    """The row whose reason it is, else the list of what is missing, else the first row whose subject it names."""
    for row in rows:
        own = row.gate.reason.casefold()
        if own and (own in reason or reason in own):
            return row.id
    if any(what.casefold() in reason or reason.rstrip(".") in what.casefold() for what in verdict.missing):
        return "missing"
    return next((row.id for row in rows if row.gate.subject and row.gate.subject.casefold() in reason), "decision")
