"""A profile made of an OpenAPI document is one that can be checked and run; what is none is refused with a reason."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gameday.cli import gameday
from gameday.forecast import describe_journeys
from gameday.openapi import profile_text, read_openapi
from gameday.openapi_samples import Document, sample_of
from gameday.preflight import check_plan, check_profile
from gameday.sources import load_plan, load_profile
from journal.errors import BadInput, CommandError
from journal.profile import with_planned_mix
from tests.load.conftest import target

__all__ = ["target"]  # a fixture

NODE = {
    "type": "object",
    "required": ["id", "next"],
    "properties": {"id": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}},
}
SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "The Shop!"},
    "servers": [{"url": "https://shop.example/v1/"}],
    "security": [{"key": []}],
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "login": {"type": "http", "scheme": "bearer"},
        },
        "schemas": {"Node": NODE, "Loop": {"$ref": "#/components/schemas/Loop"}},
        "parameters": {
            "Id": {
                "in": "path",
                "name": "item-id",
                "required": True,
                "schema": {"type": "string", "enum": ["i-1", "i-2"]},
            }
        },
    },
    "paths": {
        "/items/{item-id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "tags": ["Items"],
                "parameters": [
                    {"in": "query", "name": "page", "required": True, "schema": {"type": "integer", "minimum": 3}},
                    {"in": "query", "name": "optional", "schema": {"type": "string"}},
                ],
                "responses": {"200": {}, "404": {}},
            },
            "delete": {"tags": ["Items"], "security": [{"login": []}], "responses": {"204": {}}},
        },
        "/nodes": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}},
                "responses": {"201": {}},
            },
            "put": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Loop"}}}}
            },
        },
        "/health": {"get": {"security": [], "responses": {"200": {}}}},
    },
}


def made(document: dict[str, Any], source: str = "shop.json") -> dict[str, Any]:
    return dict(yaml.safe_load(profile_text(document, source)))


def checked(text: str, folder: Path) -> None:
    """What `gameday check smoke --profile` does with it."""
    (folder / "made.yaml").write_text(text)
    profile = load_profile(str(folder / "made.yaml"))
    check_profile(profile)
    check_plan(with_planned_mix(load_plan("smoke"), profile), profile, describe_journeys(profile))


def test_what_reads_runs_and_what_writes_waits_for_a_weight(tmp_path: Path) -> None:
    profile = made(SHOP)
    assert {name: journey["weight"] for name, journey in profile["journeys"].items()} == {
        "items-reads": 1,
        "api-reads": 1,
        "items-writes": 0,
        "api-writes": 0,
    }
    (read,) = profile["journeys"]["items-reads"]["steps"]
    assert read == {
        "method": "GET",
        "path": "/items/${item-id}",
        "query": {"page": "3"},
        "headers": {"X-Key": "${secrets.key}"},
        "expect": {"status": [200]},
    }
    assert profile["journeys"]["items-reads"]["variables"] == {"item-id": "i-1"}
    (remove,) = profile["journeys"]["items-writes"]["steps"]
    assert remove["headers"] == {"Authorization": "Bearer ${secrets.login}"}
    assert "headers" not in profile["journeys"]["api-reads"]["steps"][0]
    assert profile["secrets"] == {"key_env": "THE_SHOP_KEY", "login_env": "THE_SHOP_LOGIN"}
    assert (profile["base_url"], profile["allowed_hosts"]) == ("https://shop.example/v1", ["shop.example"])
    checked(profile_text(SHOP, "shop.json"), tmp_path)


def test_references_in_circles_end(tmp_path: Path) -> None:
    body = made(SHOP)["journeys"]["api-writes"]["steps"][0]["json"]
    assert body["id"] == body["next"]["id"] == 1
    assert sample_of(Document(SHOP), {"$ref": "#/components/schemas/Loop"}) is None
    assert sample_of(Document(SHOP), {"$ref": "elsewhere.json#/x"}) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"openapi: 3.0.0", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is no OpenAPI 3 document"),
        (b'{"openapi": "2.0"}', "is no OpenAPI 3 document"),
        (b'{"swagger": "2.0"}', "is Swagger 2; convert it to OpenAPI 3"),
        (b'{"openapi": "3.0.0", "paths": {}}', "has no operation that could be called"),
        (b"x" * (33 * 1024 * 1024), "is larger than 32 MiB"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_document_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=said):
        profile_text(read_openapi(str(path)), str(path))


def test_the_first_operations_of_a_huge_document_are_taken_and_the_rest_counted(tmp_path: Path) -> None:
    text = profile_text({**SHOP, "paths": {f"/p{number}": {"get": {}} for number in range(1000)}}, "x")
    assert "# 600 operations were left out; the first 400 are here." in text
    checked(text, tmp_path)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(SHOP))
    arguments = ["profile", "from-openapi", str(tmp_path / "api.json"), "-o", str(tmp_path / "p.yaml")]
    assert CliRunner().invoke(gameday, arguments, standalone_mode=False).exception is None
    before = (tmp_path / "p.yaml").read_text()
    assert isinstance(CliRunner().invoke(gameday, arguments, standalone_mode=False).exception, CommandError)
    assert (tmp_path / "p.yaml").read_text() == before


def test_the_embedded_targets_own_document_becomes_a_profile_that_fits(target, tmp_path: Path) -> None:
    source = f"{target.url}/openapi.json"
    text = profile_text(read_openapi(source), source)
    checked(text, tmp_path)
    profile = load_profile(str(tmp_path / "made.yaml"))
    assert profile.base_url == target.url
    steps = {step.series: step for journey in profile.journeys.values() for step in journey.steps}
    assert profile.secrets == {"login_env": "AIA_LOGIN"}
    assert steps["GET /mas/api/v1/agents"].headers == {"Authorization": "Bearer ${secrets.login}"}
    assert steps["GET /health"].headers == {}
    assert set(steps["POST /auth/token"].form) >= {"client_id", "client_secret"}


def test_the_targets_document_asks_for_a_login_where_the_target_does(target) -> None:
    document = read_openapi(f"{target.url}/openapi.json")
    refused, said = set(), set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = target.url + re.sub("{[^}]*}", "none", path)
            if "security" in operation:
                said.add((method, path))
            if httpx.request(method, address).headers.get("www-authenticate") == "Bearer":
                refused.add((method, path))
    assert said == refused
    assert len(said) > 15


@pytest.mark.parametrize("address", ["", "foo", "ftp://x", "http://", "http://a:b", "http://me:secret@x", "http://x:0"])
def test_a_base_url_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(CommandError, match="--base-url: is no address of an API") as refused:
        profile_text(SHOP, "shop.json", address)
    assert "secret" not in str(refused.value)


def test_no_secret_of_the_address_stands_in_the_profile() -> None:
    assert "hunter2" not in profile_text({**SHOP, "servers": []}, "https://bob:hunter2@shop.example/api?key=hunter2")


KEYS = [
    *("get", "post", "tags", "parameters", "in"),
    *("name", "required", "schema", "type", "$ref"),
    *("properties", "content", "application/json", "requestBody", "responses"),
    *("200", "security", "allOf", "enum", "items"),
]
structures = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["${x}", "#/paths", "object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["/", "/a/{b}", "/{}", "/ä", "x"]), structures))
def test_whatever_a_document_says_becomes_a_profile_or_is_refused(tmp_path_factory, paths: dict[str, Any]) -> None:
    try:
        text = profile_text({**SHOP, "paths": paths}, "x")
    except BadInput:
        return
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text)
    load_profile(str(path))
