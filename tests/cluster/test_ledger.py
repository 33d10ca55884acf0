"""The ledger in a ConfigMap and its reaper: nothing is lost between writers, and nothing stays that is due."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest

from chaos.config_map_ledger import ConfigMapLedger
from chaos.epitaph import Epitaph
from chaos.ledger import open_ledger
from chaos.owner import machine, owner_for_elsewhere
from chaos.platforms.base import Target
from chaos.platforms.process_handle import own_incarnation
from chaos.record import Record
from chaos.recover import recover_all, tell_epitaphs
from journal.errors import BadInput, CommandError, FaultRefused
from journal.profile import Cluster
from journal.records import to_json
from journal.run_directory import RunDirectory
from probes.kubernetes_api import KubernetesApi
from tests.cluster.fault_scene import empty_ledger, fault_events, record_about
from tests.cluster.support import Kubectl, wait_until

Place = tuple[str, KubernetesApi, ConfigMapLedger]
GONE = Target("aia-api-0", "aia-api-0@0", "pod aia-api-0")


@pytest.fixture(scope="module")
def place(kubectl: Kubectl) -> Iterator[Place]:
    with empty_ledger(kubectl, f"chaos-ledger-{os.getpid()}") as place:
        yield place


@pytest.fixture
def ledger(place: Place) -> Iterator[ConfigMapLedger]:
    """The ledger, emptied in the end, its annotations too."""
    _, api, ledger = place
    yield ledger
    api.patch(_path(place), {"data": None, "metadata": {"annotations": None}})


@pytest.fixture
def record(place: Place) -> Record:
    """A record of a kill on a namespace that has no such pods, so that its proof holds at once."""
    namespace = place[0].removeprefix("kubernetes:").partition("/")[0]
    cluster = Cluster(namespace=namespace, allowed_namespaces=(namespace,))
    home = {"server": place[1].server, "namespace_uid": "0"}
    return record_about(GONE, {"kind": "kubernetes", "cluster": to_json(cluster), "home": home})


@pytest.fixture
def reaper(place: Place, tmp_path: Path) -> Iterator[Callable[[], Popen[str]]]:
    """Starts reapers of the ledger, and ends them."""
    started: list[Popen[str]] = []

    def start() -> Popen[str]:
        command = [executable, "-P", "-m", "chaos.reaper", "--ledger", place[0], "--alive", str(tmp_path / "alive")]
        started.append(Popen(command, stdout=PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_record_is_read_back_as_it_was_written(ledger: ConfigMapLedger, record: Record) -> None:
    ledger.open_record(record)
    assert open_ledger(ledger.name).read().records == (record,)
    assert ledger.find("test", "F1") == record
    assert ledger.find("test", "F2") is None


def test_names_of_any_kind_are_kept_apart(ledger: ConfigMapLedger, record: Record) -> None:
    names = {(run_id, fault_id) for run_id in ("a", "a.b", "ä") for fault_id in ("../x", "F 1", "F_1")}
    for run_id, fault_id in names:
        ledger.open_record(replace(record, run_id=run_id, fault_id=fault_id))
    assert {(each.run_id, each.fault_id) for each in ledger.read().records} == names
    assert {each.fault_id for each in ledger.read("a").records} == {"../x", "F 1", "F_1"}


def test_the_same_fault_cannot_be_opened_twice(ledger: ConfigMapLedger, record: Record) -> None:
    ledger.open_record(record)
    with pytest.raises(FaultRefused, match="in the ledger already"):
        ledger.open_record(replace(record, owner="5@6.00"))
    assert ledger.read().records == (record,)


def test_only_the_first_to_close_a_record_has_closed_it(ledger: ConfigMapLedger, record: Record) -> None:
    ledger.open_record(record)
    assert not ledger.close_record(replace(record, injected_at_ns=5)), "a later record of the same name is another one"
    assert [ledger.close_record(record), ledger.close_record(record)] == [True, False]
    assert ledger.read().records == ()


def test_nobody_overwrites_anybody_who_writes_at_the_same_time(ledger: ConfigMapLedger, record: Record) -> None:
    records = [replace(record, fault_id=f"F{index}") for index in range(12)]
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(ledger.open_record, records))
        assert len(ledger.read().records) == len(records)
        assert all(threads.map(ledger.close_record, records))
    assert ledger.read().records == ()


def test_of_many_who_open_the_same_fault_one_succeeds(ledger: ConfigMapLedger, record: Record) -> None:
    def opens(owner: int) -> bool:
        try:
            ledger.open_record(replace(record, owner=f"{owner}@1.00"))
        except FaultRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(opens, range(8))) == 1


def test_what_is_no_record_is_named_beside_the_others(place: Place, ledger: ConfigMapLedger, record: Record) -> None:
    ledger.open_record(record)
    place[1].patch(_path(place), {"data": {"torn": "{", "other": '{"schema": "x/9"}', "run.F9": "[]"}})
    contents = ledger.read()
    assert contents.records == (record,)
    assert len(contents.unreadable) == 3
    with pytest.raises(BadInput):
        ledger.find("run", "F9")


def test_a_ledger_that_is_not_there_refuses(place: Place, record: Record) -> None:
    missing = open_ledger(f"{place[0]}-missing")
    with pytest.raises(FaultRefused, match="no record, no fault"):
        missing.open_record(record)
    assert not missing.close_record(record)
    assert missing.epitaphs() == ()
    assert "cannot be read" in recover_all(missing).failed[0].what


@pytest.mark.parametrize(
    "name", ["kubernetes:", "kubernetes:ns", "kubernetes:ns/", "kubernetes:/x", "kubernetes:a/b/c"]
)
def test_a_name_that_is_incomplete_is_told(kubeconfig: str, name: str) -> None:
    with pytest.raises(CommandError, match="names no ConfigMap"):
        open_ledger(name)


def test_a_fault_waits_for_the_word_of_a_reaper_that_has_seen_its_record(
    ledger: ConfigMapLedger, record: Record, reaper: Callable[[], Popen[str]], tmp_path: Path
) -> None:
    mine = replace(record, owner=ledger.owner())
    reaper()
    ledger.ensure_reaper()
    assert (tmp_path / "alive").exists()
    ledger.open_record(mine)
    begin_s = time.monotonic()
    ledger.ensure_reaper(mine)
    assert time.monotonic() - begin_s < 3
    assert ledger.read().records == (mine,), "its owner lives"


def test_the_word_of_a_reaper_that_has_ended_does_not_count(
    ledger: ConfigMapLedger, record: Record, reaper: Callable[[], Popen[str]]
) -> None:
    ended = reaper()
    ledger.ensure_reaper()
    ended.kill()
    ended.wait()
    short = replace(record, expires_at_ns=time.time_ns() + 2_000_000_000)
    ledger.open_record(short)
    with pytest.raises(FaultRefused, match="no reaper has seen"):
        ledger.ensure_reaper(short)


def test_a_record_whose_owner_is_gone_is_reverted_at_once(
    ledger: ConfigMapLedger, record: Record, reaper: Callable[[], Popen[str]]
) -> None:
    reaper()
    ledger.ensure_reaper()
    for owner in ("pod:default/nobody@0", "1@1.00", f"host:{machine()}/1@1.00"):
        ledger.open_record(replace(record, fault_id=owner, owner=owner))
    wait_until(lambda: not ledger.read().records, within_s=10)
    assert {epitaph.by for epitaph in ledger.epitaphs("test")} == {"reaper"}


def test_a_record_of_a_living_owner_is_reverted_when_it_is_overdue(
    ledger: ConfigMapLedger, record: Record, reaper: Callable[[], Popen[str]]
) -> None:
    reaper()
    ledger.ensure_reaper()
    expires_at_ns = time.time_ns() + 3_000_000_000
    owners = {"mine": ledger.owner(), "elsewhere": "host:nowhere/1@1.00", "odd": "the moon"}
    for name, owner in owners.items():
        ledger.open_record(replace(record, fault_id=name, owner=owner, expires_at_ns=expires_at_ns))
    wait_until(lambda: not ledger.read().records, within_s=10)
    proven_at_ns = [epitaph.proven_at_ns for epitaph in ledger.epitaphs()]
    assert len(proven_at_ns) == 3
    assert all(expires_at_ns < at_ns < expires_at_ns + 5_000_000_000 for at_ns in proven_at_ns)


def test_a_reaper_that_is_asked_to_end_reverts_first_what_is_due(
    ledger: ConfigMapLedger, record: Record, reaper: Callable[[], Popen[str]]
) -> None:
    process = reaper()
    ledger.ensure_reaper()
    mine = replace(record, owner=ledger.owner(), expires_at_ns=time.time_ns() + 3_000_000_000)
    ledger.open_record(mine)
    ledger.ensure_reaper(mine)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 0
    assert ledger.read().records == ()


def test_a_reaper_with_nothing_open_ends_at_once_when_it_is_asked_to(
    ledger: ConfigMapLedger, reaper: Callable[[], Popen[str]]
) -> None:
    process = reaper()
    ledger.ensure_reaper()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_what_the_reaper_remembers_is_reverted_although_its_ledger_was_removed(
    place: Place,
    ledger: ConfigMapLedger,
    record: Record,
    reaper: Callable[[], Popen[str]],
) -> None:
    process = reaper()
    ledger.ensure_reaper()
    mine = replace(record, owner=ledger.owner())
    ledger.open_record(mine)
    ledger.ensure_reaper(mine)
    with _without_ledger(place):
        wait_until(lambda: "reverted: F1" in process.stdout.readline(), within_s=10)


def test_the_run_learns_what_a_reaper_out_of_its_sight_has_reverted(
    ledger: ConfigMapLedger, record: Record, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path)
    ledger.open_record(replace(record, run_directory="/not/here"))
    assert recover_all(ledger).complete
    (epitaph,) = ledger.epitaphs("test")
    assert isinstance(epitaph, Epitaph)
    assert ledger.epitaphs("other") == ()
    assert tell_epitaphs(ledger, "test", tmp_path) == (epitaph,)
    assert tell_epitaphs(ledger, "test", tmp_path) == (), "once is enough"
    events = [(event.data["state"], event.data["evidence"]["by"]) for event in fault_events(run)]
    assert events == [("reverted", "recovery"), ("proven", "recovery")]


def test_a_process_in_a_pod_signs_as_the_pod_and_any_other_with_its_machine() -> None:
    pod = {"NAMESPACE": "ns", "POD_NAME": "conductor-1", "POD_UID": "u-1"}
    assert owner_for_elsewhere(pod) == "pod:ns/conductor-1@u-1"
    assert owner_for_elsewhere(pod | {"POD_UID": ""}) == f"host:{machine()}/{own_incarnation()}"


@contextmanager
def _without_ledger(place: Place) -> Iterator[None]:
    _, api, _ = place
    path = _path(place)
    api.delete(path)
    try:
        yield
    finally:
        collection, _, name = path.rpartition("/")
        api.create(collection, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


def _path(place: Place) -> str:
    namespace, _, name = place[0].removeprefix("kubernetes:").partition("/")
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"
