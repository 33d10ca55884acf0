"""How the objects of a run are named and labelled; several runs share a namespace, and none touches another's."""

import re
from dataclasses import dataclass

from probes.kubernetes_api import Json

PART_OF, COMPONENT, RUN = "app.kubernetes.io/part-of", "app.kubernetes.io/component", "aia-gameday/run"
HARNESS = "aia-gameday"
ENVIRONMENT = "aia-gameday/environment"
# as the manifests are written; a run may have others
NAMESPACE, TARGET_NAMESPACE = "aia-gameday", "aia-system"
NAMED = "a namespace has up to 63 small letters, digits and hyphens"


@dataclass(frozen=True, slots=True)
class RunNames:
    """The names of one run's objects."""

    run_id: str
    namespace: str = NAMESPACE

    def of(self, base: str) -> str:
        """The name of an object that the manifests call `base`."""
        return f"{base}-{self.run_id}"

    @property
    def selector(self) -> str:
        """The label selector of all objects of the run."""
        return f"{RUN}={self.run_id}"

    def labels(self, component: str) -> dict[str, str]:
        """The labels of one more object."""
        return {PART_OF: HARNESS, COMPONENT: component, RUN: self.run_id}

    def path(self, plural: str, base: str = "", group: str = "api/v1") -> str:
        """The API's path of an object by its base name, or of the collection."""
        name = f"/{self.of(base)}" if base else ""
        return f"/{group}/namespaces/{self.namespace}/{plural}{name}"


def is_namespace(name: str) -> bool:
    """Whether a namespace can have this name, which becomes part of the API's paths."""
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) is not None


def is_of_run(found: Json, run_id: str) -> bool:
    """Whether an object carries the label of this run."""
    labels = found["metadata"].get("labels") or {}
    return bool(labels.get(RUN) == run_id)
