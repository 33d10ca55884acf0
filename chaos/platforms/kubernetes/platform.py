"""The target in a cluster: what faults may ask of it and do to it, with every word to the API server."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chaos.finding import Evidence, Finding, wait_until
from chaos.platforms.base import Delay, Means, Originals, Target, Throttle
from chaos.platforms.kubernetes.pods import Deletion, Pod, Pods, selects
from chaos.platforms.kubernetes.resize import (
    PING_INTERVAL_MS,
    PINGS,
    Resizing,
    held_back,
    is_held_back,
    objections,
    offers_resize,
    originals_of,
    restore,
    taken,
)
from chaos.platforms.kubernetes.services import find_service, why_not_served
from chaos.platforms.kubernetes.toxiproxy import ToxicDelay, Toxiproxy, delay_toxics, reach_toxiproxy
from journal.errors import (
    ClusterRefused,
    ClusterUnreachable,
    FaultRefused,
    GamedayError,
    HarnessDefect,
    TargetUnreachable,
)
from journal.profile import Cluster
from journal.records import to_json
from probes.container_cpu import ContainerPlace, cpu_use, throttled_periods
from probes.kubernetes_api import KubernetesApi
from probes.redis import Ping, PingSeries, measure_series, parse_address, why_unreachable
from probes.target_state import RedisEndpoint

KIND = "kubernetes"
ENVIRONMENT_LABEL = "aia-gameday/environment"
_FORCED_S = 0
_END_MARGIN_S = 5.0
_TAKEN_S, _LOOK_AGAIN_S = 10.0, 2.0
_LEAST_EFFECT_MS = 10.0


@dataclass(frozen=True, slots=True)
class Home:
    """Which cluster and namespace a record was made in: the API server's URL and the namespace's UID."""

    server: str
    namespace_uid: str


class KubernetesPlatform:
    """The pods of one namespace; `tag` names what faults leave in places that know no UIDs.

    With a `home`, from a record, it refuses to look for the target in any other cluster, where it would not be found
    and thus seem to have ended.
    """

    poll_s = 0.5
    settle_s = 3.0

    def __init__(
        self, cluster: Cluster, api: KubernetesApi, *, tag: str = "", home: Home | None = None, hurried: bool = False
    ) -> None:
        self._cluster, self._api, self._tag, self._home, self._hurried = cluster, api, tag, home, hurried
        self._all_pods = Pods(api, cluster.namespace)
        self._at_home = home is None or home.server == api.server

    def reference(self) -> dict[str, Any]:
        """See `Platform`."""
        home = self._home or Home(self._api.server, str(self._namespace()["uid"]))
        return {"kind": KIND, "cluster": to_json(self._cluster), "home": to_json(home)}

    def environment(self) -> str:
        """See `Platform`: what the namespace's label says."""
        return str((self._namespace().get("labels") or {}).get(ENVIRONMENT_LABEL, ""))

    def why_forbidden(self) -> str:
        """See `Platform`: the profile lists the namespaces that may be touched."""
        namespace, allowed = self._cluster.namespace, self._cluster.allowed_namespaces
        return "" if namespace in allowed else f"the namespace {namespace!r} is not among the allowed: {allowed}"

    def why_not_under_load(self, base_url: str) -> str:
        """See `Platform`: the load has to go to a Service of the namespace that leads to the pods of the API."""
        serving = self._all_pods.ready(self._cluster.api_selector)
        return why_not_served(self._api, self._cluster.namespace, base_url, serving)

    def exists(self) -> bool:
        """See `Platform`: the namespace is there."""
        self._check_home()
        try:
            return "deletionTimestamp" not in self._namespace()
        except ClusterRefused as error:
            if error.status == 404:
                return False
            raise

    def is_alive(self, target: Target) -> bool:
        """See `Platform`."""
        pod = self._pods.find(target.incarnation)
        return pod is not None and not pod.has_ended

    def is_ready(self, target: Target) -> bool:
        """See `Platform`."""
        pod = self._pods.find(target.incarnation)
        return pod is not None and pod.is_ready

    def ready_replicas(self) -> list[Target]:
        """See `Platform`: those that the kubelet calls ready and that nobody has asked to end."""
        return [pod.as_target() for pod in self._pods.ready(self._cluster.api_selector)]

    def store(self) -> Target:
        """See `Platform`."""
        return self._store_pod().as_target()

    def longest_end_s(self, targets: Sequence[Target], *, graceful: bool) -> float:
        """See `Platform`: the pod's own period of grace, and what the kubelet takes beside."""
        found = [pod for target in targets if (pod := self._pods.find(target.incarnation))] if graceful else []
        return _END_MARGIN_S + max((pod.grace_period_s for pod in found), default=0.0)

    def termination(self, targets: Sequence[Target], *, graceful: bool) -> Means:
        """See `Platform`: by deletion, with the pod's own period of grace or with none."""
        return Deletion(self._api, self._pods, targets, None if graceful else _FORCED_S)

    def throttling(self, store: Target, *, off_ms: float, on_ms: float) -> Throttle:  # noqa: ARG002  # the kernel's
        """See `Platform`: by an in-place resize to half of the CPU that Redis uses now."""
        if not offers_resize(self._api):
            raise FaultRefused("this cluster offers no pods/resize (Kubernetes 1.33 or newer does); use delay-redis")
        container = self._cluster.redis_container
        pod = self._pods.find(store.incarnation)
        if pod is None:
            raise FaultRefused(f"{store.label} has ended since it was chosen")
        found = objections(pod, container)
        if found:
            raise FaultRefused("; ".join(found))
        place = ContainerPlace(self._cluster.namespace, pod.name, container, pod.node, pod.node_address)
        use = cpu_use(self._once, place)
        originals = originals_of(pod, container, held_back(pod, container, use)) | {
            "place": to_json(place),
            "cpu_used_m": round(use.millicores, 1) if use else None,
            "cpu_source": use.source if use else "nobody says; the least limit was taken",
            "throttled_periods": self._throttled_periods(place)[0],
        }
        return Throttle(
            means=Resizing(self._api, self._pods, store, originals),
            originals=originals,
            least_effect_ms=_LEAST_EFFECT_MS,
            pings=PINGS,
            interval_ms=PING_INTERVAL_MS,
        )

    def await_throttle(self, target: Target, originals: Originals) -> Finding:
        """See `Platform`: the kubelet says so in the pod's status."""
        finding: Finding | None = None

        def settled() -> bool:
            nonlocal finding
            try:
                finding = taken(self._pods.find(target.incarnation), originals)
            except ClusterUnreachable as error:  # whether it is slow can be asked without the API server
                finding = Finding(True, {"resize": f"the pod's status cannot be read: {error}"})
            return finding is not None

        wait_until(settled, _TAKEN_S, poll_s=self.poll_s / 5)
        if finding is None:
            return Finding(False, {"resize": f"the pod's status does not show it within {_TAKEN_S:g} s"})
        before = {"cpu_limit_before": str(originals["resources"]["limits"]["cpu"])}
        used = {"cpu_used_m": originals["cpu_used_m"]} if originals["cpu_used_m"] is not None else {}
        return Finding(finding.holds, {**before, **finding.evidence, **used, "cpu_source": originals["cpu_source"]})

    def throttle_evidence(self, originals: Originals, until_ns: int) -> Evidence:
        """See `Platform`: the periods in which the kernel held the container back, once cAdvisor has counted them."""
        before, place = originals["throttled_periods"], ContainerPlace(**originals["place"])
        while True:
            now, said = self._throttled_periods(place)
            if now is not None and before is not None and now > before:
                return {"throttled_periods": now - before}
            if now is None or before is None or time.time_ns() + _LOOK_AGAIN_S * 1e9 >= until_ns:
                break
            time.sleep(_LOOK_AGAIN_S)
        return {"throttled_periods": said or "not counted yet: cAdvisor looks every 15 s"}

    def throttle_has_run_out(self, originals: Originals) -> bool:  # noqa: ARG002
        """See `Platform`: a limit stays until it is lifted."""
        return False

    def is_throttled(self, target: Target, originals: Originals) -> bool:
        """See `Platform`."""
        pod = self._pods.find(target.incarnation)
        return pod is not None and is_held_back(pod, originals)

    def end_throttling(self, target: Target, originals: Originals) -> None:
        """See `Platform`."""
        restore(self._api, self._pods, target, originals)

    def delaying(self, *, latency_ms: float, jitter_ms: float, rate_kb_per_s: float) -> Delay:
        """See `Platform`: by toxics on the proxy that the profile names."""
        settings, redis = self._cluster.toxiproxy, self._cluster.redis
        if not settings.url or not redis.through_proxy:
            raise FaultRefused("the profile names no Toxiproxy: toxiproxy.url and redis.through_proxy")
        pod = self._only_pod_behind(settings.url)
        proxy = reach_toxiproxy(self._api, settings.url, settings.proxy)
        present = proxy.toxics()
        if present is None:
            raise FaultRefused(f"Toxiproxy has no proxy {settings.proxy!r} that is switched on")
        if present:
            raise FaultRefused(f"the proxy {settings.proxy!r} has toxics already: {', '.join(present)}")
        toxics = delay_toxics(self._tag, latency_ms=latency_ms, jitter_ms=jitter_ms, rate_kb_per_s=rate_kb_per_s)
        endpoint = parse_address(redis.through_proxy, redis.password_env)
        originals = {**_kept(endpoint), "toxics": [toxic["name"] for toxic in toxics]}
        return Delay(target=pod.as_target(), means=ToxicDelay(proxy, toxics), originals=originals)

    def is_delayed(self, originals: Originals) -> bool:
        """See `Platform`."""
        present = self._toxiproxy().toxics()
        return bool(present) and not set(present or ()).isdisjoint(originals["toxics"])

    def end_delay(self, target: Target, originals: Originals) -> None:
        """See `Platform`: it asks the API server only when Toxiproxy does not answer, for that may be away too."""
        proxy = self._toxiproxy()
        try:
            for name in originals["toxics"]:
                proxy.remove(name)
        except TargetUnreachable:
            if self.is_alive(target):
                raise

    def why_no_pings(self, originals: Originals) -> str:
        """See `Platform`."""
        return why_unreachable(_endpoint(originals))

    def endpoint_of_store(self) -> dict[str, str | int]:
        """See `Platform`."""
        redis = self._cluster.redis
        return _kept(parse_address(redis.address, redis.password_env))

    def ping_store(self, originals: Originals, series: PingSeries) -> list[Ping]:
        """See `Platform`."""
        return measure_series(_endpoint(originals), series)

    @property
    def _pods(self) -> Pods:
        self._check_home()
        return self._all_pods

    def _namespace(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._api.get(f"/api/v1/namespaces/{self._cluster.namespace}")["metadata"]
        return found

    def _check_home(self) -> None:
        """Once is enough, and who is not allowed to look cannot be stopped by that from undoing a fault."""
        home = self._home
        if home is None or self._at_home:
            return
        try:
            uid = self._namespace()["uid"]
        except ClusterRefused as error:
            uid = None if error.status == 404 else home.namespace_uid
        if uid != home.namespace_uid:
            where = f"namespace {self._cluster.namespace!r} of the cluster at {home.server}"
            raise HarnessDefect(f"the fault is in the {where}, which is not the one at {self._api.server}")
        self._at_home = True

    def _store_pod(self) -> Pod:
        found = self._pods.ready(self._cluster.redis_selector)
        if not found:
            raise TargetUnreachable(f"no pod with {self._cluster.redis_selector} is ready")
        if len(found) > 1:
            raise FaultRefused(f"{len(found)} pods have {self._cluster.redis_selector}; which one is Redis?")
        return found[0]

    def _only_pod_behind(self, url: str) -> Pod:
        """Each pod of a Toxiproxy has toxics of its own, and nobody could tell which of several was asked."""
        service = find_service(self._api, self._cluster.namespace, url)
        if isinstance(service, str):
            raise FaultRefused(f"toxiproxy.url: {service}")
        selector = service["spec"].get("selector") or {}
        chosen = ",".join(f"{key}={value}" for key, value in selector.items())
        found = [pod for pod in self._pods.ready(chosen) if selects(selector, pod)]
        if len(found) != 1:
            raise FaultRefused(f"toxiproxy.url leads to {len(found)} ready pods instead of one")
        return found[0]

    def _toxiproxy(self) -> Toxiproxy:
        settings = self._cluster.toxiproxy
        return reach_toxiproxy(self._api, settings.url, settings.proxy, hurried=self._hurried)

    @cached_property
    def _once(self) -> KubernetesApi:
        """For what would be good to know, but must not be waited for."""
        return self._api.hurried(patience_s=0)

    def _throttled_periods(self, place: ContainerPlace) -> tuple[int | None, str]:
        """The kernel's count, and if there is none, why."""
        try:
            found = throttled_periods(self._once, place)
        except GamedayError as error:
            return None, f"cannot be read: {error}"
        return (found.count, "") if found else (None, "cAdvisor does not list the container")


def _kept(endpoint: RedisEndpoint) -> dict[str, str | int]:
    return {"host": endpoint.host, "port": endpoint.port, "password_env": endpoint.password_env}


def _endpoint(originals: Originals) -> RedisEndpoint:
    return RedisEndpoint(str(originals["host"]), int(originals["port"]), password_env=str(originals["password_env"]))
