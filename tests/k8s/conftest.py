"""What the tests of the manifests share."""

import shutil

import pytest

from tests.k8s.manifests import K8S, OVERLAYS, Manifest, render, render_run

_BY_COMMAND = "gameday k8s render"


@pytest.fixture(scope="session")
def kustomize() -> None:
    """Skips where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")


@pytest.fixture(scope="session", params=[*OVERLAYS, _BY_COMMAND])
def overlay(request: pytest.FixtureRequest, kustomize: None) -> list[Manifest]:
    """The objects of each overlay in turn, and those that the command makes."""
    return render_run() if request.param == _BY_COMMAND else render(K8S / "overlays" / request.param)


@pytest.fixture(scope="session")
def run_manifests(kustomize: None) -> list[Manifest]:
    """The objects of a run."""
    return render_run()


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool; skips where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package `prometheus` has it)")
    return found
