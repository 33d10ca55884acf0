"""Which pods an address leads to: a fault may only hit what the load really goes to."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from chaos.platforms.kubernetes.pods import Pod, selects
from journal.errors import ClusterRefused
from probes.kubernetes_api import Json, KubernetesApi


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A Service as a URL names it: NAME.NAMESPACE, with or without `.svc` and the cluster's domain behind."""

    name: str
    namespace: str
    port: int


def parse_service_address(url: str) -> ServiceAddress | None:
    """The Service that the URL names, or None when its host has another form. Raises ValueError for no URL."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").rstrip(".").split(".")
    if len(labels) < 2 or (len(labels) > 2 and labels[2] != "svc"):
        return None
    return ServiceAddress(labels[0], labels[1], parts.port or (443 if parts.scheme == "https" else 80))


def find_service(api: KubernetesApi, namespace: str, url: str) -> Json | str:
    """The Service of this namespace that the URL leads to, else why it leads to none."""
    host = urlsplit(url).hostname or ""
    if _is_address(host):
        return _by_address(api, namespace, host)
    address = parse_service_address(url)
    if address is None:
        return f"{host!r} is no name of a Service (NAME.{namespace}.svc.cluster.local)"
    if address.namespace != namespace:
        return f"{host!r} is a Service of the namespace {address.namespace!r}, the target's is {namespace!r}"
    try:
        return api.get(f"/api/v1/namespaces/{namespace}/services/{address.name}")
    except ClusterRefused as error:
        if error.status == 404:
            return f"there is no Service {address.name!r} in the namespace {namespace!r}"
        raise


def why_not_served(api: KubernetesApi, namespace: str, url: str, pods: list[Pod]) -> str:
    """Why requests to this URL would not reach these pods, all of them; empty when they would."""
    service = find_service(api, namespace, url)
    if isinstance(service, str):
        return f"the load goes to {url}: {service}"
    name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
    if not pods:
        return "no pod of the API serves"
    missed = [pod.name for pod in pods if not selects(selector, pod)]
    if missed:
        return f"the load goes to the Service {name}, which does not lead to {', '.join(missed)}"
    wanted = urlsplit(url).port or (443 if urlsplit(url).scheme == "https" else 80)
    ports = [port["port"] for port in service["spec"].get("ports") or []]
    return "" if wanted in ports else f"the load goes to port {wanted}, but the Service {name} has {ports}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _by_address(api: KubernetesApi, namespace: str, address: str) -> Json | str:
    for service in api.items(f"/api/v1/namespaces/{namespace}/services"):
        if address in (service["spec"].get("clusterIPs") or []):
            return service
    return f"{address} is the address of no Service of the namespace {namespace!r}"
