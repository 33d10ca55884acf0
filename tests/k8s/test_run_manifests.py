"""What a run consists of: its id in names, labels and references, two namespaces, and what each part must not do."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.k8s.manifests import RUN_ID, RUN_LABEL, WORKERS, Manifest, containers, named, pod_templates

SUFFIX = f"-{RUN_ID}"
HARNESS, TARGET = "load-tests", "their-system"
CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding"}


def test_every_name_ends_in_the_id_of_the_run(run_manifests: list[Manifest]) -> None:
    names = [manifest["metadata"]["name"] for manifest in run_manifests]
    assert [name for name in names if not name.endswith(SUFFIX)] == []


def test_every_object_and_every_pod_carries_the_id_of_the_run(run_manifests: list[Manifest]) -> None:
    metadata = [manifest["metadata"] for manifest in run_manifests]
    metadata += [template["metadata"] for _, template in pod_templates(run_manifests)]
    assert {each["labels"].get(RUN_LABEL) for each in metadata} == {RUN_ID}
    assert {each["labels"].get("app.kubernetes.io/part-of") for each in metadata} == {"aia-gameday"}


def test_no_selector_reaches_another_run(run_manifests: list[Manifest]) -> None:
    selectors = [selector for manifest in run_manifests for selector in _selectors(manifest)]
    assert (
        len(selectors) == 9
    )  # a service, a deployment, three budgets, three policies, and the workers in one of these
    assert {selector.get(RUN_LABEL) for selector in selectors} == {RUN_ID}


def _selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Service":
            yield spec["selector"]
        case "Deployment" | "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"]
        case "NetworkPolicy":
            yield spec["podSelector"]["matchLabels"]
            for rule in spec.get("ingress", []):
                yield from (peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer)


def test_the_harness_lies_in_its_namespace_and_two_roles_in_the_targets(run_manifests: list[Manifest]) -> None:
    lying = {
        (manifest["metadata"].get("namespace"), manifest["kind"], manifest["metadata"]["name"].removesuffix(SUFFIX))
        for manifest in run_manifests
    }
    names = ("aia-gameday-conductor", "aia-gameday-reaper")
    theirs = {(TARGET, kind, name) for kind in ("Role", "RoleBinding") for name in names}
    assert {each for each in lying if each[0] != HARNESS and each[1] not in CLUSTER_SCOPED} == theirs


def test_every_binding_leads_from_an_account_of_this_run_to_a_role_of_this_run(run_manifests: list[Manifest]) -> None:
    bindings = [manifest for manifest in run_manifests if manifest["kind"].endswith("RoleBinding")]
    assert len(bindings) == 5
    for binding in bindings:
        role = named(run_manifests, binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")
        for subject in binding["subjects"]:
            account = named(run_manifests, subject["kind"], subject["name"])
            assert account["metadata"]["namespace"] == subject["namespace"] == HARNESS


def test_the_ledger_that_the_roles_allow_is_the_one_that_the_programs_open(run_manifests: list[Manifest]) -> None:
    allowed = {
        name
        for manifest in run_manifests
        if manifest["kind"] == "Role"
        for rule in manifest["rules"]
        for name in rule.get("resourceNames", [])
    }
    assert allowed == {named(run_manifests, "ConfigMap", f"ledger{SUFFIX}")["metadata"]["name"]}
    opened = {_value(container, "GAMEDAY_LEDGER") for _, _, container in containers(run_manifests)}
    assert opened == {None, "kubernetes:$(NAMESPACE)/ledger-$(RUN_ID)"}


def test_the_master_that_workers_look_for_is_the_service(run_manifests: list[Manifest]) -> None:
    (worker,) = (container for name, _, container in containers(run_manifests) if name.endswith("/worker"))
    assert worker["args"][-1] == "--master=master-$(RUN_ID):5557"
    service = named(run_manifests, "Service", f"master{SUFFIX}")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]


def test_programs_learn_the_id_of_the_run_from_the_label(run_manifests: list[Manifest]) -> None:
    paths = {
        variable["valueFrom"]["fieldRef"]["fieldPath"]
        for _, _, container in containers(run_manifests)
        for variable in container["env"]
        if variable["name"] == "RUN_ID"
    }
    assert paths == {f"metadata.labels['{RUN_LABEL}']"}


@pytest.mark.parametrize(
    ("kind", "name", "reference"),
    [
        ("ConfigMap", "plan", lambda pod: _volume(pod, "plan")["configMap"]["name"]),
        ("PersistentVolumeClaim", "runs", lambda pod: _volume(pod, "runs")["persistentVolumeClaim"]["claimName"]),
        ("ServiceAccount", "conductor", lambda pod: pod["serviceAccountName"]),
    ],
)
def test_the_conductor_refers_to_objects_of_its_run(
    run_manifests: list[Manifest], kind: str, name: str, reference: Any
) -> None:
    assert named(run_manifests, kind, f"{name}{SUFFIX}")
    assert reference(_pod(run_manifests, "conductor")) == f"{name}{SUFFIX}"


def test_image_and_number_of_workers_are_those_of_the_run(run_manifests: list[Manifest]) -> None:
    assert {container["image"] for _, _, container in containers(run_manifests)} == {"localhost/aia-gameday:dev"}
    workers = named(run_manifests, "Job", f"worker{SUFFIX}")["spec"]
    assert (workers["completions"], workers["parallelism"]) == (WORKERS, WORKERS)


def test_one_lost_worker_ends_no_other(run_manifests: list[Manifest]) -> None:
    workers = named(run_manifests, "Job", f"worker{SUFFIX}")["spec"]
    assert (workers["completionMode"], workers["backoffLimitPerIndex"]) == ("Indexed", 0)
    assert "backoffLimit" not in workers


def test_nothing_of_a_run_is_started_twice(run_manifests: list[Manifest]) -> None:
    assert named(run_manifests, "Job", f"conductor{SUFFIX}")["spec"]["backoffLimit"] == 0
    for job in ("conductor", "worker"):
        assert _pod(run_manifests, job)["restartPolicy"] == "Never"


def test_the_conductor_has_a_minute_or_more_to_revert_and_judge(run_manifests: list[Manifest]) -> None:
    assert _pod(run_manifests, "conductor")["terminationGracePeriodSeconds"] >= 60


def test_workers_get_no_token(run_manifests: list[Manifest]) -> None:
    assert _pod(run_manifests, "worker")["automountServiceAccountToken"] is False


@pytest.mark.parametrize("part", ["conductor", "worker"])
def test_master_and_workers_read_the_secret_of_their_run_from_a_file(run_manifests: list[Manifest], part: str) -> None:
    pod = _pod(run_manifests, part)
    secret = _volume(pod, "load-secret")["secret"]
    assert (secret["secretName"], secret["optional"]) == (f"load-secret{SUFFIX}", True)
    (container,) = pod["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "load-secret")
    assert mount["readOnly"]
    assert _value(container, "GAMEDAY_LOAD_SECRET_FILE") == f"{mount['mountPath']}/secret"
    assert _value(container, "GAMEDAY_LOAD_SECRET") is None


def test_the_reaper_has_no_part_in_the_secret_of_the_load(run_manifests: list[Manifest]) -> None:
    assert [volume for volume in _pod(run_manifests, "reaper")["volumes"] if "secret" in volume] == []


def test_a_worker_spools_into_a_folder_that_it_may_write(run_manifests: list[Manifest]) -> None:
    (container,) = _pod(run_manifests, "worker")["containers"]
    folder = _value(container, "GAMEDAY_SPOOL_DIR")
    mounts = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert folder
    assert any(folder.startswith(f"{mount}/") for mount in mounts)


def test_applying_the_ledger_again_touches_no_record(run_manifests: list[Manifest]) -> None:
    assert "data" not in named(run_manifests, "ConfigMap", f"ledger{SUFFIX}")


def _pod(manifests: list[Manifest], name: str) -> Manifest:
    spec: Manifest = next(
        template["spec"] for workload, template in pod_templates(manifests) if workload.endswith(f"/{name}{SUFFIX}")
    )
    return spec


def _volume(pod: Manifest, name: str) -> Manifest:
    volume: Manifest = next(volume for volume in pod["volumes"] if volume["name"] == name)
    return volume


def _value(container: Manifest, name: str) -> str | None:
    return next((str(variable.get("value")) for variable in container["env"] if variable["name"] == name), None)


def test_a_run_writes_into_a_folder_of_its_own_since_a_volume_may_hold_those_of_others(
    run_manifests: list[Manifest],
) -> None:
    (conductor,) = (container for name, _, container in containers(run_manifests) if name.endswith("/conductor"))
    assert "--out=/runs/$(RUN_ID)" in conductor["args"]
