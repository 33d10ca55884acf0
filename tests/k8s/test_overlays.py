"""What holds for all manifests alike, whichever overlay they come from."""

import re

from gameday.sources import load_plan, load_profile
from tests.k8s.manifests import K8S, RUN_LABEL, Manifest, containers, pod_templates, render

# generally available since Kubernetes 1.30 at the latest
GENERALLY_AVAILABLE = {
    "v1",
    "apps/v1",
    "batch/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
}
BEARS_SECRETS = re.compile(r"password|secret|token|credential", re.IGNORECASE)


def test_every_api_version_is_generally_available(overlay: list[Manifest]) -> None:
    assert {manifest["apiVersion"] for manifest in overlay} <= GENERALLY_AVAILABLE


def test_every_container_is_restricted(overlay: list[Manifest]) -> None:
    lax = [name for name, pod, container in containers(overlay) if not _is_restricted(pod, container)]
    assert lax == []


def _is_restricted(pod: Manifest, container: Manifest) -> bool:
    of_pod, own = pod["securityContext"], container["securityContext"]
    return bool(
        of_pod["runAsNonRoot"]
        and of_pod["runAsUser"] >= 1000
        and of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        and own["allowPrivilegeEscalation"] is False
        and own["readOnlyRootFilesystem"] is True
        and own["capabilities"] == {"drop": ["ALL"]}
    )


def test_every_container_has_requests_and_limits(overlay: list[Manifest]) -> None:
    for name, _, container in containers(overlay):
        for bound in ("requests", "limits"):
            assert set(container["resources"][bound]) >= {"cpu", "memory"}, f"{name}: {bound}"


def test_every_pod_says_whether_it_gets_a_token(overlay: list[Manifest]) -> None:
    assert [name for name, pod in pod_templates(overlay) if "automountServiceAccountToken" not in pod["spec"]] == []


def test_no_secret_is_in_an_argument_or_a_plain_variable(overlay: list[Manifest]) -> None:
    for name, _, container in containers(overlay):
        said = [*container.get("command", []), *container.get("args", [])]
        plain = [variable for variable in container.get("env", []) if "value" in variable]
        said += [variable["name"] for variable in plain if not _is_path(variable["value"])]
        assert [word for word in said if BEARS_SECRETS.search(word)] == [], name


def _is_path(value: str) -> bool:
    """Whether this names a file of a mounted Secret, and so is none itself."""
    return value.startswith("/etc/")


def test_every_image_can_be_one_that_lies_on_the_node(overlay: list[Manifest]) -> None:
    assert {container["imagePullPolicy"] for _, _, container in containers(overlay)} == {"IfNotPresent"}


def test_the_run_by_hand_has_a_plan_and_the_profile_of_clusters() -> None:
    folder = K8S / "overlays" / "by-hand"
    assert load_plan(str(folder / "plan.yaml")).load.workers == 2
    assert load_profile(str(folder / "profile.yaml")) == load_profile("kubernetes")


def test_names_and_labels_of_the_run_by_hand_carry_the_same_id(kustomize: None) -> None:
    manifests = render(K8S / "overlays" / "by-hand")
    ids = {manifest["metadata"]["name"].rpartition("-")[2] for manifest in manifests}
    ids |= {manifest["metadata"]["labels"][RUN_LABEL] for manifest in manifests}
    ids |= {template["metadata"]["labels"][RUN_LABEL] for _, template in pod_templates(manifests)}
    assert len(ids) == 1
    assert re.fullmatch(r"[0-9a-f]{8}", ids.pop())
