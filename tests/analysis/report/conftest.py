"""An example of a run: three minutes, every state of a fault, an endpoint that fails, a gap, hostile texts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analysis.evidence import Evidence, load_evidence
from analysis.report.write import write_reports
from analysis.verdict import (
    Accounts,
    Ceiling,
    CutRequest,
    EndpointResult,
    Estimate,
    FaultResult,
    Figures,
    GateResult,
    GeneratorHealth,
    InvariantResult,
    Latency,
    MemoryResult,
    State,
    SuspectWindow,
    Verdict,
    anchor,
    write_verdict,
)
from journal.failures import Failure
from journal.frame_file import FrameWriter
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_indices
from journal.json_lines import JsonLines
from journal.manifest import Manifest, this_machine
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan import Load, Plan, PlannedFault, Stage
from journal.profile import Profile
from journal.readings import Reading, ReadingWriter
from journal.run_directory import RunDirectory, create_run_directory
from journal.timeline import EventKind, Phase, Timeline

HOSTILE = "</script><!--<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>|`@all`"
ZERO_S = 1_800_000_000
WARM_UP_S, LOAD_S = 10, 180
GAP = range(120, 127)
THRESHOLD_US = 200_000
SLOW_ENDPOINT = Endpoint(Kind.REQUEST, "model_control", "POST /api/v1/mcp/process")
ENDPOINTS = {
    Endpoint(Kind.REQUEST, "auth", "POST /api/v1/auth/login"): (8, 62),
    Endpoint(Kind.REQUEST, "auth", "GET /api/v1/auth/me"): (16, 7),
    SLOW_ENDPOINT: (20, 24),
    Endpoint(Kind.REQUEST, "model_control", "GET /api/v1/mcp/status/{request_id}"): (40, 6),
    Endpoint(Kind.REQUEST, "agents", "POST /api/v1/agents/{agent_id}/tasks"): (18, 12),
    Endpoint(Kind.REQUEST, "agents", HOSTILE): (6, 9),
    Endpoint(Kind.WORKFLOW, "model_control", "mcp request to completion"): (10, 90),
    Endpoint(Kind.WORKFLOW, "agents", "agent task to completion"): (9, 110),
    Endpoint(Kind.MESSAGE, "agents", "WS metrics_update"): (12, 3),
}
LAG = Endpoint(Kind.GENERATOR, "generator", "loop lag")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Example:
    run: RunDirectory
    evidence: Evidence
    verdict: Verdict

    def text(self, name: str) -> str:
        return (self.run.path / name).read_text()


def example_plan() -> Plan:
    faults = (
        PlannedFault(id="F1", experiment="kill-api-pod", at_s=30, max_budget_share=0.25),
        PlannedFault(id="F2", experiment="throttle-redis", at_s=80),
        PlannedFault(id="F3", experiment="throttle-redis", at_s=150),
        PlannedFault(id="F4", experiment="kill-api-pod", at_s=170),
    )
    return Plan(name="game day", seed=7, load=Load(stages=(Stage(users=50, duration_s=190),)), faults=faults)


def example_manifest() -> Manifest:
    return Manifest(
        run_id="7f3a91c2",
        created_at_ns=(ZERO_S - 14) * 10**9,
        command=f"gameday run gameday --set 'note={HOSTILE}'",
        base_url="http://127.0.0.1:8080",
        plan=example_plan(),
        profile=Profile(name="embedded"),
        machine=this_machine(),
        versions={"aia-gameday": "0.1.0", "locust": "2.47.0"},
    )


def _operations(rng: np.random.Generator, endpoint: Endpoint, second: int) -> EndpointSecond:
    per_s, typical_ms = ENDPOINTS[endpoint]
    n = int(rng.poisson(per_s / 2))
    values = np.maximum(1, (typical_ms * 1000 * rng.lognormal(0, 0.35, n)).astype(np.int64))
    if endpoint == SLOW_ENDPOINT and second >= 45:
        values[rng.random(n) < 0.2] += 300_000
    if 80 <= second < 110 or second >= 150:
        values = (values * 2.2).astype(np.int64)
    cut = min(n, 1 if second in {30, 31} and endpoint.kind == Kind.REQUEST else 0)
    values = values[cut:]
    outcomes = {Outcome.OK: OutcomeSecond(values.size, _over(values), {"service": _buckets(values)})}
    if cut:
        outcomes[Outcome.CUT] = OutcomeSecond(cut)
    if endpoint == SLOW_ENDPOINT and second % 17 == 0:
        outcomes[Outcome.SERVER_ERROR] = OutcomeSecond(2)
    return EndpointSecond(started=n, in_flight=1, outcomes=outcomes)


def _over(values: np.ndarray) -> dict[int, int]:
    return {THRESHOLD_US: int((values >= THRESHOLD_US).sum())}


def _buckets(values: np.ndarray) -> dict[int, int]:
    indices, counts = np.unique(bucket_indices(values), return_counts=True)
    return dict(zip(indices.tolist(), counts.tolist(), strict=True))


def _write_frames(run: RunDirectory, rng: np.random.Generator) -> None:
    writer = FrameWriter(run.frames)
    for worker in ("worker-0", "worker-1"):
        last = LOAD_S + 3
        for sequence, second in enumerate(range(-WARM_UP_S, last + 1), start=1):
            if worker == "worker-1" and second in GAP:
                continue
            seen = {endpoint: _operations(rng, endpoint, second) for endpoint in ENDPOINTS}
            lag = np.array([300, 400, 500, 900 + 4000 * (second == 100)])
            seen[LAG] = EndpointSecond(4, 0, {Outcome.OK: OutcomeSecond(4, {}, {"lag": _buckets(lag)})})
            users = min(25, 5 * (second + WARM_UP_S + 1))
            writer.append(Frame(worker, sequence, ZERO_S + second, users, seen, last=second == last))
    writer.close()


def _write_timeline(run: RunDirectory) -> None:
    timeline = Timeline(run.timeline)

    def write(kind: EventKind, at_s: float, **data: object) -> None:
        timeline.write(kind, at_ns=int((ZERO_S + at_s) * 1e9), **data)

    phases = {Phase.CHECK: -13, Phase.WARM_UP: -10, Phase.LOAD: 0, Phase.DRAIN: 180, Phase.INVARIANTS: 183}
    for phase, at_s in (phases | {Phase.ENDED: 184}).items():
        write(EventKind.PHASE, at_s, phase=phase)
    write(EventKind.TARGET, 32, process="api-2", state="restarted", incarnation="200@2.00")
    write(EventKind.TARGET, 40, process=HOSTILE, state="not-ready", what="pod", node="n1", reason=HOSTILE)
    timeline.close()


def _write_readings(run: RunDirectory, rng: np.random.Generator) -> None:
    writer = ReadingWriter(run.readings)
    sizes = {"api-0": 84, "api-1": 83, "api-2": 85, "worker-a": 60, "redis": 12, "load-worker-0": 95}
    for second in range(-WARM_UP_S, LOAD_S + 3, 2):
        for subject, mib in sizes.items():
            role = "generator" if subject.startswith("load") else subject.partition("-")[0]
            life = 2 if subject == "api-2" and second >= 32 else 1
            grown = mib + (0.05 * second if subject == "api-0" else 0) + rng.normal(0, 0.3)
            writer.write(
                [
                    Reading(
                        at_ns=(ZERO_S + second) * 10**9,
                        subject=subject,
                        role=role,
                        incarnation=f"{100 * life}@{life}.00",
                        rss_bytes=int((grown + 20) * MIB),
                        uss_bytes=int(grown * MIB),
                        cpu_s=0.3 * (second + WARM_UP_S),
                        threads=8,
                        descriptors=40,
                    )
                ]
            )
    writer.close()


def _write_failures(run: RunDirectory) -> None:
    lines = JsonLines(run.failures)
    for second in range(-5, LOAD_S):
        if second % 17 == 0:
            failure = Failure.of(
                SLOW_ENDPOINT,
                Outcome.SERVER_ERROR,
                at_ns=(ZERO_S + second) * 10**9,
                worker="worker-0",
                detail=f"503 {HOSTILE}",
                served_by="api-1",
            )
            lines.append(failure.record())
    lines.close()


def _figures(samples: int, share: float, width: float = 0.008) -> Figures:
    def around(value: float, spread: float) -> Estimate:
        return Estimate(value=value, low=value - spread, high=value + spread)

    latency = Latency(p50=around(12.3, 0.4), p95=around(88.0, 3.1), p99=Estimate(value=143.0, low=120.0))
    return Figures(
        samples=samples,
        bad=round(samples * (1 - share)),
        failed=3,
        good_share=Estimate(value=share, low=share - width, high=min(1.0, share + width)),
        error_rate=Estimate(value=3 / samples, low=0.0002, high=0.0031),
        latency=latency,
        rate_per_s=samples / 180,
        outcomes={"ok": samples - 3, "cut": 3},
    )


def _endpoint(endpoint: Endpoint) -> EndpointResult:
    failing = endpoint == SLOW_ENDPOINT
    return EndpointResult(
        kind=endpoint.kind.name.lower(),
        journey=endpoint.journey,
        name=endpoint.name,
        state=State.FAIL if failing else State.PASS,
        outside=_figures(2345, 0.8512 if failing else 0.9861),
        inside=_figures(321, 0.79 if failing else 0.93, 0.03),
    )


def _latency_gate(endpoint: EndpointResult) -> GateResult:
    failing = endpoint.state == State.FAIL
    return GateResult(
        gate="latency",
        subject=endpoint.name,
        state=endpoint.state,
        required=True,
        promise="≥ 95 % under 200 ms",
        unit="share",
        measured=endpoint.outside.good_share,
        samples=endpoint.outside.samples,
        reason=f"{endpoint.name}: 85.1 % under 200 ms (84.3 to 85.9, target 95)" if failing else "",
        anchor=anchor("endpoint", endpoint.journey, endpoint.name),
        threshold=0.95,
        began_s=45.0 if failing else None,
    )


def _gate(
    gate: str, subject: str, state: State, measured: Estimate, *, unit: str = "share", **more: object
) -> GateResult:
    usual = {"required": True, "promise": "as promised", "samples": 100, "reason": f"{subject} is {state}"}
    where = anchor({"invariants": "invariant", "faults": "fault"}.get(gate, gate), subject)
    named = {"gate": gate, "subject": subject, "state": state, "measured": measured, "unit": unit, "anchor": where}
    return GateResult(**(usual | named | more))


def _gates(endpoints: tuple[EndpointResult, ...]) -> tuple[GateResult, ...]:
    slope = Estimate(value=181.2, low=120.5, high=241.9)
    good = Estimate(value=0.9994, low=0.9990, high=0.9997)
    none, two, lag = Estimate(value=0.0), Estimate(value=2.0), Estimate(value=0.9)
    availability = {"anchor": "availability", "threshold": 0.999, "needs_s": 372.0}
    return (
        *(_latency_gate(endpoint) for endpoint in endpoints),
        _gate("availability", "all requests", State.INCONCLUSIVE, good, **availability),
        _gate("invariants", "task-completed-once", State.PASS, none, unit="count"),
        _gate("invariants", "no-foreign-data", State.FAIL, two, unit="count"),
        _gate("faults", "F1", State.PASS, Estimate(value=0.18), threshold=0.25),
        _gate("faults", "F2", State.INCONCLUSIVE, Estimate(value=None)),
        _gate("faults", "F3", State.FAIL, Estimate(value=0.4), began_s=150.0),
        _gate("memory", "api-0", State.FAIL, slope, unit="MiB/h", threshold=5.0, required=False),
        _gate("accounts", "requests", State.PASS, none, unit="count", anchor="accounts"),
        _gate("generator", "loop lag", State.PASS, lag, unit="ms", threshold=20.0, anchor="generator"),
    )


def _cut(at_s: float, fault_id: str) -> CutRequest:
    name = "GET /api/v1/auth/me"
    return CutRequest(at_s=at_s, journey="auth", name=name, outcome="cut", detail=HOSTILE, fault_id=fault_id)


def _faults() -> tuple[FaultResult, ...]:
    share = [Estimate(value=v, low=v - 0.02, high=min(1.0, v + 0.02)) for v in (0.98, 0.9, 0.97)]
    shares = {f"good_share_{when}": value for when, value in zip(("before", "during", "after"), share, strict=True)}
    cut = CutRequest(
        at_s=30.4, journey="auth", name="GET /api/v1/auth/me", outcome="cut", detail=HOSTILE, fault_id="F1"
    )
    throttle = {
        "experiment": "throttle-redis",
        "fault": "throttle-redis",
        "hypothesis": "Logins work.",
        "target": "redis (pid 9)",
    }
    return (
        FaultResult(
            id="F1",
            experiment="kill-api-pod",
            fault="kill-replica",
            hypothesis="Two of three replicas carry the load.",
            target="api-2 (pid 123)",
            state="pass",
            planned_s=30,
            window_s=(30.1, 47.0),
            injected_s=30.1,
            effective_s=30.2,
            reverted_s=33.0,
            proven_s=33.4,
            effect="seen",
            revert="proven",
            evidence={"incarnation before": "123@4.50", "incarnation after": "188@9.10"},
            detected_s=0.4,
            recovered_s=6.0,
            budget_share=0.18,
            missing_arrivals=12,
            cut_requests=(cut,),
            **shares,
        ),
        FaultResult(
            id="F2", state="inconclusive", planned_s=80, window_s=(80.0, 125.0), injected_s=80.2, reverted_s=110.0,
            proven_s=110.5, effect="none", revert="proven", recovered_s=0.0, budget_share=0.02,
            reason="no effect was seen: the fault did not bite", **throttle, **shares,
        ),
        FaultResult(
            id="F3", state="fail", planned_s=150, window_s=(150.0, 180.0), injected_s=150.3, effective_s=151.0,
            effect="seen", revert="failed", detected_s=10.0, budget_share=0.4, overlaps=("F4",),
            reason="it was not reverted", **throttle, **shares,
        ),
        FaultResult(
            id="F4", experiment="kill-api-pod", fault="kill-replica", hypothesis="", target="", state="inconclusive",
            planned_s=170, reason="it was never injected",
        ),
    )  # fmt: skip


def _memory() -> tuple[MemoryResult, ...]:
    def result(subject: str, state: State, slope: float) -> MemoryResult:
        return MemoryResult(
            subject=subject,
            role="api" if subject.startswith("api") else "redis",
            state=state,
            slope_mib_per_h=Estimate(value=slope, low=slope - 60, high=slope + 60),
            tolerance_mib_per_h=5.0,
            incarnations=2 if subject == "api-2" else 1,
            points=90,
            start_mib=84.0,
            end_mib=93.0,
            shape="leak" if state == State.FAIL else "flat",
            hours_needed=None if state == State.FAIL else 2.1,
            reason="the leak is proven" if state == State.FAIL else "too short to exclude a leak",
        )

    others = (result(name, State.INCONCLUSIVE, 1.8) for name in ("api-1", "api-2", "redis"))
    return (result("api-0", State.FAIL, 181.2), *others)


def example_verdict() -> Verdict:
    endpoints = tuple(_endpoint(endpoint) for endpoint in ENDPOINTS)
    failing = "POST /api/v1/mcp/process: 85.1 % under 200 ms (84.3 to 85.9, target 95)"
    return Verdict(
        run_id="7f3a91c2",
        state=State.FAIL,
        exit_code=1,
        line=f"✗ FAIL. {failing}. Began 0:45.",
        reasons=(failing, "no-foreign-data is fail", f"F3: it was not reverted, says {HOSTILE}"),
        would_change="Nothing but a faster target; the lower bound of /api/v1/mcp/process must rise above 95 %.",
        load_began_ns=ZERO_S * 10**9,
        load_s=180.0,
        judged_s=102.0,
        gates=_gates(endpoints),
        endpoints=endpoints,
        faults=_faults(),
        invariants=(
            InvariantResult(name="task-completed-once", state=State.PASS, checked=812, violated=0),
            InvariantResult(
                name="no-foreign-data", state=State.FAIL, checked=60, violated=2, examples=(HOSTILE, "task 9")
            ),
        ),
        memory=_memory(),
        accounts=Accounts(
            sent=19_456,
            answered=19_440,
            cut=12,
            unfinished=3,
            lost=1,
            target_started=19_452,
            target_finished=19_443,
            agrees=True,
            unexplained_cuts=(_cut(99.5, ""),),
        ),
        generator=GeneratorHealth(
            lag_p99_ms=0.9,
            lag_max_ms=4.9,
            cpu_share_p95=0.31,
            suspect=False,
            reason="",
            ceiling=Ceiling(
                per_s=12_400.0, rate_per_s=310.0, used_share=0.025, service_p50_ms=0.08, service_p99_ms=0.21
            ),
            windows=(SuspectWindow(begin_s=62.0, end_s=65.0, reason="a loop stood still for 1.2 s"),),
            left_out_s=3,
        ),
        missing=("worker-1: 7 of 194 frames never arrived (2:00 to 2:07)",),
    )


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    run = create_run_directory(Path(tmp_path_factory.mktemp("runs")) / "example", example_manifest())
    rng = np.random.default_rng(7)
    _write_frames(run, rng)
    _write_timeline(run)
    _write_readings(run, rng)
    _write_failures(run)
    evidence, verdict = load_evidence(run), example_verdict()
    write_verdict(run.verdict, verdict)
    write_reports(run, evidence, verdict)
    return Example(run, evidence, verdict)
