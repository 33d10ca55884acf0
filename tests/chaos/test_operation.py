"""When a record stays in the ledger: as long as the fault may be in force, and no longer."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import operation as module
from chaos.directory_ledger import DirectoryLedger
from chaos.fault import Fault, Injection
from chaos.faults.kill_replica import KillReplica
from chaos.faults.throttle_redis import ThrottleRedis
from chaos.operation import Operation
from chaos.platforms.base import Target
from journal.errors import ClusterUnreachable, FaultRefused, GamedayError, NotReverted
from journal.timeline import FaultState
from tests.chaos.scene import throttle_record

TARGET = Target("redis", "1@1.00", "redis (pid 1)")


class Means:
    """Brings nothing about, and fails as the test wants."""

    def __init__(self, ledger: DirectoryLedger, error: GamedayError | None) -> None:
        self.ledger, self.error = ledger, error

    def apply(self, duration_s: float) -> None:
        self.duration_s, self.records = duration_s, self.ledger.read().records
        if self.error:
            raise self.error

    def close(self) -> None:
        pass


@pytest.fixture
def operation(ledger: DirectoryLedger) -> Operation:
    """In a place where nothing can be asked; it belongs to no run."""
    names = {"run_id": "testrun", "fault_id": "F1", "experiment": "test", "run_directory": None}
    context: Any = SimpleNamespace(ledger=ledger, **names)
    made = Operation(context)
    made.__dict__["_platform"] = SimpleNamespace(settle_s=0.0, reference=lambda: {"kind": "local", "state_file": "/no"})
    return made


def inject(operation: Operation, error: GamedayError | None = None) -> Means:
    means = Means(operation.context.ledger, error)
    injection = Injection(targets=(TARGET,), originals={"ready_replicas": 1}, means=means)
    try:
        operation._inject(KillReplica(recovery_s=30.0), {}, injection)
    except GamedayError as raised:
        assert raised is error
    return means


def test_a_fault_is_in_the_ledger_with_its_expiry_before_it_is_brought_about(operation: Operation) -> None:
    means = inject(operation)
    (record,) = means.records
    assert record.expires_at_ns - record.injected_at_ns == 30_000_000_000
    assert 0 < means.duration_s <= 30


def test_a_fault_that_certainly_did_not_happen_leaves_no_record(operation: Operation, ledger: DirectoryLedger) -> None:
    inject(operation, FaultRefused("gone"))
    assert ledger.read().records == ()


def test_a_fault_that_may_have_happened_keeps_its_record(operation: Operation, ledger: DirectoryLedger) -> None:
    inject(operation, ClusterUnreachable("no answer"))
    assert [record.fault_id for record in ledger.read().records] == ["F1"]


@pytest.fixture
def in_force(operation: Operation, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fault], Operation]:
    def make(fault: Fault) -> Operation:
        operation._fault, operation._record = fault, throttle_record(tmp_path_factory.getbasetemp(), TARGET)
        return operation

    return make


def failing(times: int, error: GamedayError) -> Callable[..., None]:
    """Fails so many times."""
    left = [error] * times

    def fail(*_: object, **__: object) -> None:
        if left:
            raise left.pop()

    return fail


def test_a_revert_waits_for_an_api_server_that_is_away_unless_somebody_asked_for_the_end(
    in_force: Callable[[Fault], Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = in_force(ThrottleRedis())
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(module, "revert", failing(2, ClusterUnreachable("away")))
    operation._revert(operation._record)
    assert operation.states == [FaultState.REVERTED]
    operation.hurry()
    monkeypatch.setattr(module, "revert", failing(1, ClusterUnreachable("away")))
    with pytest.raises(ClusterUnreachable):
        operation._revert(operation._record)


def test_a_hurried_end_without_proof_is_a_failure_unless_the_fault_heals_by_itself(
    in_force: Callable[[Fault], Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "revert", failing(0, NotReverted("")))
    monkeypatch.setattr(module, "prove_and_close", failing(2, NotReverted("no proof")))
    for fault, expected in ((KillReplica(), []), (ThrottleRedis(), [FaultState.NOT_REVERTED])):
        operation = in_force(fault)
        operation.states.clear()
        operation.hurry()
        if expected:
            with pytest.raises(NotReverted, match="no proof"):
                operation.revert()
        else:
            operation.revert()
        assert operation.states == [FaultState.REVERTED, *expected]
