"""The directory of the example of a run: frames, timeline, readings and failures as a run would leave them."""

import numpy as np

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
from journal.run_directory import RunDirectory
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


def write_frames(run: RunDirectory, rng: np.random.Generator) -> None:
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


def write_timeline(run: RunDirectory) -> None:
    timeline = Timeline(run.timeline)

    def write(kind: EventKind, at_s: float, **data: object) -> None:
        timeline.write(kind, at_ns=int((ZERO_S + at_s) * 1e9), **data)

    phases = {Phase.CHECK: -13, Phase.WARM_UP: -10, Phase.LOAD: 0, Phase.DRAIN: 180, Phase.INVARIANTS: 183}
    for phase, at_s in (phases | {Phase.ENDED: 184}).items():
        write(EventKind.PHASE, at_s, phase=phase)
    write(EventKind.TARGET, 32, process="api-2", state="restarted", incarnation="200@2.00")
    write(EventKind.TARGET, 40, process=HOSTILE, state="not-ready", what="pod", node="n1", reason=HOSTILE)
    timeline.close()


def write_readings(run: RunDirectory, rng: np.random.Generator) -> None:
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


def write_failures(run: RunDirectory) -> None:
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
