"""The way to a cluster's API server: plain JSON, a time-out on every request, retries that help, errors of ours."""

import copy
import json
import math
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException

from journal.errors import ClusterRefused, ClusterUnreachable
from probes.kubeconfig import cluster_configuration

CONNECT_S, READ_S = 3.0, 5.0
PATIENCE_S = 10.0
_FIRST_PAUSE_S, _PAUSE_GROWTH, _LONGEST_PAUSE_S = 0.1, 2.0, 2.0
_SHORTEST_TRY_S = 0.05
_PAGE = 500
_BLOCK = 1 << 16

Json = dict[str, Any]


class Patch(StrEnum):
    """The kinds of patch that an API server takes, by their content types."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        return self.path + (f"?{urlencode(self.query)}" if self.query else "")


class KubernetesApi:
    """One cluster. Paths are those of its REST API (`/api/v1/namespaces/…`); safe to use from several threads.

    Every call raises ClusterRefused for an answer that is a no, with its status, and ClusterUnreachable when there was
    no answer for `patience_s`. 429, 5xx and broken connections are tried again until then, with growing pauses or
    after the server's own `Retry-After`. So a change may have been made although its first answer was lost: create
    then says 409, delete 404. With a patience of 0 everything is tried only once. One try takes at most `connect_s`
    to connect, `read_s` until it is answered and as long again for the whole answer, and no longer than the patience.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        patience_s: float = PATIENCE_S,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        name: str = "the cluster's API server",
    ) -> None:
        self._client = ApiClient(configuration)
        self._configuration = configuration
        self._host = str(configuration.host).rstrip("/")  # a renewal of the token sets the configuration's host anew
        self._times = {"connect_s": connect_s, "read_s": read_s}
        self._name = name
        self.patience_s = patience_s

    @classmethod
    def connect(cls, *, context: str | None = None, **times: float) -> "KubernetesApi":
        """The cluster around this pod, else the one of the kubeconfig; `times` as above.

        Raises:
            CommandError: there is neither, or the kubeconfig cannot be used.
        """
        return cls(cluster_configuration(context), **times)  # type: ignore[arg-type]  # times are no names

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._host

    def hurried(self, *, patience_s: float, read_s: float = READ_S) -> "KubernetesApi":
        """The same cluster over the same connections, for somebody with less time."""
        quick = copy.copy(self)
        quick.patience_s = patience_s
        quick._times = {"connect_s": min(self._times["connect_s"], read_s), "read_s": read_s}  # noqa: SLF001  # a copy
        return quick

    def beside(self, host: str) -> "KubernetesApi":
        """Another server of the same cluster, such as a kubelet at `https://address:10250`: same proof, same CA."""
        configuration = copy.copy(self._configuration)
        configuration.host, configuration.tls_server_name = host, None
        return KubernetesApi(configuration, patience_s=self.patience_s, name=host, **self._times)

    def get(self, path: str, **query: str | int) -> Json:
        """One object."""
        return self._json(_Request("GET", path, query))

    def text(self, path: str, **query: str | int) -> str:
        """An answer that is no JSON, such as metrics or logs."""
        return self._call(_Request("GET", path, query)).decode(errors="replace")

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
        return self._json(_Request("POST", path, query, body))

    def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """Puts an object in the place of another; 409 when `body` holds an outdated resourceVersion."""
        return self._json(_Request("PUT", path, {}, body))

    def patch(self, path: str, body: Any, kind: Patch = Patch.MERGE, **query: str | int) -> Json:
        """Changes parts of an object."""
        return self._json(_Request("PATCH", path, query, body, kind.value))

    def delete(self, path: str, *, uid: str | None = None, grace_period_s: int | None = None) -> None:
        """Removes an object, with `uid` only this very one: 409 when another has its name by now."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        self._call(_Request("DELETE", path, {}, options))

    def _json(self, request: _Request) -> Json:
        data = self._call(request)
        try:
            found = json.loads(data)
        except ValueError as error:
            raise ClusterUnreachable(f"{self._name}: {request}: the answer is no JSON") from error
        if not isinstance(found, dict):
            raise ClusterUnreachable(f"{self._name}: {request}: the answer is no object")
        return found

    def _call(self, request: _Request) -> bytes:
        ends_s, pause_s = time.monotonic() + self.patience_s, _FIRST_PAUSE_S
        while True:
            wait_s = pause_s
            try:
                left_s = max(_SHORTEST_TRY_S, ends_s - time.monotonic()) if self.patience_s else math.inf
                return self._try(request, left_s)
            except ClusterRefused as error:
                wait_s = max(wait_s, error.retry_after_s)
                if not error.passing or time.monotonic() + wait_s >= ends_s:
                    raise
            except ClusterUnreachable as error:
                if _never_passes(error) or time.monotonic() + wait_s >= ends_s:
                    raise
            time.sleep(wait_s)
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)

    def _try(self, request: _Request, left_s: float) -> bytes:
        connect_s, read_s = (min(time_s, left_s) for time_s in self._times.values())
        try:
            answer = self._client.rest_client.pool_manager.request(
                request.method,
                self._host + request.target,
                body=None if request.body is None else json.dumps(request.body).encode(),
                headers=self._headers(request),
                timeout=urllib3.Timeout(connect=connect_s, read=read_s),
                retries=False,
                preload_content=False,
            )
            data = _whole(answer, time.monotonic() + read_s)
        except (urllib3.exceptions.HTTPError, OSError, ConfigException) as error:
            raise ClusterUnreachable(f"{self._name}: {request}: {_reason(error)}") from error
        except ValueError:  # of a header with a line break, whose text would quote the token
            raise ClusterUnreachable(f"{self._name}: {request}: the credentials cannot be sent") from None
        if answer.status >= 300:
            message = f"{request}: {_message(answer.status, data)}"
            raise ClusterRefused(answer.status, message, _seconds(answer.headers.get("Retry-After")))
        return data

    def _headers(self, request: _Request) -> dict[str, str]:
        headers = {"Accept": "application/json, */*", "User-Agent": "aia-gameday"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        # reading the settings renews a token that is about to expire
        settings: Any = self._configuration.auth_settings()
        for setting in settings.values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers


def _whole(answer: urllib3.BaseHTTPResponse, ends_s: float) -> bytes:
    """The whole body; a server that drips it must not hold us any longer than a silent one."""
    blocks = []
    while block := answer.read1(_BLOCK):
        blocks.append(block)
        if time.monotonic() > ends_s:
            answer.close()
            raise TimeoutError("the answer did not end in time")
    answer.release_conn()
    return b"".join(blocks)


def _never_passes(error: ClusterUnreachable) -> bool:
    """Whether trying again is in vain: a certificate that is not the cluster's stays so."""
    cause: object = error.__cause__
    while isinstance(cause, BaseException) and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = next((each for each in (cause.__cause__, *cause.args) if isinstance(each, BaseException)), None)
    return cause is not None


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _message(status: int, data: bytes) -> str:
    try:
        said = json.loads(data)
    except ValueError:
        said = None
    message = said.get("message") if isinstance(said, dict) else None
    return f"{status} {message or data[:200].decode(errors='replace')}"
