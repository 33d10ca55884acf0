"""What the tests of chaos take for an API server: it keeps objects, and loses as many answers as a test wants."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import Configuration

from probes.kubernetes_api import KubernetesApi
from tests.probes.api_server import Asked, HangUp, Reply

NAMESPACE = "/api/v1/namespaces/aia-system"
PODS, LEDGER = f"{NAMESPACE}/pods", "/api/v1/namespaces/aia-gameday/configmaps/ledger"


@dataclass
class Store:
    """What an API server keeps; it does what it is asked, but hangs up instead of answering so many changes."""

    objects: dict[str, dict[str, Any]]
    lost_answers: int = 0
    deaf_to: int = 0
    changes: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if asked.method == "GET":
            return self._found(path, parse_qs(urlsplit(asked.path).query).get("labelSelector", [""])[0])
        if self.deaf_to:
            self.deaf_to -= 1
            raise HangUp
        reply = self._changed(asked, path)
        if self.lost_answers:
            self.lost_answers -= 1
            raise HangUp
        return reply

    def _found(self, path: str, selector: str) -> Reply:
        if path in self.objects:
            return Reply(body=self.objects[path])
        if not path.endswith(("/pods", "/services")):
            return Reply(404)
        wanted = set(filter(None, selector.split(",")))
        within = [each for key, each in self.objects.items() if key.rpartition("/")[0] == path]
        return Reply(body={"items": [each for each in within if wanted <= set(_labels(each))]})

    def _changed(self, asked: Asked, path: str) -> Reply:
        self.changes.append(f"{asked.method} {path}")
        if asked.method == "POST":
            return Reply(409) if self.objects.setdefault(path, asked.json) != asked.json else self._posted(path, asked)
        found = self.objects.get(path.removesuffix("/resize"))
        if found is None:
            return Reply(404)
        if asked.method == "DELETE":
            if asked.json.get("preconditions", {}).get("uid") not in {None, found["metadata"]["uid"]}:
                return Reply(409)
            del self.objects[path]
            return Reply()
        return self._patched(found, asked.json)

    def _posted(self, path: str, asked: Asked) -> Reply:
        again = self.changes.count(f"POST {path}") > 1
        return Reply(409) if again else Reply(body=asked.json)

    @staticmethod
    def _patched(found: dict[str, Any], patch: dict[str, Any]) -> Reply:
        version = patch["metadata"].get("resourceVersion")
        if version not in {None, found["metadata"]["resourceVersion"]}:
            return Reply(409)
        before = deepcopy(found)
        for change in patch.get("spec", {}).get("containers", []):
            container = next(each for each in found["spec"]["containers"] if each["name"] == change["name"])
            for kind, quantities in change["resources"].items():
                container["resources"][kind] |= quantities
        data = (found.get("data") or {}) | patch.get("data", {})
        found["data"] = {key: text for key, text in data.items() if text is not None}
        found["metadata"].setdefault("annotations", {}).update(patch["metadata"].get("annotations", {}))
        if found != before:
            found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        return Reply(body=found)


def _labels(found: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in found["metadata"].get("labels", {}).items()]


def api_at(url: str) -> KubernetesApi:
    """The way to the server at this URL, for somebody with little time."""
    configuration = Configuration()
    configuration.host = url
    return KubernetesApi(configuration, patience_s=1.0)
