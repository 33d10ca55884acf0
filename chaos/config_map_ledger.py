"""The ledger of a cluster: a ConfigMap with one key for each fault in force, changed under optimistic concurrency.

Its reaper is a pod, which nobody here can start; it acknowledges in an annotation what it has read, and a fault waits
for that.
"""

import hashlib
import json
import os
import random
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaos.epitaph import Epitaph
from chaos.finding import wait_until
from chaos.owner import owner_for_elsewhere
from chaos.record import Contents, Record, parse_record, record_text
from journal.errors import BadInput, ClusterRefused, CommandError, FaultRefused, GamedayError, Problem
from journal.records import parsed, to_json
from probes.kubernetes_api import Json, KubernetesApi

PREFIX = "kubernetes:"
SAW, REVERTED = "aia-gameday/reaper-saw", "aia-gameday/reverted"
_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}-")
_CHANGES_S, _PAUSE_S = 10.0, 0.05
_FIRST_LOOK_S, _ACKNOWLEDGED_S, _POLL_S = 30.0, 10.0, 0.1
_KEPT_EPITAPHS = 100
_SHORT_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at the ledger: its contents, a token for each of its records, and the tokens that a reaper has seen."""

    contents: Contents
    tokens: frozenset[str]
    acknowledged: frozenset[str] | None
    epitaphs: tuple[Epitaph, ...] = ()


class ConfigMapLedger:
    """The records in one ConfigMap, which exists already; see `Ledger`."""

    def __init__(self, api: KubernetesApi, namespace: str, name: str) -> None:
        self._api = api
        self._hurried = api.hurried(patience_s=_SHORT_PATIENCE_S)
        self.name = f"{PREFIX}{namespace}/{name}"
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    def open_record(self, record: Record) -> None:
        """See `Ledger`."""
        key = _key(record.run_id, record.fault_id)
        try:
            text = record_text(record)
            self._change(lambda found: _opening(found, key, text))
        except FileExistsError:
            raise FaultRefused(f"{record.label}: it is in the ledger already; see: gameday recover") from None
        except (GamedayError, ValueError) as error:
            raise FaultRefused(f"no record, no fault: the ledger {self.name} cannot be written: {error}") from error

    def ensure_reaper(self, record: Record | None = None) -> None:
        """See `Ledger`: waits until a reaper has ever looked; with a record, for its word, at most half of the time."""
        if record is None:
            self._await_word(lambda _: True, _FIRST_LOOK_S, "no reaper has looked at")
            return
        token, remaining_s = _token(record_text(record)), (record.expires_at_ns - time.time_ns()) / 1e9
        patience_s = min(_ACKNOWLEDGED_S, remaining_s / 2)
        self._await_word(lambda seen: token in seen, patience_s, "no reaper has seen the fault's record in")

    def read(self, run_id: str | None = None) -> Contents:
        """See `Ledger`."""
        return self.look().contents.of_run(run_id)

    def find(self, run_id: str, fault_id: str) -> Record | None:
        """See `Ledger`."""
        key = _key(run_id, fault_id)
        text = _data(self._api.get(self._path)).get(key)
        return None if text is None else parse_record(text, f"{self.name}, key {key}")

    def close_record(self, record: Record, epitaph: Epitaph | None = None) -> bool:
        """See `Ledger`; a ledger that is gone, with all that was in it, was closed by whoever removed it."""
        try:
            return self._change(lambda found: _closing(found, record, epitaph))
        except ClusterRefused as error:
            if error.status == 404:
                return False
            raise

    def epitaphs(self, run_id: str | None = None) -> tuple[Epitaph, ...]:
        """See `Ledger`; a ledger that is gone says nothing."""
        try:
            return tuple(each for each in self.look().epitaphs if run_id in {None, each.run_id})
        except ClusterRefused as error:
            if error.status == 404:
                return ()
            raise

    def owner(self) -> str:
        """See `Ledger`: the pod around this process, if it knows of one."""
        return owner_for_elsewhere(os.environ)

    def look(self) -> Glance:
        """All there is to see at once; for the reaper."""
        found = self._api.get(self._path)
        contents, tokens = _contents(_data(found), self.name)
        return Glance(contents, tokens, _acknowledged(found), _epitaphs(found))

    def acknowledge(self, tokens: Iterable[str]) -> None:
        """Says that a reaper holds what these tokens stand for; for the reaper."""
        self._api.patch(self._path, {"metadata": {"annotations": {SAW: " ".join(sorted(tokens))}}})

    def _await_word(self, enough: Callable[[frozenset[str]], bool], patience_s: float, complaint: str) -> None:
        trouble = ""

        def heard() -> bool:
            nonlocal trouble
            try:
                seen = _acknowledged(self._hurried.get(self._path))
            except GamedayError as error:
                trouble = f": {error}"
                return False
            return seen is not None and enough(seen)

        if not wait_until(heard, patience_s, poll_s=_POLL_S):
            raise FaultRefused(f"{complaint} the ledger {self.name} within {patience_s:.3g} s{trouble}")

    def _change(self, change: Callable[[Json], Json | None]) -> bool:
        """Reads, patches, and begins again when somebody else has written in between; False when nothing was to do.

        The first answer to a patch may be lost and the second be a conflict with oneself; so whoever finds on a later
        round that nothing is left to do has done it.
        """
        ends_s, tried = time.monotonic() + _CHANGES_S, False
        while True:
            found = self._api.get(self._path)
            patch = change(found)
            if patch is None:
                return tried
            patch.setdefault("metadata", {})["resourceVersion"] = found["metadata"]["resourceVersion"]
            try:
                self._api.patch(self._path, patch)
            except ClusterRefused as error:
                if error.status != 409 or time.monotonic() >= ends_s:
                    raise
                tried = True
            else:
                return True
            time.sleep(random.uniform(0, _PAUSE_S))


def open_config_map_ledger(name: str, api: KubernetesApi | None = None) -> ConfigMapLedger:
    """The ledger `kubernetes:NAMESPACE/NAME` of the cluster around this process, else of the kubeconfig.

    Raises:
        CommandError: the name is incomplete, or there is no way to a cluster.
    """
    namespace, _, config_map = name.removeprefix(PREFIX).partition("/")
    if not namespace or not config_map or "/" in config_map:
        raise CommandError([Problem("ledger", f"{name!r} names no ConfigMap", f"write {PREFIX}NAMESPACE/NAME")])
    return ConfigMapLedger(api or KubernetesApi.connect(), namespace, config_map)


def _opening(found: Json, key: str, text: str) -> Json | None:
    there = _data(found).get(key)
    if there is None:
        return {"data": {key: text}}
    if there != text:
        raise FileExistsError
    return None


def _closing(found: Json, record: Record, epitaph: Epitaph | None) -> Json | None:
    key = _key(record.run_id, record.fault_id)
    try:
        there = parse_record(_data(found).get(key, ""), key)
    except BadInput:
        return None
    if there.injected_at_ns != record.injected_at_ns:
        return None
    patch: Json = {"data": {key: None}}
    if epitaph is not None:
        kept = [*_epitaphs(found), epitaph][-_KEPT_EPITAPHS:]
        patch["metadata"] = {"annotations": {REVERTED: json.dumps(to_json(kept))}}
    return patch


def _key(run_id: str, fault_id: str) -> str:
    """A key may hold letters, digits and three signs; all other bytes are written as `_XX`."""
    return f"{_escaped(run_id)}.{_escaped(fault_id)}"


def _escaped(text: str) -> str:
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"_{byte:02X}" for byte in text.encode())


def _data(found: Json) -> dict[str, str]:
    return found.get("data") or {}


def _annotations(found: Json) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


def _acknowledged(found: Json) -> frozenset[str] | None:
    word = _annotations(found).get(SAW)
    return None if word is None else frozenset(word.split())


def _epitaphs(found: Json) -> tuple[Epitaph, ...]:
    try:
        listed = json.loads(_annotations(found).get(REVERTED) or "[]")
    except ValueError:
        return ()
    found_ones = (parsed(Epitaph, each) for each in (listed if isinstance(listed, list) else []))
    return tuple(each for each in found_ones if each is not None)


def _contents(data: dict[str, str], name: str) -> tuple[Contents, frozenset[str]]:
    """Whoever cannot read a record cannot undo its fault, so only those that can be read have a token."""
    records: dict[str, Record] = {}
    unreadable: list[Problem] = []
    for key, text in sorted(data.items()):
        try:
            records[_token(text)] = parse_record(text, f"{name}, key {key}")
        except BadInput as error:
            unreadable.extend(error.problems)
    return Contents(tuple(records.values()), tuple(unreadable)).of_run(None), frozenset(records)


def _token(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
