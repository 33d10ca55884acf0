"""The verdict and its evidence: what the judgement writes to verdict.json and what every report is made from."""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from journal.errors import Problem, RunDirectoryError
from journal.exit_codes import ExitCode
from journal.records import from_json, to_json
from journal.run_directory import write_whole

SCHEMA = "aia-gameday/verdict/1"
SERVICE_TIME, RESPONSE_TIME = "service time", "response time"


class State(StrEnum):
    """The three answers of a gate."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def worst(states: "list[State]") -> State:
    """Fail before inconclusive before pass; nothing at all is inconclusive."""
    if State.FAIL in states:
        return State.FAIL
    return State.INCONCLUSIVE if State.INCONCLUSIVE in states or not states else State.PASS


def anchor(*words: str) -> str:
    """The id of the report's element that shows the evidence for something, e.g. anchor("fault", "F1")."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A measured value with the one-sided 95 % bounds on either side; None where the data give none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """One row of the decision table: a gate applied to one subject (an endpoint, a fault, an invariant, a process).

    `gate` is a name of `journal.plan.GateName`, or "accounts" or "generator", by which the harness judges itself.
    `promise` is the target in words ("≥ 95 % under 200 ms"); `measured` and `threshold` are in `unit`: "share",
    "MiB/h", "count", "s" or "ms".
    `anchor` is the id of the report's element that shows the evidence, made by `anchor`: ("endpoint", journey, name),
    ("availability",), ("fault", id), ("invariant", name), ("memory", subject), ("accounts",), ("generator",),
    ("arrivals",).
    `needs_s`: further seconds that would decide. `began_s`: when it went wrong, in seconds of the load phase.
    `whole`: what was measured when the seconds that were left out are counted too; None where there are none.
    """

    gate: str
    subject: str
    state: str
    required: bool
    promise: str
    unit: str
    measured: Estimate
    samples: int
    reason: str
    anchor: str
    threshold: float | None = None
    needs_s: float | None = None
    began_s: float | None = None
    whole: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Quantiles of the time in ms of the properly answered operations, with bounds; which time, the verdict says."""

    p50: Estimate
    p95: Estimate
    p99: Estimate


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one endpoint did in some stretch of time. `bad`: slow or failed operations; `failed`: only the latter."""

    samples: int
    bad: int
    failed: int
    good_share: Estimate
    error_rate: Estimate
    latency: Latency
    rate_per_s: float
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EndpointResult:
    """One endpoint, workflow or message: outside the fault windows, where it is judged, and inside them."""

    kind: str
    journey: str
    name: str
    state: str
    outside: Figures
    inside: Figures


@dataclass(frozen=True, kw_only=True)
class CutRequest:
    """A request without an answer, and the fault that explains it ("" when none does)."""

    at_s: float
    journey: str
    name: str
    outcome: str
    detail: str
    fault_id: str


@dataclass(frozen=True, kw_only=True)
class FaultResult:
    """One fault. Times are seconds since the start of the load phase; None: it did not happen.

    `kind` is "fault" or "storm": of one its effect is that it reached users, and its revert that all are back.
    `state` is a `State`. `effect` and `revert`: "seen", "none", "unknown"; "proven", "unproven", "failed".
    `detected_s`, `recovered_s`: seconds from the injection until users were hurt, and until they were well again;
    `recovered_s` 0: they never were hurt. `budget_share`: part of the whole run's error budget that the fault burned in
    its window, beyond what was usual before it. `window_s`: begin and end of that window; empty when it never began.
    """

    id: str
    experiment: str
    fault: str
    hypothesis: str
    target: str
    state: str
    planned_s: float
    kind: str = "fault"
    window_s: tuple[float, ...] = ()
    injected_s: float | None = None
    effective_s: float | None = None
    reverted_s: float | None = None
    proven_s: float | None = None
    effect: str = "unknown"
    revert: str = "unproven"
    evidence: dict[str, str] = field(default_factory=dict)
    detected_s: float | None = None
    recovered_s: float | None = None
    budget_share: float | None = None
    missing_arrivals: int = 0
    overlaps: tuple[str, ...] = ()
    cut_requests: tuple[CutRequest, ...] = ()
    good_share_before: Estimate = field(default_factory=lambda: Estimate(value=None))
    good_share_during: Estimate = field(default_factory=lambda: Estimate(value=None))
    good_share_after: Estimate = field(default_factory=lambda: Estimate(value=None))
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MemoryResult:
    """The memory of one process (its longest incarnation): slope in MiB/h with one-sided 99 % bounds."""

    subject: str
    role: str
    state: str
    slope_mib_per_h: Estimate
    tolerance_mib_per_h: float
    incarnations: int
    points: int
    start_mib: float | None
    end_mib: float | None
    shape: str
    hours_needed: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Where every request went: sent = answered + cut + unfinished + lost.

    `lost` counts requests known to be missing from the record (gaps). The target's own counts are None where it has
    none; the account agrees with them when 0 ≤ sent − finished ≤ cut + unfinished.
    """

    sent: int
    answered: int
    cut: int
    unfinished: int
    lost: int
    target_started: int | None
    target_finished: int | None
    agrees: bool | None
    unexplained_cuts: tuple[CutRequest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What all workers together can do at most, by their calibration, and the load's rate in a busy second (p95).

    `service_p50_ms`, `service_p99_ms`: the shortest that an answer can look to the slowest worker.
    """

    per_s: float
    rate_per_s: float
    used_share: float
    service_p50_ms: float
    service_p99_ms: float


@dataclass(frozen=True, kw_only=True)
class SuspectWindow:
    """A stretch of the load phase in which the generator may have spoiled what it measured, and by what."""

    begin_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class ArrivalAccounts:
    """Where every arrival of an open model went: planned = started + dropped + missing.

    `late` ones are among those started. `judged`: planned in the judged time, of which the shares are.
    """

    planned: int
    started: int
    late: int
    dropped: int
    missing: int
    judged: int
    unstarted_share: float
    late_share: float
    delay_p99_ms: float | None


@dataclass(frozen=True, kw_only=True)
class GeneratorHealth:
    """Whether the generator can be trusted: its loop lag in ms, its processes' CPU as a share of what each may use.

    A process may use one core, or less where its container's limit is tighter. `uncalibrated`: why there is no ceiling.
    `read_lag_p99_ms`: how long answers lay in the kernel until they were read, None where nobody stamped them.
    `unexplained_share`: of the users' time, see `analysis.littles_law`; None where they did not record their pauses.
    `suspect`: nothing can be judged. Else so many seconds (`left_out_s`), those of the `windows`, were not judged.
    """

    lag_p99_ms: float | None
    lag_max_ms: float | None
    cpu_share_p95: float | None
    suspect: bool
    reason: str
    ceiling: Ceiling | None = None
    uncalibrated: str = ""
    read_lag_p99_ms: float | None = None
    unexplained_share: float | None = None
    windows: tuple[SuspectWindow, ...] = ()
    left_out_s: int = 0


@dataclass(frozen=True, kw_only=True)
class InvariantResult:
    """Something that must hold whatever fails; `unknown`: cases of which the target would not say whether it does."""

    name: str
    state: str
    checked: int
    violated: int
    unknown: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer and all numbers behind it. `line` is what people read first, everywhere the same.

    `missing`: gaps of the record; `warnings`: what the harness itself found worth saying while it ran.
    """

    run_id: str
    state: str
    exit_code: int
    line: str
    reasons: tuple[str, ...]
    would_change: str
    load_began_ns: int | None
    load_s: float
    judged_s: float
    gates: tuple[GateResult, ...]
    endpoints: tuple[EndpointResult, ...]
    faults: tuple[FaultResult, ...]
    invariants: tuple[InvariantResult, ...]
    memory: tuple[MemoryResult, ...]
    accounts: Accounts
    generator: GeneratorHealth
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    arrivals: ArrivalAccounts | None = None
    latency_of: str = SERVICE_TIME
    schema: str = SCHEMA

    @property
    def exit(self) -> ExitCode:
        """The exit code as its name."""
        return ExitCode(self.exit_code)


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Writes verdict.json whole or not at all. Raises RunDirectoryError."""
    text = json.dumps(to_json(verdict), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text.encode())


def read_verdict(path: Path) -> Verdict:
    """The verdict that `write_verdict` wrote. Raises RunDirectoryError."""
    try:
        return from_json(Verdict, json.loads(path.read_bytes()), "verdict")
    except (OSError, ValueError) as error:
        raise RunDirectoryError([Problem(str(path), f"cannot be read: {error}", "judge the run again")]) from error
