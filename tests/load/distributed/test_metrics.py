import pytest
from prometheus_client import generate_latest

from journal.frames import EndpointSecond, Frame, OutcomeSecond, encode
from journal.outcomes import Endpoint, Kind, Outcome
from journal.timeline import EventKind, FaultState, Phase, Timeline
from load.distributed.collector import Collector, Pulse, pulse
from load.distributed.metrics import Metrics
from load.distributed.reporter import Parcel

REQUEST = Endpoint(Kind.REQUEST, "j", "GET /")
WORKFLOW = Endpoint(Kind.WORKFLOW, "j", "all of it")


def frame(worker: str, second: int, *, ok: int, slow: int = 0, failed: int = 0) -> Frame:
    outcomes = {Outcome.OK: OutcomeSecond(ok, {200_000: slow}), Outcome.CUT: OutcomeSecond(failed, {200_000: failed})}
    seen = EndpointSecond(ok + failed, 0, outcomes)
    return Frame(worker, second, second, 5, {REQUEST: seen, WORKFLOW: seen})


def test_the_pulse_counts_requests_of_all_workers_and_a_failure_is_bad_once():
    frames = [frame("a", 1, ok=10, slow=2, failed=3), frame("b", 1, ok=5), frame("a", 2, ok=99)]
    assert pulse(frames) == Pulse(users=10, requests=18, bad=5, failed=3)
    assert pulse(frames).bad_share == pytest.approx(5 / 18)


def test_the_metrics_show_the_phase_and_the_fault_in_force(make_run):
    run = make_run("http://127.0.0.1:1")
    collector, timeline = Collector(run), Timeline(run.timeline)
    metrics = Metrics(run, collector)

    def shown() -> str:
        metrics.renew()
        return generate_latest(metrics.registry).decode()

    timeline.write(EventKind.PHASE, phase=Phase.WARM_UP)
    timeline.write(EventKind.PHASE, phase=Phase.LOAD)
    for seen in (frame("a", 1, ok=8, failed=2), frame("a", 2, ok=1)):
        collector.take("a", Parcel(seen.sequence, encode(seen), last=False))
    first = shown()
    assert 'gameday_phase{phase="load"} 1.0' in first
    assert 'gameday_phase{phase="warm-up"} 0.0' in first
    assert "gameday_requests_per_second 10.0" in first
    assert "gameday_bad_share 0.2" in first
    assert "gameday_failed_share 0.2" in first
    assert "gameday_fault_active{" not in first

    active = 'gameday_fault_active{fault="kill-replica",fault_id="F1"}'
    for state, shows in [
        (FaultState.PLANNED, "0.0"),
        (FaultState.INJECTED, "1.0"),
        (FaultState.EFFECTIVE, "1.0"),
        (FaultState.REVERTED, "0.0"),
        (FaultState.PROVEN, "0.0"),
    ]:
        timeline.write(EventKind.FAULT, fault_id="F1", fault="kill-replica", state=state)
        assert f"{active} {shows}" in shown()
    timeline.close()
    collector.close()
