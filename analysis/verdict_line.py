"""The verdict in one line, its reasons, and what would change it: what people read first, everywhere the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.evidence import Evidence
from analysis.figures import good_share
from analysis.gaps import Gaps
from analysis.intervals import ShareInterval
from analysis.verdict import FaultResult, GateResult, State
from analysis.words import bounds, clock, decimals_for, duration, more_time, percent, target_percent
from journal.timeline import Event, EventKind

SIGNS = {State.PASS: "✓", State.FAIL: "✗", State.INCONCLUSIVE: "?"}
_FROM_THE_START_S = 10.0
_GRAVEST_GATE_FIRST = ("invariants", "availability", "latency", "faults", "memory", "accounts", "generator")
_DOUBTED_FIRST = ("generator", "accounts", "invariants", "faults", "latency", "availability", "memory")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the line is made from; `pooled` is the bad share of all requests in the judged time.

    `left_out_s`: so many seconds were not judged, because the generator was suspect in them.
    """

    evidence: Evidence
    state: State
    gates: tuple[GateResult, ...]
    faults: tuple[FaultResult, ...]
    gaps: Gaps
    pooled: ShareInterval
    left_out_s: int = 0

    def ended_by(self, kind: EventKind) -> Event | None:
        """The first event of a kind that ends a run."""
        return next(iter(self.evidence.events_of(kind)), None)


def verdict_line(found: Findings) -> str:
    """The line: a sign, a word, and the gravest reason; how the run ended comes before what it measured."""
    unreverted = [fault.id for fault in found.faults if fault.revert == "failed"]
    if unreverted:
        return f"! NOT REVERTED. {', '.join(unreverted)}; run gameday recover {found.evidence.manifest.run_id}."
    interrupted, guard = found.ended_by(EventKind.INTERRUPTED), found.ended_by(EventKind.GUARD)
    if interrupted is not None:
        return f"! INTERRUPTED. {interrupted.data.get('signal', 'Signal')} at {_end_of_faults(found, interrupted)}"
    if guard is not None:
        return f"! ABORTED. Guard {guard.data.get('guard', '?')} at {_end_of_faults(found, guard)}"
    sign, word = SIGNS[found.state], found.state.upper()
    why = reasons(found)
    return f"{sign} {word}. {why[0] if why else _passing(found)}"


def reasons(found: Findings) -> tuple[str, ...]:
    """Why it is not a pass, gravest first, a sentence each; what failed comes before what is open."""
    failing = _sentences(found, State.FAIL, _GRAVEST_GATE_FIRST)
    record = [_sentence(name) for name in found.gaps.names] if found.gaps.decisive else []
    undecided = _sentences(found, State.INCONCLUSIVE, _DOUBTED_FIRST)
    return tuple(dict.fromkeys([*failing, *record, *undecided]))


def would_change(found: Findings) -> str:
    """What would make this verdict another one."""
    if any(fault.revert == "failed" for fault in found.faults):
        return f"Run gameday recover {found.evidence.manifest.run_id}; a later run can pass when its faults are undone."
    if found.state is State.FAIL:
        failing = [row for row in found.gates if row.required and row.state == State.FAIL]
        return "It passes when these hold: " + "; ".join(f"{row.subject}: {row.promise}" for row in failing) + "."
    if found.state is State.PASS:
        return _closest(found.gates)
    if found.gaps.decisive:
        return "A run whose record is whole: what is missing may hide a failure."
    undecided = [row for row in found.gates if row.required and row.state == State.INCONCLUSIVE]
    waits = [row.needs_s for row in undecided]
    if waits and all(wait is not None for wait in waits):
        return _sentence(f"the same load for longer: {more_time(max(wait or 0.0 for wait in waits))}")
    unknown = [row.subject for row in undecided if row.needs_s is None]
    return f"More time alone may not decide {', '.join(unknown)}; see each one's reason."


