"""Turns an OpenAPI 3 document into a profile to start from: what reads runs, what writes waits for a weight."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gameday.openapi_samples import Document, sample
from journal.errors import CommandError, Problem
from probes.http_calls import call

MOST_BYTES = 32 * 1024 * 1024
MOST_OPERATIONS = 400
"""A profile may have 1 MiB; whoever has more operations chooses anyway."""

_READS, _WRITES = ("get", "head"), ("post", "put", "patch", "delete")
_FETCHED_WITHIN_S = 20.0
_OURS = {
    *("accept", "authorization", "connection", "content-length", "content-type", "expect", "host"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
}
_HEADER = """\
# Made from {source} by `gameday profile from-openapi`, to be edited.
# The journeys …-reads have the weight 1. Those called …-writes change data: look through them, then give them one.
# `variables` hold the values of path parameters: replace them by ones that exist, extract them, or use test data.
"""


@dataclass
class _Api:
    """What has been found so far."""

    document: Document
    name: str
    secrets: dict[str, str] = field(default_factory=dict)
    journeys: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_openapi(source: str) -> dict[str, Any]:
    """The document at a URL or in a file.

    Raises:
        CommandError: it cannot be read, or is no OpenAPI 3.
        TargetUnreachable: nobody answers at the URL.
    """
    raw = _fetched(source) if source.startswith(("http://", "https://")) else _in_file(source)
    if len(raw) > MOST_BYTES:
        raise CommandError([Problem(source, f"is larger than {MOST_BYTES >> 20} MiB")])
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise CommandError([Problem(source, "is no JSON", "give the JSON form of the document")]) from None
    if isinstance(document, dict) and "swagger" in document:
        raise CommandError([Problem(source, "is Swagger 2", "convert it to OpenAPI 3 first")])
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise CommandError([Problem(source, "is no OpenAPI 3 document", 'it begins with {"openapi": "3.…"')])
    return document


def _fetched(url: str) -> bytes:
    answer = call("GET", url, timeout_s=_FETCHED_WITHIN_S)
    if not answer.is_success:
        raise CommandError([Problem(url, f"answered {answer.status_code}", "name the address of the document itself")])
    return answer.content


def _in_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # the latter: a path with a null byte
        raise CommandError([Problem(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")]) from error


def profile_text(data: dict[str, Any], source: str, base_url: str | None = None) -> str:
    """The profile as YAML.

    Raises:
        CommandError: the document has no operation that could be called, or the address is none.
    """
    title = str(_mapping(data.get("info")).get("title") or "api")
    api = _Api(Document(data), _word(title.lower()) or "api")
    operations = list(_operations(api.document))
    for path, method, operation, common in operations[:MOST_OPERATIONS]:
        _add(api, path, method, operation, common)
    if not api.journeys:
        raise CommandError([Problem(source, "has no operation that could be called")])
    url = _base_url(data, source) if base_url is None else _checked(base_url)
    profile: dict[str, Any] = {"name": api.name, "base_url": url, "allowed_hosts": [urlsplit(url).hostname or ""]}
    profile |= {"platform": {"kind": "none"}, "ready_path": ""}
    profile |= {"secrets": api.secrets} if api.secrets else {}
    ordered = sorted(api.journeys.items(), key=lambda item: item[1]["weight"] == 0)
    profile["journeys"] = {name: {key: told for key, told in parts.items() if told != {}} for name, parts in ordered}
    left_out = len(operations) - MOST_OPERATIONS
    note = f"# {left_out} operations were left out; the first {MOST_OPERATIONS} are here.\n" if left_out > 0 else ""
    text: str = yaml.safe_dump(profile, sort_keys=False, width=110, allow_unicode=True)
    shown = urlsplit(source)  # a query or a user may hold a secret
    shown = shown._replace(query="", netloc=shown.netloc.rpartition("@")[2])
    return _HEADER.format(source=shown.geturl()) + note + text


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # the port is no number
        usable = False
    if not usable:  # not quoted: it may hold a password
        raise CommandError(
            [Problem("--base-url", "is no address of an API", "write for example http://127.0.0.1:8000")]
        )
    return base_url.rstrip("/")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(text: str) -> str:
    """The text as a name of templates and journeys."""
    return re.sub(r"^[^a-zA-Z]+", "", re.sub(r"[^a-zA-Z0-9_-]+", "-", text)).strip("-")[:32]


def _base_url(data: Mapping[str, Any], source: str) -> str:
    """The first server, relative ones seen from where the document was found; a path in it is part of the base URL."""
    servers = [str(_mapping(server).get("url", "")) for server in _listed(data.get("servers"))]
    absolute = next((url for url in servers if re.fullmatch(r"https?://[^{}\s]+", url)), "")
    if absolute:
        return absolute.rstrip("/")
    origin = urlsplit(source)
    found = origin.scheme in {"http", "https"}
    return f"{origin.scheme}://{origin.netloc.rpartition('@')[2]}" if found else "http://127.0.0.1:8000"


def _operations(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any], list[Any]]]:
    for path, found in _mapping(document.data.get("paths")).items():
        item = _mapping(document.resolved(found))
        fixed = re.sub(r"{[^{}]*}", "", str(path))
        if not str(path).startswith("/") or not str(path).isascii() or re.search(r"[{}\s?#$]", fixed):
            continue
        for method in (*_READS, *_WRITES):
            if isinstance(item.get(method), Mapping):
                yield str(path), method, item[method], _listed(item.get("parameters"))


def _add(api: _Api, path: str, method: str, operation: Mapping[str, Any], common: list[Any]) -> None:
    tag = _word(str(next(iter(_listed(operation.get("tags"))), "")).lower()) or "api"
    reads = method in _READS
    name = f"{tag}-reads" if reads else f"{tag}-writes"
    journey = api.journeys.setdefault(name, {"weight": int(reads), "variables": {}, "steps": []})
    step: dict[str, Any] = {"method": method.upper(), "path": path}
    parameters = [_mapping(api.document.resolved(found)) for found in (*common, *_listed(operation.get("parameters")))]
    by_place = {(str(found.get("in")), str(found.get("name"))): found for found in parameters}
    _fill_path(api.document, journey, step, by_place)
    for (place, parameter), found in by_place.items():
        if found.get("required") and place in {"query", "header"} and not _is_ours(place, parameter):
            value = sample(api.document, found)
            step.setdefault("query" if place == "query" else "headers", {})[parameter] = _text(value)
    _secure(api, operation, step)
    _body(api.document, operation, step)
    successes = [int(code) for code in _mapping(operation.get("responses")) if re.fullmatch(r"2\d\d", str(code))]
    if successes:
        step["expect"] = {"status": sorted(successes)}
    journey["steps"].append(step)


def _is_ours(place: str, parameter: str) -> bool:
    """Whether a header is the client's own, or of a security scheme, or has no name that could be sent."""
    return place == "header" and (parameter.lower() in _OURS or not re.fullmatch(r"[A-Za-z0-9_-]+", parameter))


