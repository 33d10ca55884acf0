"""What the documents say is so: their links lead somewhere, their examples work, their tables name all there is."""

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from analysis.capacity.result import Capacity, CapacityResult
from analysis.verdict import Verdict
from gameday.cli import gameday
from gameday.sources import load_plan, load_profile
from journal.exit_codes import ExitCode
from journal.outcomes import Kind, Outcome
from journal.plan import Plan
from journal.profile import Profile
from journal.profile_journeys import BUILT_INS
from journal.timeline import EventKind, FaultState, Phase
from tests.test_layering import MAY_IMPORT, violations

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(name), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_was_left_in_the_middle_of_a_merge(document: Path) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", document.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_the_first_page_leads_to_every_other_page() -> None:
    linked = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"(docs/{page.name})" not in linked] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    named = re.findall(r"(?:`|^|bin/)gameday ([a-z][a-z0-9]*)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= set(gameday.commands)


def test_the_example_of_a_plan_and_of_a_profile_can_be_read(tmp_path: Path) -> None:
    plan, profile = (block for block in blocks("writing-a-plan.md", "yaml") if block.startswith("# p"))
    (tmp_path / "plan.yaml").write_text(plan, encoding="utf-8")
    (tmp_path / "profile.yaml").write_text(profile, encoding="utf-8")
    assert load_plan(str(tmp_path / "plan.yaml")).load.peak_users == 80
    assert load_profile(str(tmp_path / "profile.yaml")).paths == {"/auth/me": "/users/me"}


def test_each_part_of_a_load_that_is_shown_can_be_read(tmp_path: Path) -> None:
    parts = [block for block in blocks("writing-a-plan.md", "yaml") if not block.startswith("# p")]
    assert parts
    for part in parts:
        load = part if part.startswith("load:") else "load:\n" + textwrap.indent(part, "  ")
        (tmp_path / "plan.yaml").write_text("name: part\n" + load, encoding="utf-8")
        assert load_plan(str(tmp_path / "plan.yaml")).load.duration_s > 0


def test_the_example_of_a_profile_for_any_api_can_be_read(tmp_path: Path) -> None:
    profile, *_ = blocks("any-api.md", "yaml")
    (tmp_path / "profile.yaml").write_text(profile, encoding="utf-8")
    journeys = load_profile(str(tmp_path / "profile.yaml")).journeys
    assert {name: journey.weight for name, journey in journeys.items()} == {"browse": 3, "buy": 1}


def test_every_name_that_templates_may_use_is_explained() -> None:
    assert [name for name in BUILT_INS if f"`${{{name}}}`" not in text("any-api.md")] == []


@pytest.mark.parametrize("record", [Verdict, CapacityResult, Capacity])
def test_every_key_of_a_verdict_is_explained(record: type) -> None:
    page = text("pipelines.md")
    assert [name for name in _all_keys(record) if f"`{name}`" not in page and f"`{name}[]`" not in page] == []


def _all_keys(record: type) -> set[str]:
    """The names of all fields; of the verdict's records those of records within it too, however they are held."""
    found = set()
    for name, hint in get_type_hints(record).items():
        inner = [part for part in (hint, *get_args(hint)) if is_dataclass(part) and isinstance(part, type)]
        found |= {name}.union(*(_all_keys(part) for part in inner if record.__module__ == "analysis.verdict"))
    return found


def test_the_gate_of_the_pipeline_page_says_why_a_run_did_not_pass(tmp_path: Path) -> None:
    (script,) = blocks("pipelines.md", "sh")
    (tmp_path / "runs" / "gate").mkdir(parents=True)
    gate = {"required": True, "state": "fail", "gate": "latency", "reason": "GET /x: too slow"}
    verdict = {"line": "FAIL. GET /x", "gates": [gate, {**gate, "required": False}, {**gate, "state": "pass"}]}
    (tmp_path / "runs" / "gate" / "verdict.json").write_text(json.dumps(verdict))
    for code, wanted in ((0, 0), (1, 1), (3, 0), (5, 5)):
        (tmp_path / "gameday").write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / "gameday").chmod(0o755)
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == wanted, done.stderr
        assert done.stdout.splitlines()[:2] == ["FAIL. GET /x", "- fail latency GET /x: too slow"]


@pytest.mark.parametrize("record", [Plan, Profile])
def test_every_key_of_a_plan_and_of_a_profile_is_explained(record: type) -> None:
    page = text("writing-a-plan.md") + text("any-api.md")
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    assert [name for name in _keys(record) if not re.search(rf"[`.]{name}`", table)] == []


def _keys(record: type) -> list[str]:
    """The names of all fields, those of records within it included."""
    found = []
    for name, hint in get_type_hints(record).items():
        if name != "__pydantic_config__":
            inner = [part for part in (hint, *get_args(hint)) if is_dataclass(part)]
            found += [name] if not inner else _keys(inner[0])
    return found


def test_the_example_of_a_journey_is_one_that_the_harness_can_read(tmp_path: Path) -> None:
    (source,) = blocks("writing-a-journey.md", "python")
    assert violations("locustfiles", source) == []
    (tmp_path / "rankings.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "load.forecast", "-f", str(tmp_path)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert set(json.loads(answer.stdout)["journeys"]["rankings"]["operations"]) == {
        "GET /performance/rankings",
        "POST /performance/record",
    }


def test_the_run_directory_page_names_every_event_state_phase_outcome_and_kind() -> None:
    page = text("run-directory.md")
    words = [*EventKind, *FaultState, *Phase]
    assert [word for word in words if f"`{word}`" not in page] == []
    assert ", ".join(f"{kind.value} {kind.name.lower()}" for kind in Kind) in page
    numbers = dict(re.findall(r"(\d) ([a-z -]+)", page[page.index("outcome: 0 ok") :].splitlines()[0]))
    assert sorted(numbers) == [str(outcome.value) for outcome in Outcome]


def test_the_map_of_the_house_shows_the_import_table_that_is_enforced() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| [^|]* \| ([^|]*) \|$", text("house.md"), re.MULTILINE)
    named = {package: {name for name in MAY_IMPORT if name in allowed.split(", ")} for package, allowed in rows}
    assert {package: named.get(package) for package in MAY_IMPORT} == MAY_IMPORT


def test_every_exit_code_is_explained_where_people_start() -> None:
    rows = re.findall(r"^\| (\d+) \|", text("getting-started.md"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(ExitCode)
