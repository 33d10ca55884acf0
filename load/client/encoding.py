"""Requests as bytes: heads, bodies, addresses. What does not change from request to request is encoded once."""

import json as json_module
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from urllib3.filepost import encode_multipart_formdata

from load.client.connection import Connection
from load.client.decoding import ACCEPTED
from load.client.origin import Origin

USER_AGENT = "aia-gameday"
_AS_THEY_ARE = "!#$%&'()*+,/:;=?@[]~"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_LINE_BREAKS = frozenset("\r\n\0")
FORM = "application/x-www-form-urlencoded"


def basic_auth(user: str | bytes, password: str | bytes) -> str:
    """The value of the Authorization header for a name and a password."""
    raw = b":".join(part.encode("latin-1") if isinstance(part, str) else part for part in (user, password))
    return "Basic " + b64encode(raw).decode("ascii")


def header_lines(headers: Mapping[str, Any]) -> bytes:
    """Header fields as bytes; what is beyond Latin-1 goes as UTF-8.

    Raises:
        ValueError: a name or a value has a line break, and would be more than one header.
    """
    lines = []
    for name, value in headers.items():
        line = f"{name}: {value}"
        if not _LINE_BREAKS.isdisjoint(line):
            raise ValueError(f"header {name!r:.60} has a line break")
        lines.append(line.encode())
    return b"".join(line + b"\r\n" for line in lines)


def _merged(headers: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, where those of `over` take the place of others of the same name in any case."""
    names = {name.lower() for name in over}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **over}


def body_of(data: Any, json: Any, files: Any) -> tuple[bytes, str]:
    """A body and its content type, "" where there is none of its own: files beside form fields, a form, JSON, bytes."""
    if files:
        fields = [*_pairs(data or {}), *((name, _file(name, given)) for name, given in _pairs(files))]
        body, content_type = encode_multipart_formdata(fields)
        return body, content_type
    if data:
        return _plain_body(data)
    if json is not None:
        return json_module.dumps(json).encode(), "application/json"
    return b"", ""


def _plain_body(data: Any) -> tuple[bytes, str]:
    if isinstance(data, str):
        return data.encode(), ""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), ""
    if hasattr(data, "read"):
        read = data.read()
        return (read.encode() if isinstance(read, str) else bytes(read)), ""
    return urlencode(list(_pairs(data)), doseq=True).encode(), FORM


def _pairs(given: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    return given.items() if isinstance(given, Mapping) else given


def _file(name: str, given: Any) -> tuple[Any, ...]:
    """(file name, content[, type]) of what requests takes as a file: such a tuple, an open file, or its content."""
    file_name, content, *content_type = given if isinstance(given, tuple) else (getattr(given, "name", name), given)
    if hasattr(content, "read"):
        content = content.read()
    return (str(file_name).rpartition("/")[2], content, *content_type[:1])


class Place:
    """An origin as one user knows it, with the connections to it that are idle."""

    __slots__ = ("idle", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.idle: list[Connection] = []


class Prepared:
    """A request that can be sent: where to, and its bytes around the cookies."""

    __slots__ = ("body", "cookies", "head", "method", "place", "url", "whole", "without_body")

    def __init__(self, method: str, url: str, place: Place, *, path: str, lines: bytes, body: bytes) -> None:
        self.method = method
        self.url = url
        self.place = place
        origin = place.origin
        length = b"Content-Length: %d\r\n" % len(body) if body or method in _WITH_BODY else b""
        self.head = f"{method} {path} HTTP/1.1\r\nHost: {origin.authority}\r\n".encode("ascii") + lines + length
        self.body = body
        self.whole = self.head + b"\r\n" + body
        self.cookies = 0  # the version of the cookies that are in it
        self.without_body = method == "HEAD"


class Encoder:
    """Makes requests of what a user says, with the headers that all of them have.

    They go to the host of the base URL, and to `hosts`; to anywhere at all if there are none.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        verify_tls: bool,
        ca_file: str,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._base_url = base_url
        self._hosts = hosts and hosts | {urlsplit(base_url).hostname or ""}
        self._verify_tls, self._ca_file = verify_tls, ca_file
        ours = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": ACCEPTED}
        self._default = _merged(ours, headers)
        self._default_lines = header_lines(self._default)
        self.places: dict[tuple[str, str], Place] = {}

    def url_of(self, url: str) -> str:
        """The whole URL of a path, or of a URL that is whole already."""
        return url if url[:7].lower() == "http://" or url[:8].lower() == "https://" else self._base_url + url

    def prepare(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str | bytes, str | bytes] | None = None,
    ) -> Prepared:
        """One request.

        Raises:
            ValueError: the URL or a header cannot be sent.
        """
        whole = self.url_of(url)
        parts = urlsplit(whole)
        path = quote(parts.path or "/", safe=_AS_THEY_ARE)
        query = parts.query
        if params:
            added = params if isinstance(params, str) else urlencode(list(_pairs(params)), doseq=True)
            query = f"{query}&{added}" if query else added
        if query:
            path += "?" + quote(query, safe=_AS_THEY_ARE)
        body, content_type = body_of(data, json, files)
        own = dict(headers or {})
        if auth:
            own["Authorization"] = basic_auth(*auth)
        lines = self._lines(own, content_type, json_accepted=json is not None and not data)
        return Prepared(
            method, whole, self._place(parts.scheme, parts.netloc, whole), path=path, lines=lines, body=body
        )

    def redirected(self, old: Prepared, method: str, url: str, *, keep_body: bool) -> Prepared:
        """The request that a redirect asks for; another origin gets neither the credentials nor, unless kept, a body.

        Raises:
            ValueError: the URL cannot be sent to.
        """
        whole = urljoin(old.url, url)
        parts = urlsplit(whole)
        place = self._place(parts.scheme, parts.netloc, whole)
        path = quote(parts.path or "/", safe=_AS_THEY_ARE)
        if parts.query:
            path += "?" + quote(parts.query, safe=_AS_THEY_ARE)
        dropped = {b"host", b"content-length"}
        if not keep_body:
            dropped.add(b"content-type")
        if place is not old.place:
            dropped |= {b"authorization", b"cookie"}
        kept = [line for line in old.head.split(b"\r\n")[1:] if line and line.partition(b":")[0].lower() not in dropped]
        lines = b"".join(line + b"\r\n" for line in kept)
        body = old.body if keep_body else b""
        return Prepared(method, whole, place, path=path, lines=lines, body=body)

    def _lines(self, own: dict[str, str], content_type: str, *, json_accepted: bool) -> bytes:
        if not own and not content_type:
            return self._default_lines
        ours = dict(self._default)
        if json_accepted:
            ours["Accept"] = "application/json"
        if content_type:
            ours["Content-Type"] = content_type
        return header_lines(_merged(ours, own))

    def _place(self, scheme: str, netloc: str, url: str) -> Place:
        place = self.places.get((scheme, netloc))
        if place is None:
            if scheme not in {"http", "https"} or not netloc:
                raise ValueError(f"{url!r:.200} is no URL of a web server")
            origin = Origin.of(f"{scheme}://{netloc}", verify_tls=self._verify_tls, ca_file=self._ca_file)
            if self._hosts and origin.host not in self._hosts:
                raise ValueError(f"{origin.host!r:.100} may not be loaded: it is not among the allowed hosts")
            place = self.places[scheme, netloc] = Place(origin)
        return place
