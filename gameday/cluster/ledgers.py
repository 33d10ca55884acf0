"""The ledgers of faults in a namespace: what they still hold, and what a reaper did out of sight of the run."""

import time

from chaos.config_map_ledger import ConfigMapLedger
from chaos.recover import Recovery, recover_all, tell_epitaphs
from gameday.cluster.names import COMPONENT, HARNESS, PART_OF
from gameday.cluster.run import ClusterRun
from journal.errors import NotReverted
from probes.kubernetes_api import KubernetesApi

PATIENCE_S = 60.0
_PAUSE_S = 0.5


def recover_all_in(api: KubernetesApi, namespace: str) -> Recovery:
    """Reverts all that any ledger of the namespace holds."""
    selector = f"{PART_OF}={HARNESS},{COMPONENT}=ledger"
    found = api.items(f"/api/v1/namespaces/{namespace}/configmaps", labelSelector=selector)
    done = [recover_all(ConfigMapLedger(api, namespace, each["metadata"]["name"])) for each in list(found)]
    reverted = tuple(record for recovery in done for record in recovery.reverted)
    return Recovery(reverted, tuple(problem for recovery in done for problem in recovery.failed))


def await_reaper(run: ClusterRun) -> None:
    """Waits until the run's ledger is empty, then tells the local timeline what the reaper reverted.

    Raises:
        NotReverted: a record stays open.
    """
    if run.find(run.names.path("configmaps", "ledger")) is None:
        return
    ledger = ConfigMapLedger(run.api, run.names.namespace, run.names.of("ledger"))
    ends_s = time.monotonic() + PATIENCE_S
    while (contents := ledger.read()).records or contents.unreadable:
        overdue_s = time.time() - max((record.expires_at_ns / 1e9 for record in contents.records), default=0.0)
        if time.monotonic() > ends_s and overdue_s > PATIENCE_S:
            raise NotReverted(_complaint(run, [record.label for record in contents.records]))
        time.sleep(_PAUSE_S)
    if run.local.manifest.exists():
        tell_epitaphs(ledger, run.names.run_id, run.local.path)


def _complaint(run: ClusterRun, labels: list[str]) -> str:
    namespace, names = run.names.namespace, run.names
    return (
        f"still in the ledger {names.of('ledger')} of {namespace}: {', '.join(labels) or 'what cannot be read'}. "
        f"Reaper and ledger stay in place (kubectl --namespace {namespace} logs deployment/{names.of('reaper')}); "
        f"when the cause is gone: gameday k8s attach {names.run_id}"
    )
