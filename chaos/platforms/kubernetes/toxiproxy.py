"""Toxiproxy's HTTP API: asked directly within the cluster, and through the API server from outside."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx

from chaos.platforms.kubernetes.services import parse_service_address
from journal.errors import ClusterRefused, FaultRefused, HarnessDefect, TargetUnreachable
from probes.http_calls import call
from probes.kubernetes_api import Json, KubernetesApi

_TIMEOUT_S, _TRIES, _PAUSE_S = 2.0, 3, 0.2
_CONFLICT, _NOT_FOUND = 409, 404


class Answered(Protocol):
    """A way to the proxy's HTTP API: the status and the JSON of an answer. Raises TargetUnreachable."""

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Asks once."""


class Toxiproxy:
    """One proxy of a Toxiproxy, and the toxics on it."""

    def __init__(self, ask: Answered, proxy: str) -> None:
        self._ask, self.name = ask, proxy
        self._path = f"/proxies/{quote(proxy, safe='')}"

    def toxics(self) -> list[str] | None:
        """The names of the toxics on it; None when there is no such proxy, or it is switched off."""
        status, found = self._tried("GET", self._path)
        if status == _NOT_FOUND:
            return None
        if status != httpx.codes.OK or not isinstance(found, dict):
            raise HarnessDefect(f"Toxiproxy says {status} when asked for the proxy {self.name!r}")
        return [str(toxic["name"]) for toxic in found.get("toxics") or []] if found.get("enabled") else None

    def add(self, toxic: Json) -> None:
        """Puts a toxic on it; one of that name that is there already is the first try of a lost answer."""
        status, found = self._tried("POST", f"{self._path}/toxics", toxic)
        if status not in {httpx.codes.OK, _CONFLICT}:
            raise FaultRefused(f"Toxiproxy did not take the toxic {toxic['name']}: {status} {found}")

    def remove(self, name: str) -> None:
        """Takes a toxic away; one that is not there is no trouble, nor is a proxy that is not."""
        status, found = self._tried("DELETE", f"{self._path}/toxics/{quote(name, safe='')}")
        if status not in {httpx.codes.OK, httpx.codes.NO_CONTENT, _NOT_FOUND}:
            raise HarnessDefect(f"Toxiproxy did not remove the toxic {name}: {status} {found}")

    def _tried(self, method: str, path: str, body: Json | None = None) -> tuple[int, Any]:
        for _ in range(_TRIES - 1):
            try:
                return self._ask(method, path, body)
            except TargetUnreachable:
                time.sleep(_PAUSE_S)
        return self._ask(method, path, body)


@dataclass(frozen=True, slots=True)
class ToxicDelay:
    """The means of a delay: all that one fault puts on the proxy."""

    proxy: Toxiproxy
    toxics: tuple[Json, ...]

    def apply(self, duration_s: float) -> None:  # noqa: ARG002  # toxics know no time limit
        """Adds them. When the second is refused, the first is there, and the record stays to undo it."""
        for index, toxic in enumerate(self.toxics):
            try:
                self.proxy.add(toxic)
            except FaultRefused as refusal:
                if index:
                    raise HarnessDefect(str(refusal)) from refusal
                raise

    def close(self) -> None:
        """Nothing is held."""


def delay_toxics(tag: str, *, latency_ms: float, jitter_ms: float, rate_kb_per_s: float) -> tuple[Json, ...]:
    """The toxics that slow down what comes back from Redis, their names beginning with the tag."""
    latency = {"latency": round(latency_ms), "jitter": round(jitter_ms)}
    toxics = [_toxic(f"{tag}-latency", "latency", latency)]
    if rate_kb_per_s:
        toxics.append(_toxic(f"{tag}-bandwidth", "bandwidth", {"rate": round(rate_kb_per_s)}))
    return tuple(toxics)


def reach_toxiproxy(api: KubernetesApi, url: str, proxy: str, *, hurried: bool = False) -> Toxiproxy:
    """The proxy of that name; the URL names a Service, which only pods can reach by its name.

    Raises:
        FaultRefused: the URL names no Service.
    """
    address = parse_service_address(url)
    if address is None:
        raise FaultRefused(f"the profile's toxiproxy.url, {url!r}, names no Service of the cluster")
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return Toxiproxy(_directly(url, _TIMEOUT_S / 2 if hurried else _TIMEOUT_S), proxy)
    where = f"/api/v1/namespaces/{address.namespace}/services/{address.name}:{address.port}/proxy"
    return Toxiproxy(_through(api, where), proxy)


def _toxic(name: str, kind: str, attributes: Json) -> Json:
    return {"name": name, "type": kind, "stream": "downstream", "toxicity": 1.0, "attributes": attributes}


def _directly(url: str, timeout_s: float) -> Answered:
    base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"

    def ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        answer = call(method, f"{base}{path}", json=body, timeout_s=timeout_s)
        try:
            return answer.status_code, answer.json() if answer.content else None
        except ValueError:
            return answer.status_code, answer.text[:200]

    return ask


def _through(api: KubernetesApi, where: str) -> Answered:
    def ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        calls: dict[str, Callable[[], Any]] = {
            "GET": lambda: api.get(f"{where}{path}"),
            "POST": lambda: api.create(f"{where}{path}", body or {}),
            "DELETE": lambda: api.delete(f"{where}{path}"),
        }
        try:
            return int(httpx.codes.OK), calls[method]()
        except ClusterRefused as refusal:
            if refusal.passing:
                raise TargetUnreachable(f"Toxiproxy: {refusal}") from refusal
            return refusal.status, str(refusal)

    return ask
