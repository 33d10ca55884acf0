"""The import table of docs/house.md, enforced on the syntax tree; imports in functions and for type checkers count."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# package: what of ours it may import beside itself
MAY_IMPORT = {
    "journal": set[str](),
    "probes": {"journal"},
    "load": {"journal"},
    "locustfiles": {"load"},
    "chaos": {"journal", "probes"},
    "analysis": {"journal"},
    "gameday": {"journal", "probes", "chaos", "analysis"},
    "target": set[str](),
    "k8s": set[str](),
}
# locust patches the standard library as it is imported; only the generator's own processes may do that
PATCHING = {"locust", "gevent", "geventhttpclient"}
NETWORK = {
    "asyncio",
    "ftplib",
    "http",
    "httpx",
    "requests",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "urllib",
    "urllib3",
}
TEXT_ONLY = {"urllib.parse"}
NETWORK |= {"chaoslib", "valkey", "websocket", "websockets"}
FORBIDDEN = {
    "journal": PATCHING,
    "probes": PATCHING,
    "chaos": PATCHING,
    "analysis": PATCHING | NETWORK | {"time"},
    "gameday": PATCHING,
    "target": PATCHING,
}
# package: the only things that it may import from beyond the standard library and this project
ONLY = {"journal": {"numpy", "annotated_types"}, "locustfiles": {"locust"}}
CLOCK_READINGS = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Import:
    """One imported module, by its full dotted name, and the line that asks for it."""

    module: str
    line: int

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports(tree: ast.Module, package: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(filter(None, (package if level else None, module)))
                yield Import(base, node.lineno)
                yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in names if base == package)
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(module)), *_]
            ):
                if name in {"import_module", "__import__"}:
                    yield Import(module, node.lineno)


def clock_readings(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS:
            names = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            attributes = {inner.attr for inner in ast.walk(node.value) if isinstance(inner, ast.Attribute)}
            if (names | attributes) & {"datetime", "date", "dt"}:
                yield node.lineno


def violations(package: str, source: str, name: str = "module.py") -> list[str]:
    """What one file of a package imports against the table, as "file:line: reason"."""
    tree = ast.parse(source)
    objections = ((wanted.line, _objection(package, wanted)) for wanted in imports(tree, package))
    found = [f"{name}:{line}: {reason}" for line, reason in objections if reason]
    if package == "analysis":
        found += [f"{name}:{line}: analysis reads the clock" for line in clock_readings(tree)]
    return found


def _objection(package: str, wanted: Import) -> str | None:
    ours = wanted.top in MAY_IMPORT
    siblings = {path.stem for path in (ROOT / "locustfiles").glob("*.py")} if package == "locustfiles" else set()
    if wanted.top in siblings or (package == wanted.top == "locustfiles"):
        return f"journeys never import each other ({wanted.module})"
    if ours and wanted.top not in MAY_IMPORT[package] | {package}:
        return f"{package} may not import {wanted.module}"
    if wanted.top in FORBIDDEN.get(package, ()) and wanted.module not in TEXT_ONLY:
        return f"{package} may not import {wanted.module}"
    if package in ONLY and not ours and wanted.top not in ONLY[package] | sys.stdlib_module_names:
        return f"{package} may import from elsewhere only {sorted(ONLY[package])}, not {wanted.module}"
    return None


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no modules"
    found = [
        line
        for path in files
        for line in violations(package, path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("journal", "import load.recorder"),
        ("journal", "import httpx"),
        ("probes", "def late():\n    from chaos.faults import kill_replica"),
        ("load", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import analysis.verdict"),
        ("locustfiles", "from journal.outcomes import Outcome"),
        ("locustfiles", "import httpx"),
        ("locustfiles", "from locustfiles import other"),
        ("locustfiles", "from . import other"),
        ("chaos", "import importlib\nimportlib.import_module('gameday.children')"),
        ("chaos", "from gevent import monkey"),
        ("analysis", "import urllib.request"),
        ("analysis", "from time import time_ns"),
        ("analysis", "import datetime\nstarted = datetime.datetime.now(datetime.UTC)"),
        ("gameday", "import locust"),
        ("gameday", "import target.settings"),
        ("target", "from journal import errors"),
    ],
)
def test_a_planted_violation_is_found(package: str, source: str) -> None:
    assert len(violations(package, source)) >= 1


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("journal", "import numpy as np\nfrom annotated_types import Ge\nimport json, time"),
        ("locustfiles", "from locust import task\nfrom load.user import User\nimport random"),
        ("analysis", "from urllib.parse import quote"),
        ("analysis", "from datetime import UTC, datetime\nstamp = datetime.fromtimestamp(0, UTC)"),
        ("chaos", "from . import ledger\nfrom chaos.faults import kill_replica\nimport httpx"),
    ],
)
def test_an_allowed_import_is_left_alone(package: str, source: str) -> None:
    assert violations(package, source) == []


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
    }
    assert found == set(listed)
