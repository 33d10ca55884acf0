"""The ledger: what is written can be read by anybody, once; what cannot be written forbids the fault."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.directory_ledger import DirectoryLedger
from chaos.epitaph import epitaph_of
from chaos.finding import Finding
from chaos.ledger import default_ledger, open_ledger
from chaos.platforms.base import Target
from chaos.record import Record
from journal.errors import CommandError, FaultRefused
from tests.chaos.scene import throttle_record

REDIS = Target("redis", "12@34.00", "redis (pid 12)")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return throttle_record(tmp_path / "state.json", REDIS)


@pytest.fixture
def ledger(tmp_path: Path) -> DirectoryLedger:
    return DirectoryLedger(tmp_path / "ledger")


def test_a_record_is_read_back_as_it_was_written(ledger: DirectoryLedger, record: Record) -> None:
    ledger.open_record(record)
    assert DirectoryLedger(ledger.directory).read().records == (record,)
    assert ledger.find("testrun", "F1") == record
    assert ledger.find("testrun", "F2") is None


def test_records_are_kept_apart_by_run_and_fault_whatever_their_names(ledger: DirectoryLedger, record: Record) -> None:
    names = {(run_id, fault_id) for run_id in ("a", "b") for fault_id in ("../x", "F 1")}
    for run_id, fault_id in names:
        ledger.open_record(replace(record, run_id=run_id, fault_id=fault_id))
    assert {(each.run_id, each.fault_id) for each in ledger.read().records} == names
    assert {(each.run_id, each.fault_id) for each in ledger.read("a").records} == {("a", "../x"), ("a", "F 1")}
    assert all(ledger.close_record(each) for each in ledger.read("a").records)
    assert {each.run_id for each in ledger.read().records} == {"b"}


def test_the_same_fault_cannot_be_opened_twice(ledger: DirectoryLedger, record: Record) -> None:
    ledger.open_record(record)
    with pytest.raises(FaultRefused, match="in the ledger already"):
        ledger.open_record(replace(record, owner="5@6.00"))
    assert ledger.read().records == (record,)


def test_only_the_first_to_close_a_record_has_closed_it(ledger: DirectoryLedger, record: Record) -> None:
    ledger.open_record(record)
    assert [ledger.close_record(record), ledger.close_record(record)] == [True, False]
    assert list(ledger.directory.iterdir()) == []


def test_a_ledger_below_a_file_refuses(tmp_path: Path, record: Record) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaultRefused, match="no record, no fault"):
        DirectoryLedger(tmp_path / "file" / "ledger").open_record(record)


def test_what_is_no_record_is_named_beside_the_others(ledger: DirectoryLedger, record: Record) -> None:
    ledger.open_record(record)
    for name, text in {"torn": '{"schema": "aia-gameday/led', "other": '{"schema": "x/9"}', "list": "[]"}.items():
        (ledger.directory / f"{name}.json").write_text(text)
    contents = ledger.read()
    assert contents.records == (record,)
    assert len(contents.unreadable) == 3


def test_drafts_of_writers_that_were_killed_are_swept(ledger: DirectoryLedger, record: Record) -> None:
    ledger.directory.mkdir()
    stale, fresh = ledger.directory / "stale.draft", ledger.directory / "fresh.draft"
    stale.touch()
    fresh.touch()
    an_hour_ago = time.time() - 3600
    os.utime(stale, (an_hour_ago, an_hour_ago))
    ledger.open_record(record)
    assert [stale.exists(), fresh.exists()] == [False, True]


def test_the_ledger_lies_where_the_environment_says(tmp_path: Path) -> None:
    assert default_ledger({"GAMEDAY_LEDGER": str(tmp_path)}).directory == tmp_path
    assert default_ledger({"XDG_STATE_HOME": "/s"}).directory == Path("/s/aia-gameday/ledger")
    assert default_ledger({}).directory == Path.home() / ".local/state/aia-gameday/ledger"


@pytest.mark.parametrize("name", ["Kubernetes:aia/ledger", "k8s:aia/ledger", "https://cluster/ledger"])
def test_a_name_that_is_almost_a_config_map_is_not_taken_for_an_empty_directory(name: str) -> None:
    with pytest.raises(CommandError, match="neither a ConfigMap nor a directory"):
        open_ledger(name)


def test_of_many_who_write_the_same_record_at_once_one_succeeds_and_tears_nothing(
    ledger: DirectoryLedger, record: Record
) -> None:
    def opens(index: int) -> bool:
        try:
            ledger.open_record(replace(record, owner=f"{index}@1.00", experiment="x" * 10_000 * index))
        except FaultRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(opens, range(8))) == 1
    contents = ledger.read()
    assert (len(contents.records), contents.unreadable) == (1, ())
    assert [path.suffix for path in ledger.directory.iterdir()] == [".json"]


def test_a_directory_keeps_no_epitaphs(ledger: DirectoryLedger, record: Record) -> None:
    ledger.open_record(record)
    assert ledger.close_record(record, epitaph_of(record, Finding(True), "reaper"))
    assert ledger.epitaphs() == ()
