"""The manifests of a run: its names, namespaces, workers, image and credentials, and a list of all of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import RUN, RunNames
from gameday.cluster.rendering import OBJECTS_KEY, Wanted, adjusted, manifests_folder, reference, render, to_yaml
from journal.errors import CommandError

NAMES = RunNames("12e34567", "load-tests")
WANTED = Wanted(
    names=NAMES,
    target_namespace="their-system",
    plan="name: mine # with a comment\n",
    profile="name: theirs\n",
    workers=5,
    image="registry.example/harness@sha256:0123",
    own_secret=True,
)


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return Kubectl.find()


@pytest.fixture(scope="module")
def objects(kubectl: Kubectl) -> list[Any]:
    return render(kubectl, WANTED)


def find(objects: list[Any], kind: str, base: str) -> Any:
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == NAMES.of(base)]
    return found


def test_every_object_carries_the_run_in_its_name_and_label(objects: list[Any]) -> None:
    assert {found["metadata"]["labels"][RUN] for found in objects} == {NAMES.run_id}
    assert [
        found["metadata"]["name"] for found in objects if not found["metadata"]["name"].endswith(NAMES.run_id)
    ] == []


def test_objects_lie_in_the_namespaces_of_the_run_and_so_do_the_accounts_that_bindings_name(objects: list[Any]) -> None:
    assert {found["metadata"].get("namespace") for found in objects} == {"load-tests", "their-system"}
    bindings = [found for found in objects if found["kind"] == "RoleBinding"]
    assert {binding["metadata"]["namespace"] for binding in bindings} == {"load-tests", "their-system"}
    subjects = [subject for binding in bindings for subject in binding["subjects"]]
    assert {subject["namespace"] for subject in subjects} == {"load-tests"}
    accounts = {found["metadata"]["name"] for found in objects if found["kind"] == "ServiceAccount"}
    assert {subject["name"] for subject in subjects} <= accounts


def test_there_are_as_many_workers_as_the_plan_wants(objects: list[Any]) -> None:
    spec = find(objects, "Job", "worker")["spec"]
    assert (spec["completions"], spec["parallelism"]) == (5, 5)


def test_every_container_has_the_image_and_the_credentials_of_the_run(objects: list[Any]) -> None:
    pods = [found["spec"]["template"]["spec"] for found in objects if "template" in (found.get("spec") or {})]
    containers = [container for pod in pods for container in pod["containers"]]
    assert {container["image"] for container in containers} == {WANTED.image}
    sources = [source["secretRef"] for container in containers for source in container.get("envFrom", ())]
    assert {source["name"] for source in sources} == {NAMES.of("credentials")}
    assert all(source["optional"] for source in sources)


def test_without_credentials_of_its_own_a_run_uses_the_secret_of_the_namespace(kubectl: Kubectl) -> None:
    objects = render(kubectl, Wanted(**{**vars_of(WANTED), "own_secret": False, "image": None}))
    (container,) = find(objects, "Job", "worker")["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"][0]["secretRef"]["name"] == "credentials"
    assert container["image"] == "aia-gameday:latest"


def vars_of(wanted: Wanted) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}


def test_the_plan_comes_along_word_by_word_with_a_list_of_all_objects(objects: list[Any]) -> None:
    data = find(objects, "ConfigMap", "plan")["data"]
    assert (data["plan.yaml"], data["profile.yaml"]) == (WANTED.plan, WANTED.profile)
    assert json.loads(data[OBJECTS_KEY]) == [reference(found) for found in objects]


def test_nothing_of_a_secret_is_in_the_manifests(objects: list[Any]) -> None:
    assert [found for found in objects if found["kind"] == "Secret"] == []


def test_cluster_roles_come_only_when_they_are_wanted(kubectl: Kubectl, objects: list[Any]) -> None:
    def kinds(rendered: list[Any]) -> set[str]:
        return {found["kind"] for found in rendered if found["kind"].startswith("Cluster")}

    assert kinds(objects) == set()
    with_nodes = render(kubectl, Wanted(**{**vars_of(WANTED), "node_readings": True}))
    assert kinds(with_nodes) == {"ClusterRole", "ClusterRoleBinding"}


def test_an_overlay_takes_the_place_of_the_base(kubectl: Kubectl, tmp_path: Path) -> None:
    shutil.copytree(manifests_folder() / "base", tmp_path / "base")
    content = {"resources": ["base"], "commonAnnotations": {"team": "load"}}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(content))
    objects = render(kubectl, Wanted(**{**vars_of(WANTED), "overlay": tmp_path}))
    assert find(objects, "Job", "conductor")["metadata"]["annotations"] == {"team": "load"}


@pytest.mark.parametrize(
    ("resources", "said"), [([], "makes no run: Job conductor, Job worker"), (["nowhere"], "nowhere")]
)
def test_an_overlay_that_makes_no_run_is_refused(
    kubectl: Kubectl, tmp_path: Path, resources: list[str], said: str
) -> None:
    (tmp_path / "kustomization.yaml").write_text(json.dumps({"resources": resources}))
    with pytest.raises(CommandError) as caught:
        render(kubectl, Wanted(**{**vars_of(WANTED), "overlay": tmp_path}))
    assert said in str(caught.value)


def test_an_overlay_that_sets_the_runs_label_is_refused(objects: list[Any]) -> None:
    foreign = json.loads(json.dumps(objects))
    foreign[0]["metadata"]["labels"][RUN] = "other"
    with pytest.raises(CommandError) as caught:
        adjusted(foreign, WANTED)
    assert "leave the run's label" in str(caught.value)


def test_a_run_id_that_looks_like_a_number_stays_a_text(objects: list[Any]) -> None:
    text = to_yaml(objects)
    assert f'aia-gameday/run: "{NAMES.run_id}"' in text
    assert list(yaml.safe_load_all(text)) == objects
