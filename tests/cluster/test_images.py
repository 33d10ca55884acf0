"""The images hold what the harness and the reference AIA need, and work without privileges on a read-only disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.script_pod import script_pod
from tests.cluster.support import Images, Kubectl, remove_namespace

SCRIPT = Path(__file__).parent / "scripts" / "inspect_image.py"
HARNESS = ("analysis", "chaos", "gameday", "journal", "k8s", "load", "locustfiles", "probes")


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl, target_namespace: str) -> Iterator[str]:
    name = f"{target_namespace}-images"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    remove_namespace(kubectl, name)


@pytest.fixture(scope="module")
def harness(kubectl: Kubectl, images: Images, namespace: str) -> Any:
    return facts_of(kubectl, images.gameday, namespace, *HARNESS)


@pytest.fixture(scope="module")
def target_image(kubectl: Kubectl, images: Images, namespace: str) -> Any:
    return facts_of(kubectl, images.target, namespace, "target")


def facts_of(kubectl: Kubectl, image: str, namespace: str, *packages: str) -> Any:
    with script_pod(kubectl, SCRIPT, *packages, name="inspect", namespace=namespace, image=image) as pod:
        return pod.result()


def test_every_module_of_ours_can_be_imported(harness: Any, target_image: Any) -> None:
    assert harness["complaints"] == target_image["complaints"] == {}


def test_the_command_is_there_and_nothing_to_build_with(harness: Any) -> None:
    assert harness["version"].startswith("gameday")
    assert harness["tools"] == []


@pytest.mark.parametrize("image", ["harness", "target_image"])
def test_nothing_in_an_image_is_writable_for_its_user(image: str, request: pytest.FixtureRequest) -> None:
    facts = request.getfixturevalue(image)
    assert (facts["user"], facts["writable"], facts["python"]) == (10001, [], "/opt/gameday")
