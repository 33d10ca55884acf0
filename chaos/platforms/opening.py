"""Opens a platform: by the profile for a new fault, by what the ledger keeps of it for one that is in force."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chaos.platforms.base import Platform
from chaos.platforms.kubernetes.platform import KIND as KUBERNETES
from chaos.platforms.kubernetes.platform import Home, KubernetesPlatform
from chaos.platforms.local import KIND as LOCAL
from chaos.platforms.local import LocalPlatform
from journal.errors import FaultRefused, HarnessDefect
from journal.profile import Cluster
from journal.profile import Platform as PlatformProfile
from journal.records import from_json
from probes.kubernetes_api import KubernetesApi

_HURRIED_READ_S = 2.0


def platform_of(profile: PlatformProfile, state_file: Path | None, tag: str) -> Platform:
    """The platform of a profile; faults leave the tag where there are no UIDs.

    Raises:
        FaultRefused: the profile names none.
        CommandError: there is no way to the cluster.
    """
    if profile.kind == KUBERNETES:
        return KubernetesPlatform(profile.cluster, _cluster_api(hurried=False), tag=tag)
    if profile.kind == LOCAL and state_file is not None:
        return LocalPlatform(state_file)
    raise FaultRefused(f"the profile's platform is {profile.kind!r}, on which no fault can be injected")


def open_platform(reference: Mapping[str, Any], *, hurried: bool = False) -> Platform:
    """The platform that gave this reference; `hurried` if a request that fails is better given up than repeated.

    Raises:
        HarnessDefect: it is of a kind that this version does not know.
        CommandError: there is no way to the cluster.
    """
    kind = reference.get("kind")
    if kind == LOCAL and "state_file" in reference:
        return LocalPlatform(Path(reference["state_file"]))
    if kind == KUBERNETES and {"cluster", "home"} <= reference.keys():
        cluster = from_json(Cluster, reference["cluster"], "platform.cluster")
        home = from_json(Home, reference["home"], "platform.home")
        return KubernetesPlatform(cluster, _cluster_api(hurried=hurried), home=home, hurried=hurried)
    raise HarnessDefect(f"this version knows no platform of the kind {kind!r}")


@cache
def _cluster_api(*, hurried: bool) -> KubernetesApi:
    """One for all faults of this process, with its open connections."""
    api = KubernetesApi.connect()
    return api.hurried(patience_s=0, read_s=_HURRIED_READ_S) if hurried else api
