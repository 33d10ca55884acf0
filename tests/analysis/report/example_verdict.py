"""The verdict on the example of a run, with every state of a gate and of a fault."""

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
)
from journal.outcomes import Endpoint
from tests.analysis.report.example_run import ENDPOINTS, HOSTILE, SLOW_ENDPOINT, ZERO_S


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
        warnings=(f"worker-0: {HOSTILE}",),
    )
