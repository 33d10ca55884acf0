"""Judges a run directory: all gates, one state, one exit code, one line."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analysis.accounts import accounts_gate, balance
from analysis.arrivals import arrival_accounts, arrival_counts, arrivals_gate, off_schedule
from analysis.endpoints import availability_gate, endpoint_results, latency_gates, pooled_bad_share
from analysis.evidence import Evidence, load_evidence
from analysis.faults import JudgedFaults, excused, fault_gate, judge_faults
from analysis.gaps import Gaps, find_gaps, find_warnings
from analysis.generator import generator_gate, generator_health, left_out
from analysis.invariants import invariant_gates, invariant_results
from analysis.judged_time import JudgedTime, judged_time
from analysis.memory import memory_gates, memory_results
from analysis.suspicion import find_suspicion
from analysis.verdict import (
    RESPONSE_TIME,
    SERVICE_TIME,
    ArrivalAccounts,
    GateResult,
    GeneratorHealth,
    InvariantResult,
    MemoryResult,
    State,
    Verdict,
    worst,
)
from analysis.verdict_line import Findings, reasons, verdict_line, would_change
from journal.exit_codes import ExitCode, gravest
from journal.run_directory import RunDirectory
from journal.timeline import EventKind

_CODES = {
    State.PASS: ExitCode.PASS,
    State.FAIL: ExitCode.FAIL,
    State.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def judge(run: RunDirectory) -> tuple[Evidence, Verdict]:
    """Reads and judges a run; writes nothing.

    Raises:
        RunDirectoryError: there is no such directory, or no readable manifest in it.
    """
    evidence = load_evidence(run)
    return evidence, judge_evidence(evidence)


def judge_evidence(evidence: Evidence) -> Verdict:
    """The verdict on what a run left behind."""
    suspicion = find_suspicion(evidence)
    gaps, health = find_gaps(evidence), generator_health(evidence, suspicion)
    faults, spoiled = judge_faults(evidence, suspicion), left_out(health, suspicion)
    arrivals = arrival_accounts(evidence, arrival_counts(evidence), faults.touched | spoiled)
    hopeless = health.suspect or bool(off_schedule(arrivals))
    if hopeless:
        faults, health = excused(faults), replace(health, left_out_s=0)
    time = judged_time(evidence, faults.touched, spoiled, hopeless=hopeless)
    accounts = balance(evidence, gaps, faults.unexplained_cuts)
    invariants, memory = invariant_results(evidence), memory_results(evidence)
    gates = (
        *_slo_gates(evidence, time),
        *_fault_gates(evidence, faults),
        *_state_gates(evidence, invariants, memory),
        accounts_gate(evidence, accounts),
        *_generator_gates(evidence, health, arrivals),
    )
    found = Findings(
        evidence=evidence,
        state=_state(evidence, gates, gaps),
        gates=gates,
        faults=faults.results,
        gaps=gaps,
        pooled=pooled_bad_share(evidence, time),
        left_out_s=health.left_out_s,
    )
    return Verdict(
        run_id=evidence.manifest.run_id,
        state=found.state,
        exit_code=_exit_code(found),
        line=verdict_line(found),
        reasons=reasons(found),
        would_change=would_change(found),
        load_began_ns=evidence.load.begin_ns if evidence.load is not None else None,
        load_s=evidence.load_s,
        judged_s=float(np.count_nonzero(time.clean)),
        gates=gates,
        endpoints=endpoint_results(evidence, time),
        faults=faults.results,
        invariants=invariants,
        memory=memory,
        accounts=accounts,
        generator=health,
        missing=gaps.names,
        warnings=find_warnings(evidence),
        arrivals=arrivals,
        latency_of=RESPONSE_TIME if evidence.response_measured else SERVICE_TIME,
    )


def _slo_gates(evidence: Evidence, time: JudgedTime) -> Iterator[GateResult]:
    required = evidence.manifest.plan.gates.required
    yield from latency_gates(evidence, time, required="latency" in required)
    yield availability_gate(evidence, time, required="availability" in required)


def _state_gates(
    evidence: Evidence, invariants: tuple[InvariantResult, ...], memory: tuple[MemoryResult, ...]
) -> Iterator[GateResult]:
    required = evidence.manifest.plan.gates.required
    yield from invariant_gates(invariants, required="invariants" in required)
    yield from memory_gates(memory, required="memory" in required)


def _fault_gates(evidence: Evidence, faults: JudgedFaults) -> Iterator[GateResult]:
    plan = evidence.manifest.plan
    planned = {fault.id: fault for fault in plan.disturbances}
    for result in faults.results:
        yield fault_gate(result, planned.get(result.id), required="faults" in plan.gates.required)


def _generator_gates(
    evidence: Evidence, health: GeneratorHealth, arrivals: ArrivalAccounts | None
) -> Iterator[GateResult]:
    yield generator_gate(evidence, health)
    if arrivals is not None:
        yield arrivals_gate(arrivals)


def _state(evidence: Evidence, gates: tuple[GateResult, ...], gaps: Gaps) -> State:
    """The worst of the required gates; no pass where the record has decisive gaps or somebody ended the run early."""
    states = [State(row.state) for row in gates if row.required]
    cut_short = evidence.events_of(EventKind.INTERRUPTED) or evidence.events_of(EventKind.GUARD)
    if gaps.decisive or cut_short:
        states.append(State.INCONCLUSIVE)
    return worst(states)


def _exit_code(found: Findings) -> ExitCode:
    codes = [_CODES[found.state]]
    if any(fault.revert == "failed" for fault in found.faults):
        codes.append(ExitCode.NOT_REVERTED)
    if found.ended_by(EventKind.INTERRUPTED) is not None:
        codes.append(ExitCode.INTERRUPTED)
    if found.ended_by(EventKind.GUARD) is not None:
        codes.append(ExitCode.ABORTED_BY_GUARD)
    return gravest(*codes)
