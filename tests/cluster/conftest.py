"""A cluster that is there already, the images on its nodes, and the reference AIA in it.

KUBECONFIG names the cluster; without it everything here is skipped. Images are named by GAMEDAY_IMAGE,
GAMEDAY_TARGET_IMAGE and GAMEDAY_TOXIPROXY_IMAGE, or built by GAMEDAY_IMAGE_BUILDER, a command that takes a tag, a
folder and options of `docker build`, and puts the image on all nodes. Toxiproxy is built of the program that
GAMEDAY_TOXIPROXY_SERVER names; with none of these the nodes pull the public image.
"""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.support import ROOT, DeployedTarget, Images, Kubectl, build_image, deployed_target

_TIMEOUT_S = 1500  # of a test: the first one waits for the images too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


@pytest.fixture(scope="session", autouse=True)
def kubeconfig() -> str:
    """The file that leads to the cluster."""
    path = os.environ.get("KUBECONFIG", "")
    if not path:
        pytest.skip("KUBECONFIG is not set: there is no cluster to test in")
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: str) -> Kubectl:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    return Kubectl(program, kubeconfig)


@pytest.fixture(scope="session")
def images(kubeconfig: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The images of this checkout, unless the environment names others."""
    builder = shlex.split(os.environ.get("GAMEDAY_IMAGE_BUILDER", ""))
    return Images(
        target=_image(builder, "GAMEDAY_TARGET_IMAGE", "localhost/aia-target:test", "target"),
        gameday=_image(builder, "GAMEDAY_IMAGE", "localhost/aia-gameday:test", "gameday"),
        toxiproxy=_toxiproxy(builder, tmp_path_factory),
    )


def _image(builder: list[str], variable: str, tag: str, stage: str) -> str:
    if name := os.environ.get(variable):
        return name
    if not builder:
        pytest.skip(f"neither {variable} nor GAMEDAY_IMAGE_BUILDER is set: there is no image to run in the cluster")
    return build_image(builder, tag, ROOT, "--target", stage)


def _toxiproxy(builder: list[str], folders: pytest.TempPathFactory) -> str:
    program = os.environ.get("GAMEDAY_TOXIPROXY_SERVER")
    if name := os.environ.get("GAMEDAY_TOXIPROXY_IMAGE"):
        return name
    if not (builder and program):
        return ""
    folder = folders.mktemp("toxiproxy")
    shutil.copy(program, folder / "toxiproxy")
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY toxiproxy /toxiproxy\nENTRYPOINT ["/toxiproxy"]\n')
    return build_image(builder, "localhost/toxiproxy:test", folder)


@pytest.fixture(scope="session")
def target_namespace() -> str:
    """Where the target goes: its usual namespace, or another on a cluster that several people test in."""
    return os.environ.get("GAMEDAY_TARGET_NAMESPACE", "aia-system")


@pytest.fixture(scope="session")
def target(kubectl: Kubectl, images: Images, target_namespace: str) -> Iterator[DeployedTarget]:
    """One healthy target for all tests, each of which leaves it Ready."""
    with deployed_target(kubectl, images, namespace=target_namespace) as target:
        yield target
