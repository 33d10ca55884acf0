"""The dashboard shows what the master serves and what the rules record, and nothing else."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.alert_rules import alert_rules
from journal.plan import Slo
from journal.run_directory import RunDirectory
from load.distributed.collector import Collector
from load.distributed.metrics import Metrics
from tests.k8s.manifests import K8S

DASHBOARD = json.loads((K8S / "components" / "grafana" / "gameday.json").read_text(encoding="utf-8"))
NAME = re.compile(r"\bgameday[a-z0-9_:]*")


def expressions(part: Any) -> Iterator[str]:
    """Every query in the dashboard, wherever it is."""
    if isinstance(part, dict):
        yield from (str(part[key]) for key in ("expr", "definition") if key in part)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from expressions(each)


@pytest.fixture
def served(tmp_path: Path) -> set[str]:
    """The names of the metrics that a master serves."""
    run = RunDirectory(tmp_path)
    collector = Collector(run)
    names = {family.name for family in Metrics(run, collector).registry.collect()}
    collector.close()
    return names


def recorded() -> set[str]:
    return {rule["record"] for rule in alert_rules(Slo())["groups"][0]["rules"] if "record" in rule}


def test_every_query_of_the_dashboard_asks_for_what_there_is(served: set[str]) -> None:
    asked = {name for expression in expressions(DASHBOARD) for name in NAME.findall(expression)}
    assert asked <= served | recorded()
    assert served <= asked, "a metric is not shown"


def test_every_rule_asks_for_what_there_is(served: set[str]) -> None:
    rules = alert_rules(Slo())["groups"][0]["rules"]
    asked = {name for rule in rules for name in NAME.findall(rule["expr"])}
    assert asked <= served | recorded()


def test_faults_are_drawn_as_annotations() -> None:
    (annotation,) = DASHBOARD["annotations"]["list"]
    assert annotation["expr"].startswith("gameday_fault_active")
    assert annotation["enable"]


def test_every_query_is_of_the_chosen_runs() -> None:
    queries = [expression for expression in expressions(DASHBOARD) if "label_values" not in expression]
    assert [query for query in queries if 'run=~"$run"' not in query] == []


def test_every_query_is_good_promql(promtool: str, tmp_path: Path) -> None:
    queries = [expression for expression in expressions(DASHBOARD) if "label_values" not in expression]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