def _fill_path(
    document: Document,
    journey: dict[str, Any],
    step: dict[str, Any],
    by_place: Mapping[tuple[str, str], Mapping[str, Any]],
) -> None:
    """Each parameter becomes a variable of the journey; of two with one name the first value holds."""

    def named(match: re.Match[str]) -> str:
        name = _word(match[1]) or "value"
        found = by_place.get(("path", match[1]), {})
        journey["variables"].setdefault(name, _constant(sample(document, found) if found else "1"))
        return f"${{{name}}}"

    step["path"] = re.sub(r"{([^{}]*)}", named, step["path"])


def _constant(value: Any) -> Any:
    """Constants are not filled, so they may not look as if they were."""
    return value.replace("${", "$ {") if isinstance(value, str) else value


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\r\n\0]", " ", text)


def _secure(api: _Api, operation: Mapping[str, Any], step: dict[str, Any]) -> None:
    """Adds what the first way to sign in that the operation accepts wants; the value comes from the environment."""
    wanted = operation.get("security", api.document.data.get("security"))
    first = _mapping(next(iter(_listed(wanted)), {}))
    schemes = _mapping(_mapping(api.document.data.get("components")).get("securitySchemes"))
    for name in first:
        scheme = _mapping(api.document.resolved(schemes.get(name)))
        word = re.sub(r"\W", "_", _word(str(name))) or "key"
        value = f"${{secrets.{word}}}"
        where, key = str(scheme.get("in")), str(scheme.get("name", ""))
        if scheme.get("type") != "apiKey":
            basic = str(scheme.get("scheme", "")).lower() == "basic"
            step.setdefault("headers", {})["Authorization"] = f"{'Basic' if basic else 'Bearer'} {value}"
        elif where == "query":
            step.setdefault("query", {})[key] = value
        elif where == "cookie":
            step.setdefault("headers", {})["Cookie"] = f"{key}={value}"
        elif not _is_ours("header", key) or key.lower() == "authorization":
            step.setdefault("headers", {})[key] = value
        else:
            continue
        api.secrets[f"{word}_env"] = re.sub(r"\W", "_", f"{api.name}_{word}").upper()


def _body(document: Document, operation: Mapping[str, Any], step: dict[str, Any]) -> None:
    content = _mapping(_mapping(document.resolved(operation.get("requestBody"))).get("content"))
    for media, found in content.items():
        value = sample(document, _mapping(found))
        if "json" in media:
            step["json"] = {} if value is None else value
            return
        if media == "application/x-www-form-urlencoded" and isinstance(value, dict):
            step["form"] = {key: item if isinstance(item, int | float) else _text(item) for key, item in value.items()}
            return


def write_profile(text: str, path: Path) -> None:
    """Writes the profile into a file that is not there yet.

    Raises:
        CommandError: it exists, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError([Problem(str(path), "exists already", "move it away, or name another file")]) from None
    except OSError as error:
        raise CommandError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error
