"""Who looks at the target is chosen by state file and platform, and the manifest learns where readings come from."""

import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from gameday.observers import observers
from gameday.readings_thread import ReadingsThread
from journal.errors import ClusterUnreachable
from journal.profile import Platform, Profile
from journal.readings import Reading, read_readings
from journal.run_directory import RunDirectory, make_run_directory
from journal.timeline import EventKind, Timeline, read_timeline
from tests.gameday.test_cluster_watcher import await_
from tests.probes.api_server import TOKEN, Asked, Reply, api_server, in_turn, write_kubeconfig
from tests.probes.pods import pod
from tests.probes.test_container_usage import page

CLUSTER = Profile(name="cluster", base_url="http://aia", platform=Platform(kind="kubernetes"))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_run_directory(tmp_path / "run")


def observe(run: RunDirectory, profile: Profile, state_file: Path | None = None) -> None:
    """Observes until something was read."""
    timeline = Timeline(run.timeline)
    with observers(profile, state_file).at_work(run, timeline):
        await_(lambda: read_readings(run.readings)[0])
    timeline.close()


def test_a_target_with_a_state_file_is_read_by_its_processes(run: RunDirectory, tmp_path: Path) -> None:
    me = {"name": "api-0", "role": "api", "state": "running", "pid": os.getpid()}
    state = {
        "schema": "aia-target/state/1",
        "url": "http://127.0.0.1:1",
        "pid": os.getpid(),
        "environment": "embedded",
        "redis": {"host": "127.0.0.1", "port": 1, "password_file": ""},
        "processes": [me | {"started_at": psutil.Process().create_time()}],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    observe(run, Profile(name="local"), tmp_path / "state.json")
    assert observers(Profile(name="local"), tmp_path / "state.json").origin.source == "psutil"
    (series,) = read_readings(run.readings)[0]
    assert series.rss_bytes[0] > 0


def test_a_target_in_a_cluster_is_read_by_its_pods_from_before_the_begin(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path.startswith("/api/v1/namespaces/aia-system/pods"):
            return Reply(200, {"items": [pod("aia-api-1")] if "aia-api" in asked.path else []})
        return Reply(200, page()) if asked.path.endswith("/proxy/metrics/cadvisor") else Reply(404)

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with api_server(script) as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
        found = observers(CLUSTER, None)
        assert found.origin.source == "kubelet cAdvisor through the API server"
        timeline = Timeline(run.timeline)
        with found.at_work(run, timeline):
            assert {series.subject for series in read_readings(run.readings)[0]} == {"api-0"}
        timeline.close()


def test_without_a_way_into_the_cluster_the_manifest_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    origin = observers(CLUSTER, None).origin
    assert origin.source == "none"
    assert "kubeconfig" in origin.note


def test_a_cluster_that_refuses_leaves_no_token_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with api_server(in_turn(Reply(401, {"message": "Unauthorized"}))) as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
        origin = observers(CLUSTER, None).origin
    assert (origin.source, TOKEN in origin.note) == ("none", False)
    assert "401" in origin.note


def test_a_target_that_nobody_can_look_at_is_not_read(run: RunDirectory) -> None:
    found = observers(Profile(name="far", base_url="http://aia", platform=Platform(kind="none")), None)
    assert found.origin.source == "none"
    timeline = Timeline(run.timeline)
    with found.at_work(run, timeline):
        pass
    timeline.close()
    assert not run.readings.exists()


def test_a_source_that_fails_is_one_warning_and_is_asked_again(run: RunDirectory) -> None:
    tries = 0

    def sample() -> list[Reading]:
        nonlocal tries
        tries += 1
        if tries % 10 < 5:
            raise ClusterUnreachable("no kubelet answers")
        return [Reading(time.time_ns(), "api-0", "api", "a/b", 1, 1, 0.0, 0, 0)]

    timeline = Timeline(run.timeline)
    with ReadingsThread(run, timeline, sample, interval_s=0.01):
        await_(lambda: tries >= 20)
    timeline.close()
    warnings = [event for event in read_timeline(run.timeline)[0] if event.kind is EventKind.WARNING]
    assert 2 <= len(warnings) <= 3
    assert read_readings(run.readings)[0][0].at_ns.size >= 10


def test_readings_that_cannot_be_written_end_without_a_crash_of_their_thread(run: RunDirectory) -> None:
    run.readings.symlink_to("/dev/full")
    crashes: list[object] = []
    before, threading.excepthook = threading.excepthook, crashes.append
    me = Reading(
        at_ns=1,
        subject="api-0",
        role="api",
        incarnation="1@1",
        rss_bytes=1,
        uss_bytes=1,
        cpu_s=0,
        threads=1,
        descriptors=1,
    )
    timeline = Timeline(run.timeline)
    try:
        with ReadingsThread(run, timeline, lambda: [me], interval_s=0.001) as thread:
            await_(lambda: not thread._thread.is_alive())
    finally:
        threading.excepthook = before
        timeline.close()
    assert crashes == []