def onset(evidence: Evidence, faults: Sequence[FaultResult], began_s: float) -> str:
    """Where something began: "Began 4 s into F2.", "From the start." or "Began at 1:12."."""
    for fault in faults:
        if fault.window_s and fault.window_s[0] <= began_s <= fault.window_s[1]:
            return f"Began {began_s - fault.window_s[0]:.0f} s into {fault.id}."
    if began_s < _FROM_THE_START_S:
        return "From the start."
    return f"Began at {clock(began_s)} of {clock(evidence.load.duration_s if evidence.load else began_s)}."


def _passing(found: Findings) -> str:
    plan = found.evidence.manifest.plan
    good, decimals = good_share(found.pooled), decimals_for(plan.slo.good_share)
    share = f"{percent(good.value, decimals)} % of requests under {plan.slo.threshold_ms:g} ms"
    certain = f"95 % bounds {bounds(good, decimals)}, target {target_percent(plan.slo.good_share)} %"
    left_out = f"; {found.left_out_s} s left out, in which the generator was suspect" if found.left_out_s else ""
    return f"{plan.load.size}: {share} ({certain}){left_out}."


def _sentences(found: Findings, state: State, order: tuple[str, ...]) -> list[str]:
    rows = [row for row in found.gates if row.required and row.state == state]
    rows.sort(key=lambda row: (order.index(row.gate), *_urgency(row)))
    return [_explained(found, row) for row in rows]


def _explained(found: Findings, row: GateResult) -> str:
    sentence = _sentence(row.reason)
    if row.began_s is None or row.state != State.FAIL or row.gate == "faults":
        return sentence
    return f"{sentence} {onset(found.evidence, found.faults, row.began_s)}"


def _sentence(text: str) -> str:
    """Ends it with a full stop; a name at its beginning, such as "api-1" or "POST /x", keeps its letters."""
    plain_word = text.split(maxsplit=1)[0].isalpha()
    return f"{text[:1].upper() if plain_word else text[:1]}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def _urgency(row: GateResult) -> tuple[float, float]:
    """Sorts the rows of one gate: what takes longest to decide first, then what is worst against its target."""
    waits = row.needs_s if row.needs_s is not None else math.inf
    if row.unit != "share" or row.measured.value is None or row.threshold is None:
        return -waits, math.inf
    return -waits, (row.measured.value - row.threshold) / (1 - row.threshold)


def _closest(gates: Sequence[GateResult]) -> str:
    shares = [row for row in gates if row.required and row.unit == "share" and row.state == State.PASS]
    if not shares:
        return "Any required gate that fails, or that the evidence no longer decides."
    row = min(
        shares, key=lambda row: ((row.measured.low or 0.0) - (row.threshold or 0.0)) / (1 - (row.threshold or 0.0))
    )
    decimals = decimals_for(row.threshold or 0.0)
    return f"The closest promise: {row.subject}, {row.promise}; at least {percent(row.measured.low, decimals)} % were."


def _end_of_faults(found: Findings, event: Event) -> str:
    """When the run was ended, and how long it took until no fault was in force."""
    at_s = found.evidence.elapsed_s(event.at_ns)
    when = clock(at_s)
    faults = [fault for fault in found.faults if fault.kind == "fault"]  # of a storm there is nothing to revert
    open_then = [f for f in faults if f.injected_s is not None and f.injected_s <= at_s < _over_s(f)]
    if not open_then:
        return f"{when}; no fault was in force."
    unproven = [fault.id for fault in open_then if fault.revert != "proven"]
    if unproven:
        run_id = found.evidence.manifest.run_id
        return f"{when}; {', '.join(unproven)} not proven reverted, run gameday recover {run_id}."
    return f"{when}; all faults reverted in {duration_to_tenths(max(_over_s(f) for f in open_then) - at_s)}."


def _over_s(fault: FaultResult) -> float:
    times = [at_s for at_s in (fault.reverted_s, fault.proven_s) if at_s is not None]
    return min(times, default=math.inf)


def duration_to_tenths(seconds: float) -> str:
    """A short length of time: "1.4 s"."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
