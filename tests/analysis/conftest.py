"""Synthetic run directories, written with the journal's own writers: a healthy one, and each thing gone wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.judge import judge
from analysis.verdict import Verdict
from journal.failures import Failure
from journal.frame_file import FrameWriter
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_indices
from journal.json_lines import JsonLines
from journal.manifest import Machine, Manifest
from journal.outcomes import Endpoint, Kind, Outcome
from journal.plan import Gates, Load, Plan, PlannedFault, Stage
from journal.plan_storms import Storm
from journal.profile import Profile
from journal.readings import Reading, ReadingWriter
from journal.run_directory import RunDirectory, create_run_directory
from journal.timeline import EventKind, FaultState, Phase, Timeline
from tests.analysis.verdicts import Judged, Synthetic

T0_S = 1_700_000_000
NS = 1_000_000_000
MIB = 1024 * 1024
WARM_UP_S = 10
DRAIN_S = 4

RATES = {
    Endpoint(Kind.REQUEST, "auth", "POST /auth/login"): 8,
    Endpoint(Kind.REQUEST, "auth", "GET /auth/me"): 20,
    Endpoint(Kind.REQUEST, "model_control", "POST /api/v1/mcp/process"): 24,
    Endpoint(Kind.REQUEST, "model_control", "GET /api/v1/mcp/status/{task_id}"): 40,
    Endpoint(Kind.REQUEST, "agents", "GET /mas/api/v1/agents"): 16,
    Endpoint(Kind.WORKFLOW, "model_control", "mcp request to completion"): 6,
    Endpoint(Kind.MESSAGE, "agents", "WS ping"): 4,
}
LAG = Endpoint(Kind.GENERATOR, "generator", "loop lag")
THINK = Endpoint(Kind.GENERATOR, "auth", "think")
INVARIANTS = ("login-needs-password", "no-foreign-data", "task-completed-once", "token-supply-conserved")


@dataclass(kw_only=True)
class Run:
    """What a synthetic run is like; seconds count from the begin of the load phase, shares are of operations."""

    path: Path
    load_s: int = 70
    users: int = 50
    present: float = 1.0  # the share of them that came
    workers: int = 2
    seed: int = 1
    rates: dict[Endpoint, float] = field(default_factory=lambda: dict(RATES))
    required: tuple[str, ...] = ("latency", "availability", "invariants", "faults")
    min_samples: int = 0
    slow: dict[str, float] = field(default_factory=dict)
    errors: float = 0.0
    error_outcome: Outcome = Outcome.SERVER_ERROR
    kill_at_s: float | None = 20.0
    throttle_at_s: float | None = 40.0
    throttle_s: float = 10.0
    throttle_slow: float = 0.25
    throttle_aftermath_s: float = 0.0
    not_reverted: bool = False
    no_effect: bool = False
    violated: dict[str, list[str]] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()
    slow_seconds: dict[int, float] = field(default_factory=dict)
    error_seconds: dict[int, float] = field(default_factory=dict)
    silent_seconds: dict[int, float] = field(default_factory=dict)
    lag_ms: float = 3.0
    pause_ms: int = 0  # of each user in each second; 0: not recorded
    stalls_ms: dict[int, float] = field(default_factory=dict)
    held_back_s: dict[int, float] = field(default_factory=dict)
    busy: tuple[int, int] = (0, 0)
    generator_cpu: float = 0.4
    generator_limit_cores: float = 0.0
    ceilings_per_s: tuple[float, ...] = (6000.0, 6000.0)
    calibration_s: float = 1.0
    leak_mib_per_s: float = 0.0
    worker_lost_at_s: int | None = None
    killed_at_s: int | None = None
    interrupted_at_s: float | None = None
    guard_at_s: float | None = None
    missing_frames: tuple[int, ...] = ()
    frames: bool = True
    readings: bool = True
    target_forgets: int = 0
    storms: tuple[Storm, ...] = ()
    extra_events: list[tuple[EventKind, float, dict[str, Any]]] = field(default_factory=list)

    def write(self) -> RunDirectory:
        """Writes the whole directory."""
        self.random = np.random.default_rng(self.seed)
        self.sent = self.cut = 0
        run = create_run_directory(self.path, self._manifest())
        self._write_frames(run)
        self._write_timeline(run)
        if self.readings:
            self._write_readings(run)
        return run

    def _manifest(self) -> Manifest:
        faults = []
        if self.kill_at_s is not None:
            faults.append(PlannedFault(id="F1", experiment="kill-api-pod", at_s=self.kill_at_s))
        if self.throttle_at_s is not None:
            faults.append(PlannedFault(id="F2", experiment="throttle-redis", at_s=self.throttle_at_s))
        stage = Stage(users=self.users, duration_s=WARM_UP_S + self.load_s)
        plan = Plan(
            name="synthetic",
            load=Load(
                stages=(stage,),
                calibration_s=self.calibration_s,
                warm_up_s=WARM_UP_S,
                drain_s=DRAIN_S,
                workers=self.workers,
                storms=self.storms,
            ),
            faults=tuple(faults),
            gates=Gates(required=self.required, min_samples=self.min_samples),  # type: ignore[arg-type]
        )
        return Manifest(
            run_id="7f3a0001",
            created_at_ns=T0_S * NS,
            command="gameday run synthetic",
            base_url="http://127.0.0.1:8000",
            plan=plan,
            profile=Profile(name="embedded"),
            machine=Machine(system="Linux", python="3.11", cores=2, memory_bytes=8 << 30, processor="test"),
            versions={},
        )

    @property
    def _end_s(self) -> int:
        """The last second that anybody wrote about, from the begin of the run."""
        whole = WARM_UP_S + self.load_s + DRAIN_S
        return whole if self.killed_at_s is None else WARM_UP_S + self.killed_at_s

    def _write_frames(self, run: RunDirectory) -> None:
        if not self.frames:
            return
        writer, failures = FrameWriter(run.frames), JsonLines(run.failures)
        for second in range(self._end_s + 1):
            for number in range(self.workers):
                frame = self._frame(number, second, failures)
                lost = self.worker_lost_at_s is not None and number == 1 and second - WARM_UP_S > self.worker_lost_at_s
                if not lost and second + 1 not in self.missing_frames:
                    writer.append(frame)
        writer.close()
        failures.close()

    def _frame(self, number: int, second: int, failures: JsonLines) -> Frame:
        loading = second < WARM_UP_S + self.load_s
        endpoints = {LAG: self._lag(self.stalls_ms.get(second - WARM_UP_S, 0.0) if number == 0 else 0.0)}
        if loading and self.pause_ms:
            pauses = _buckets(np.full(self.users // self.workers, self.pause_ms * 1000))
            ended = OutcomeSecond(self.users // self.workers, {}, {"service": pauses})
            endpoints[THINK] = EndpointSecond(self.users // self.workers, 0, {Outcome.OK: ended})
        if loading:
            for endpoint, rate in self.rates.items():
                endpoints[endpoint] = self._endpoint(endpoint, rate / self.workers, number, second, failures)
        last = second == self._end_s and self.killed_at_s is None
        users = int(self.users // self.workers * self.present)
        return Frame(f"worker-{number}", second + 1, T0_S + second, users, endpoints, last)

    def _lag(self, stall_ms: float) -> EndpointSecond:
        lags_us = (self.random.exponential(self.lag_ms / 4.6, 20) * 1000).astype(np.int64)
        lags_us[0] = max(lags_us[0], round(stall_ms * 1000))
        return EndpointSecond(20, 0, {Outcome.OK: OutcomeSecond(20, {}, {"lag": _buckets(lags_us)})})

    def _endpoint(
        self, endpoint: Endpoint, rate: float, number: int, second: int, failures: JsonLines
    ) -> EndpointSecond:
        elapsed = second - WARM_UP_S
        n = int(self.random.poisson(rate * (1 - self.silent_seconds.get(elapsed, 0.0))))
        errors = max(self.errors, self.error_seconds.get(elapsed, 0.0))
        failed = int(self.random.binomial(n, errors)) if endpoint.kind is Kind.REQUEST else 0
        outcomes = {Outcome.OK: self._answers(endpoint, n - failed, elapsed)}
        if failed:
            outcomes[self.error_outcome] = OutcomeSecond(failed, {}, {})
        cuts = int(endpoint.kind is Kind.REQUEST and self.kill_at_s is not None and elapsed == int(self.kill_at_s))
        if cuts:
            outcomes[Outcome.CUT] = OutcomeSecond(cuts, {}, {})
            at_ns = (T0_S + second) * NS + NS // 2
            failure = Failure.of(
                endpoint, Outcome.CUT, at_ns=at_ns, worker=f"worker-{number}", detail="reset", served_by="api-2@123"
            )
            failures.append(failure.record())
        if endpoint.kind is Kind.REQUEST:
            self.sent += n + cuts
            self.cut += cuts + (failed if not self.error_outcome.answered else 0)
        return EndpointSecond(n + cuts, 0, outcomes)

    def _answers(self, endpoint: Endpoint, n: int, elapsed: int) -> OutcomeSecond:
        times_us = (self.random.lognormal(np.log(40), 0.5, n) * 1000).astype(np.int64)
        slow = max(self.slow.get(endpoint.name, 0.0), self.slow_seconds.get(elapsed, 0.0))
        start = self.throttle_at_s
        if start is not None and start <= elapsed < start + self.throttle_s + self.throttle_aftermath_s:
            slow = max(slow, self.throttle_slow)
        times_us[self.random.random(n) < slow] += 300_000
        over = int((times_us >= 200_000).sum())
        return OutcomeSecond(n, {200_000: over} if over else {}, {"service": _buckets(times_us)})

    def _write_timeline(self, run: RunDirectory) -> None:
        timeline = Timeline(run.timeline)
        last_s = self._end_s - WARM_UP_S
        for kind, at_s, data in sorted(self._events(), key=lambda event: event[1]):
            if self.killed_at_s is None or at_s <= last_s:
                timeline.write(kind, at_ns=round((T0_S + WARM_UP_S + at_s) * NS), **data)
        timeline.close()

    def _events(self) -> Iterator[tuple[EventKind, float, dict[str, Any]]]:
        end_s = float(self.load_s)
        yield EventKind.PHASE, -WARM_UP_S, {"phase": Phase.WARM_UP}
        yield EventKind.PHASE, 0.0, {"phase": Phase.LOAD}
        yield EventKind.PHASE, end_s, {"phase": Phase.DRAIN}
        yield EventKind.PHASE, end_s + DRAIN_S, {"phase": Phase.INVARIANTS}
        for number in range(self.workers):
            yield EventKind.WORKER, -WARM_UP_S - 1.0, {"worker": f"worker-{number}", "state": "joined"}
        for number, ceiling in enumerate(self.ceilings_per_s):
            floor = {"service_p50_ms": 0.1, "service_p99_ms": 0.2 + number / 10, "lag_p99_ms": 1.0}
            told = {"worker": f"worker-{number}", "ceiling_per_s": ceiling, "cores": 1.0, "requests": 900, **floor}
            yield EventKind.CALIBRATION, -WARM_UP_S - 0.6, {**told, "expected_per_s": None}
        yield EventKind.COUNTERS, -WARM_UP_S - 0.5, {"when": "before", "started": 7, "finished": 7}
        finished = 7 + self.sent - self.cut - self.target_forgets
        yield (
            EventKind.COUNTERS,
            end_s + DRAIN_S + 0.2,
            {"when": "after", "started": 7 + self.sent, "finished": finished},
        )
        for name in INVARIANTS:
            if name not in self.unchecked:
                examples = self.violated.get(name, [])
                data = {"name": name, "checked": 20, "violated": len(examples), "examples": examples}
                yield EventKind.INVARIANT, end_s + DRAIN_S + 0.5, {**data, "worker": "worker-0"}
        yield from self._fault_events()
        if self.interrupted_at_s is not None:
            yield EventKind.INTERRUPTED, self.interrupted_at_s, {"signal": "SIGINT"}
        if self.guard_at_s is not None:
            yield EventKind.GUARD, self.guard_at_s, {"guard": "error-rate", "limit": 0.5, "measured": 0.7}
        yield from self.extra_events
        yield EventKind.PHASE, end_s + DRAIN_S + 0.9, {"phase": Phase.ENDED}

    def _fault_events(self) -> Iterator[tuple[EventKind, float, dict[str, Any]]]:
        if self.kill_at_s is not None:
            who = {"fault_id": "F1", "fault": "kill-replica", "experiment": "kill-api-pod", "target": "api-2 (pid 123)"}
            seen = FaultState.NO_EFFECT if self.no_effect else FaultState.EFFECTIVE
            for state, after_s in ((FaultState.INJECTED, 0.2), (seen, 0.3), (FaultState.REVERTED, 2.0)):
                yield EventKind.FAULT, self.kill_at_s + after_s, {**who, "state": state}
            yield EventKind.FAULT, self.kill_at_s + 2.5, {**who, "state": FaultState.PROVEN, "evidence": {"pid": 124}}
        if self.throttle_at_s is not None:
            who = {
                "fault_id": "F2",
                "fault": "throttle-redis",
                "experiment": "throttle-redis",
                "target": "redis (pid 9)",
            }
            over_s = self.throttle_at_s + self.throttle_s
            end = FaultState.NOT_REVERTED if self.not_reverted else FaultState.PROVEN
            yield EventKind.FAULT, self.throttle_at_s, {**who, "state": FaultState.INJECTED}
            yield EventKind.FAULT, self.throttle_at_s + 1, {**who, "state": FaultState.EFFECTIVE}
            if not self.not_reverted:
                yield EventKind.FAULT, over_s, {**who, "state": FaultState.REVERTED}
            yield EventKind.FAULT, over_s + 0.5, {**who, "state": end}

    def _write_readings(self, run: RunDirectory) -> None:
        writer = ReadingWriter(run.readings)
        for second in range(self._end_s):
            for subject, role in (("api-0", "api"), ("api-1", "api"), ("worker-0", "worker"), ("redis", "redis")):
                leaked = self.leak_mib_per_s * second if role == "api" else 0.0
                level = round((60 + leaked + 3 * (1 - np.exp(-second / 8)) + self.random.normal(0, 0.1)) * MIB)
                writer.write([_reading(second, subject, role, level, 0.3 * second)])
            writer.write([self._own_reading(second)])
        writer.close()

    def _own_reading(self, second: int) -> Reading:
        elapsed = second - WARM_UP_S
        busy_s = min(max(elapsed - self.busy[0], 0), self.busy[1] - self.busy[0])
        cpu_s = self.generator_cpu * (second - busy_s) + 0.99 * busy_s
        own = _reading(second, "locust-0", "generator", 80 * MIB, cpu_s)
        held_back_s = sum(seconds for at_s, seconds in self.held_back_s.items() if at_s < elapsed)
        return replace(own, cpu_limit_cores=self.generator_limit_cores, throttled_s=held_back_s)


def _reading(second: int, subject: str, role: str, memory: int, cpu_s: float) -> Reading:
    return Reading(
        at_ns=(T0_S + second) * NS,
        subject=subject,
        role=role,
        incarnation=f"{subject}@1",
        rss_bytes=memory + 10 * MIB,
        uss_bytes=memory,
        cpu_s=cpu_s,
        threads=4,
        descriptors=20,
    )


def _buckets(values_us: np.ndarray) -> dict[int, int]:
    used, counts = np.unique(bucket_indices(values_us), return_counts=True)
    return dict(zip(used.tolist(), counts.tolist(), strict=True))


@pytest.fixture
def synthetic(tmp_path: Path) -> Synthetic:
    """Writes a run directory that is healthy but for what the arguments say (see `Run`)."""
    made = 0

    def write(**differences: Any) -> RunDirectory:
        nonlocal made
        made += 1
        return Run(path=tmp_path / f"run-{made}", **differences).write()

    return write


@pytest.fixture
def judged(synthetic: Synthetic) -> Judged:
    """The verdict on such a run."""

    def judged(**differences: Any) -> Verdict:
        return judge(synthetic(**differences))[1]

    return judged
