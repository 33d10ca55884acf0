"""JSON schemas for kubeconform, made of what an API server publishes, as the public collections are."""

import json
from pathlib import Path
from typing import Any

from tests.cluster.support import Kubectl

_DEFINITIONS = "_definitions.json"
# the OpenAPI of the server calls both of these a string
_NUMBERS_TOO = ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity")


def write_schemas(kubectl: Kubectl, folder: Path) -> str:
    """Writes a schema for each kind that the server knows; returns kubeconform's name for all of them."""
    definitions = json.loads(kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    for name, definition in definitions.items():
        _tighten(name, definition)
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].split(".")[0]
            file = "-".join(filter(None, (kind["kind"].lower(), group, kind["version"]))) + ".json"
            schema = {"$ref": f"{_DEFINITIONS}#/definitions/{name}"}
            (folder / file).write_text(json.dumps(schema), encoding="utf-8")
    (folder / _DEFINITIONS).write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
    return f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


def _tighten(name: str, definition: dict[str, Any]) -> None:
    """Lets a schema refuse fields that it does not know."""
    if name in _NUMBERS_TOO:
        definition["type"] = ["string", "number"]
        definition.pop("format", None)
    if "properties" in definition:
        definition["additionalProperties"] = False
