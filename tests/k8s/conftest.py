"""What the tests of the manifests share."""

import shutil

import pytest

from tests.k8s.manifests import K8S, OVERLAYS, Manifest, RunLayers, render, write_run


@pytest.fixture(scope="session")
def kustomize() -> None:
    """Skips where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, kustomize: None) -> list[Manifest]:
    """The objects of each overlay in turn."""
    return render(K8S / "overlays" / request.param)


@pytest.fixture(scope="session")
def run_of_the_base(tmp_path_factory: pytest.TempPathFactory, kustomize: None) -> list[Manifest]:
    """The base with the layers of a run on top of it."""
    return render(write_run(tmp_path_factory.mktemp("run"), RunLayers()))


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool; skips where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package `prometheus` has it)")
    return found
