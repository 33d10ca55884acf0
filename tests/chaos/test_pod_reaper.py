"""The reaper of a cluster's ledger, as a process of its own against an API server of the test's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.config_map_ledger import SAW, ConfigMapLedger
from chaos.owner import machine
from chaos.platforms.base import Target
from chaos.platforms.process_handle import own_incarnation
from chaos.record import Record
from journal.profile import Cluster
from journal.records import to_json
from tests.chaos.api_store import LEDGER, Store
from tests.chaos.kept_ledger import ledger, server, store
from tests.chaos.scene import poll, throttle_record
from tests.probes.api_server import ApiServer, Asked, HangUp, Reply, write_kubeconfig

__all__ = ["ledger", "server", "store"]  # fixtures

MINE = f"host:{machine()}/{own_incarnation()}"
LONG_NS = 60_000_000_000
POD = "/api/v1/namespaces/default/pods"


@pytest.fixture
def record(server: ApiServer, tmp_path: Path) -> Record:
    """Of a kill in a namespace that is gone, so that its proof holds at once; its owner lives."""
    home = {"server": server.url, "namespace_uid": "0"}
    return throttle_record(
        tmp_path,
        Target("aia-api-0", "aia-api-0@0", "pod aia-api-0"),
        fault="kill-replica",
        options={},
        originals={"ready_replicas": 1},
        platform={"kind": "kubernetes", "cluster": to_json(Cluster()), "home": home},
        owner=MINE,
        expires_at_ns=time.time_ns() + LONG_NS,
    )


@pytest.fixture
def reaper(server: ApiServer, ledger: ConfigMapLedger, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """One that has looked once."""
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    command = [sys.executable, "-P", "-m", "chaos.reaper", "--ledger", "kubernetes:aia-gameday/ledger"]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "GAMEDAY_CONTEXT": ""}
    with subprocess.Popen(
        [*command, "--alive", str(tmp_path / "alive")], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ledger.ensure_reaper()
            yield process
        finally:
            process.kill()


def open_faults(ledger: ConfigMapLedger) -> set[str]:
    return {record.fault_id for record in ledger.read().records}


def test_it_reverts_at_once_what_a_pod_has_left_and_nothing_of_one_that_lives(
    store: Store, ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    for name, phase in {"lives": "Running", "failed": "Failed"}.items():
        store.objects[f"{POD}/{name}"] = {"metadata": {"name": name, "uid": "1"}, "status": {"phase": phase}}
    for owner in ("lives@1", "lives@2", "failed@1", "absent@1"):
        ledger.open_record(replace(record, fault_id=owner, owner=f"pod:default/{owner}"))
    assert poll(lambda: open_faults(ledger) == {"lives@1"})
    assert {(epitaph.fault_id, epitaph.by) for epitaph in ledger.epitaphs()} == {
        ("lives@2", "reaper"), ("failed@1", "reaper"), ("absent@1", "reaper"),
    }  # fmt: skip
    assert not poll(lambda: not open_faults(ledger), within_s=1.5)


def test_an_owner_that_may_not_be_asked_for_keeps_its_record(
    server: ApiServer, store: Store, ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    server.script = lambda asked: Reply(403) if asked.path.startswith(POD) else store(asked)
    mine = replace(record, owner="pod:default/me@1")
    ledger.open_record(mine)
    ledger.ensure_reaper(mine)
    assert poll(lambda: any(asked.path.startswith(POD) for asked in server.asked))
    assert not poll(lambda: not open_faults(ledger), within_s=1.5)


def test_what_a_living_owner_has_left_too_long_is_reverted_soon_after_its_time(
    ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    mine = replace(record, expires_at_ns=time.time_ns() + 2_000_000_000)
    ledger.open_record(mine)
    assert poll(lambda: not open_faults(ledger))
    (epitaph,) = ledger.epitaphs()
    assert epitaph.proven_at_ns > mine.expires_at_ns


def test_it_gives_its_word_for_what_it_can_read_only(
    store: Store, ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    ledger.open_record(record)
    store.objects[LEDGER]["data"]["junk"] = "no record"
    ledger.ensure_reaper(record)
    assert len(store.objects[LEDGER]["metadata"]["annotations"][SAW].split()) == 1


def test_what_it_remembers_is_reverted_when_its_ledger_is_gone(
    store: Store, ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    ledger.open_record(record)
    ledger.ensure_reaper(record)
    del store.objects[LEDGER]
    assert "watching" in reaper.stdout.readline()
    assert any("reverted: F1" in line for line in reaper.stdout)


def test_what_could_not_be_closed_is_tried_again(
    server: ApiServer, store: Store, ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    def without_ledger(asked: Asked) -> Reply:
        if asked.path == LEDGER:
            raise HangUp
        return store(asked)

    mine = replace(record, expires_at_ns=time.time_ns() + 2_000_000_000)
    ledger.open_record(mine)
    ledger.ensure_reaper(mine)
    server.script = without_ledger
    vain = (line for line in reaper.stdout if "not reverted, tried again" in line)
    assert [next(vain) for _ in range(2)]
    server.script = store
    assert poll(lambda: not open_faults(ledger))


def test_asked_to_end_it_first_reverts_what_is_soon_due(
    ledger: ConfigMapLedger, record: Record, reaper: subprocess.Popen[str]
) -> None:
    mine = replace(record, expires_at_ns=time.time_ns() + 2_000_000_000)
    ledger.open_record(mine)
    ledger.ensure_reaper(mine)
    reaper.send_signal(signal.SIGTERM)
    assert reaper.wait(timeout=15) == 0
    assert not open_faults(ledger)
