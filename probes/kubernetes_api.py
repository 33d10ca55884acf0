"""The way to a cluster's API server: plain JSON, a time-out on every request, retries where they help, errors of ours."""

import json
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from journal.errors import ClusterRefused, ClusterUnreachable, CommandError, Problem

CONNECT_S, READ_S = 3.0, 5.0
PATIENCE_S = 10.0
_FIRST_PAUSE_S, _PAUSE_GROWTH, _LONGEST_PAUSE_S = 0.1, 2.0, 2.0
_PAGE = 500

Json = dict[str, Any]


class Patch(StrEnum):
    """The kinds of patch that an API server takes, by their content types."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"


class KubernetesApi:
    """One cluster. Paths are those of its REST API (`/api/v1/namespaces/…`); safe to use from several threads.

    Every call raises ClusterRefused for an answer that is a no, with its status, and ClusterUnreachable when there was
    no answer for `patience_s`. 429, 5xx and broken connections are tried again until then, with growing pauses. So a
    change may have been made although its first answer was lost: create then says 409, delete 404.
    """

    def __init__(self, configuration: Configuration, *, patience_s: float = PATIENCE_S, read_s: float = READ_S) -> None:
        self._client = ApiClient(configuration)
        self._configuration = configuration
        self._patience_s = patience_s
        self._timeout = urllib3.Timeout(connect=min(CONNECT_S, read_s), read=read_s)

    @classmethod
    def connect(cls, *, context: str | None = None, patience_s: float = PATIENCE_S) -> "KubernetesApi":
        """The cluster around this pod, else the one of the kubeconfig. Raises CommandError when there is neither."""
        configuration = Configuration()
        try:
            load_incluster_config(configuration)
        except ConfigException:
            _load_kubeconfig(configuration, context)
        return cls(configuration, patience_s=patience_s)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._configuration.host)

    def hurried(self, *, patience_s: float, read_s: float = READ_S) -> "KubernetesApi":
        """The same cluster for somebody with less time; with a patience of 0 everything is tried only once."""
        return KubernetesApi(self._configuration, patience_s=patience_s, read_s=read_s)

    def get(self, path: str, **query: str | int) -> Json:
        """One object."""
        found: Json = json.loads(self._call("GET", path, query))
        return found

    def text(self, path: str, **query: str | int) -> str:
        """An answer that is no JSON, such as metrics or logs."""
        return self._call("GET", path, query).decode(errors="replace")

    def items(self, path: str, **query: str | int) -> Iterator[Json]:
        """The objects of a list, page by page; `labelSelector` and `fieldSelector` choose."""
        following = ""
        while True:
            more = {"continue": following} if following else {}
            page = self.get(path, limit=_PAGE, **query, **more)
            yield from page.get("items") or []
            following = (page.get("metadata") or {}).get("continue") or ""
            if not following:
                return

    def create(self, path: str, body: Mapping[str, Any], **query: str | int) -> Json:
        """Makes an object in the collection at `path`."""
        made: Json = json.loads(self._call("POST", path, query, body, "application/json"))
        return made

    def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """Puts an object in the place of another; 409 when `body` holds an outdated resourceVersion."""
        made: Json = json.loads(self._call("PUT", path, {}, body, "application/json"))
        return made

    def patch(self, path: str, body: Any, kind: Patch = Patch.MERGE, **query: str | int) -> Json:
        """Changes parts of an object."""
        changed: Json = json.loads(self._call("PATCH", path, query, body, kind.value))
        return changed

    def delete(self, path: str, *, uid: str | None = None, grace_period_s: int | None = None) -> None:
        """Removes an object, with `uid` only this very one: 409 when another has its name by now."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        self._call("DELETE", path, {}, options, "application/json")

    def _call(
        self, method: str, path: str, query: Mapping[str, str | int], body: Any = None, content_type: str = ""
    ) -> bytes:
        ends_s, pause_s = time.monotonic() + self._patience_s, _FIRST_PAUSE_S
        while True:
            try:
                return self._try(method, path, query, body, content_type)
            except (ClusterUnreachable, ClusterRefused) as error:
                if isinstance(error, ClusterRefused) and not error.passing:
                    raise
                if time.monotonic() + pause_s >= ends_s:
                    raise
            time.sleep(pause_s)
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)

    def _try(self, method: str, path: str, query: Mapping[str, str | int], body: Any, content_type: str) -> bytes:
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=self._headers(content_type),
                timeout=self._timeout,
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnreachable(f"the cluster's API server: {method} {path}: {_reason(error)}") from error
        if answer.status >= 300:
            raise ClusterRefused(answer.status, f"{method} {path}: {_message(answer.status, answer.data)}")
        data: bytes = answer.data
        return data

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": "application/json, */*", "User-Agent": "aia-gameday"}
        if content_type:
            headers["Content-Type"] = content_type
        # reading the settings renews a token that is about to expire
        for setting in self._configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers


def _load_kubeconfig(configuration: Configuration, context: str | None) -> None:
    try:
        load_kube_config(context=context, client_configuration=configuration)
    except (ConfigException, OSError, ValueError, TypeError) as error:  # a damaged file fails in all of these ways
        remedy = "set KUBECONFIG to a kubeconfig file, or name another --context"
        raise CommandError([Problem("kubeconfig", f"cannot be used: {error}", remedy)]) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _message(status: int, data: bytes) -> str:
    try:
        said = json.loads(data)
    except ValueError:
        said = None
    message = said.get("message") if isinstance(said, dict) else None
    return f"{status} {message or data[:200].decode(errors='replace')}"
