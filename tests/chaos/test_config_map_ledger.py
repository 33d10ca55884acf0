"""The ledger in a ConfigMap: nobody overwrites anybody, and no fault begins that no reaper knows of."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.config_map_ledger import SAW, ConfigMapLedger
from chaos.epitaph import epitaph_of
from chaos.finding import Finding
from chaos.platforms.base import Target
from chaos.record import Record
from chaos.recover import tell_epitaphs
from journal.errors import FaultRefused
from journal.run_directory import RunDirectory
from tests.chaos.api_store import LEDGER, Store
from tests.chaos.kept_ledger import ledger, server, store
from tests.chaos.scene import fault_events, throttle_record
from tests.probes.api_server import ApiServer, Asked, Reply

__all__ = ["ledger", "server", "store"]  # fixtures


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return throttle_record(tmp_path, Target("aia-redis-0", "aia-redis-0@u", "pod aia-redis-0"))


def before_the_first_patch(store: Store, act: Callable[[], None]) -> Callable[[Asked], Reply]:
    """A script in which somebody else is quicker once."""
    waiting = [act]

    def script(asked: Asked) -> Reply:
        if asked.method == "PATCH" and waiting:
            waiting.pop()()
        return store(asked)

    return script


def test_two_who_write_at_the_same_time_lose_nothing(
    server: ApiServer, store: Store, ledger: ConfigMapLedger, record: Record
) -> None:
    other = replace(record, fault_id="F2")
    server.script = before_the_first_patch(store, lambda: ledger.open_record(other))
    ledger.open_record(record)
    assert [each.fault_id for each in ledger.read().records] == ["F1", "F2"]


def test_of_two_who_open_the_same_fault_at_the_same_time_one_is_refused(
    server: ApiServer, store: Store, ledger: ConfigMapLedger, record: Record
) -> None:
    other = replace(record, owner="2@2.00")
    server.script = before_the_first_patch(store, lambda: ledger.open_record(other))
    with pytest.raises(FaultRefused, match="in the ledger already"):
        ledger.open_record(record)
    assert ledger.read().records == (other,)


def test_a_later_life_of_the_same_fault_is_not_closed_with_an_earlier_one(
    ledger: ConfigMapLedger, record: Record
) -> None:
    later = replace(record, injected_at_ns=record.injected_at_ns + 1)
    ledger.open_record(later)
    assert not ledger.close_record(record)
    assert ledger.read().records == (later,)
    assert ledger.close_record(later)


def test_a_ledger_that_is_gone_has_nothing_to_close_and_nothing_to_say(
    store: Store, ledger: ConfigMapLedger, record: Record
) -> None:
    del store.objects[LEDGER]
    assert not ledger.close_record(record)
    assert ledger.epitaphs() == ()


@pytest.mark.parametrize("word", [None, "", "somebody-elses"], ids=["no reaper", "nothing seen", "another record seen"])
def test_a_fault_that_no_reaper_has_seen_is_refused_after_half_of_its_time_at_most(
    store: Store, ledger: ConfigMapLedger, record: Record, word: str | None
) -> None:
    store.objects[LEDGER]["metadata"]["annotations"] = {} if word is None else {SAW: word}
    short = replace(record, expires_at_ns=time.time_ns() + 1_000_000_000)
    ledger.open_record(short)
    with pytest.raises(FaultRefused, match=r"no reaper has seen .* within 0\.[0-4]"):
        ledger.ensure_reaper(short)


def test_a_reaper_that_has_looked_is_enough_before_there_is_a_record(store: Store, ledger: ConfigMapLedger) -> None:
    store.objects[LEDGER]["metadata"]["annotations"] = {SAW: ""}
    ledger.ensure_reaper()


def test_a_run_is_told_once_of_each_fault_that_was_reverted_out_of_its_sight(
    ledger: ConfigMapLedger, record: Record, tmp_path: Path
) -> None:
    for name in ("F1", "F2"):
        each = replace(record, fault_id=name)
        ledger.open_record(each)
        assert ledger.close_record(each, epitaph_of(each, Finding(True), "reaper"))
    assert [epitaph.fault_id for epitaph in tell_epitaphs(ledger, record.run_id, tmp_path)] == ["F1", "F2"]
    assert tell_epitaphs(ledger, record.run_id, tmp_path) == ()
    assert tell_epitaphs(ledger, "another", tmp_path) == ()
    told = [(event.data["fault_id"], event.data["state"]) for event in fault_events(RunDirectory(tmp_path))]
    assert told == [("F1", "reverted"), ("F1", "proven"), ("F2", "reverted"), ("F2", "proven")]
