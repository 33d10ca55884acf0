"""Components for monitoring can join the kustomization of a run."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.k8s.manifests import K8S, RUN_LABEL, Manifest, named, render

COMPONENTS = ("prometheus", "prometheus-operator", "grafana")


@pytest.fixture(scope="module")
def monitored(kustomize: None, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """The run by hand with all of them."""
    copy = tmp_path_factory.mktemp("k8s") / "k8s"
    shutil.copytree(K8S, copy)
    file = copy / "overlays" / "by-hand" / "kustomization.yaml"
    kustomization = yaml.safe_load(file.read_text(encoding="utf-8"))
    kustomization["components"] += [f"../../components/{name}" for name in COMPONENTS]
    file.write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return render(file.parent)


def test_the_monitor_of_a_run_scrapes_the_service_of_this_run(monitored: list[Manifest]) -> None:
    monitor = named(monitored, "ServiceMonitor", "gameday-10ca1000")["spec"]
    service = named(monitored, "Service", "master-10ca1000")
    assert monitor["selector"]["matchLabels"][RUN_LABEL] == "10ca1000"
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_a_plain_prometheus_gets_its_files_as_they_lie_here(monitored: list[Manifest]) -> None:
    data = named(monitored, "ConfigMap", "prometheus-10ca1000")["data"]
    folder: Path = K8S / "components" / "prometheus"
    assert data == {name: (folder / name).read_text(encoding="utf-8") for name in ("scrape.yaml", "rules.yaml")}


def test_grafanas_sidecar_finds_the_dashboard_by_its_label(monitored: list[Manifest]) -> None:
    dashboard = named(monitored, "ConfigMap", "dashboard-10ca1000")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert list(dashboard["data"]) == ["gameday.json"]


def test_all_of_it_lies_in_the_namespace_of_the_harness(monitored: list[Manifest]) -> None:
    ours = ("ServiceMonitor", "PrometheusRule", "ConfigMap")
    assert {each["metadata"]["namespace"] for each in monitored if each["kind"] in ours} == {"aia-gameday"}
