"""Why a run does not start: what the cluster says of its pods becomes a reason, a remedy, and a time to wait for it."""

from typing import Any

import pytest

from gameday.cluster.diagnosis import Patience, Trouble, is_scaling_up, pod_troubles, refused_pods


def pod(phase: str = "Pending", **status: Any) -> Any:
    return {"metadata": {"name": "conductor-1"}, "status": {"phase": phase, **status}}


def waiting(reason: str, message: str = "") -> Any:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"name": "conductor", "image": "x:1", "state": state}])


UNSCHEDULABLE = pod(
    conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}]
)


@pytest.mark.parametrize(
    "reason",
    ["ErrImageNeverPull", "InvalidImageName", "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError"],
)
def test_a_container_that_cannot_be_made_is_named_with_the_clusters_own_words(reason: str) -> None:
    (trouble,) = pod_troubles(waiting(reason, "no such thing"))
    assert (trouble.who, trouble.reason, trouble.message) == ("conductor-1", reason, "no such thing")
    assert trouble.remedy
    assert trouble.patience_s <= 20


def test_a_pod_that_fits_nowhere_is_named() -> None:
    (trouble,) = pod_troubles(UNSCHEDULABLE)
    assert str(trouble) == "conductor-1 does not start: Unschedulable: Insufficient cpu"


def test_a_pod_for_which_a_node_is_on_its_way_is_waited_for() -> None:
    events = [{"reason": "TriggeredScaleUp", "involvedObject": {"name": "conductor-1"}}]
    assert is_scaling_up(events, UNSCHEDULABLE)
    assert not is_scaling_up([], UNSCHEDULABLE)
    (patient,) = pod_troubles(UNSCHEDULABLE, scaling_up=True)
    (trouble,) = pod_troubles(UNSCHEDULABLE)
    assert patient.patience_s > trouble.patience_s


@pytest.mark.parametrize(
    "sound",
    [
        pod("Running", containerStatuses=[{"state": {"running": {}}}]),
        pod("Succeeded"),
        waiting("ContainerCreating"),
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
        {"metadata": {"name": "new"}},
    ],
)
def test_a_pod_on_its_way_is_no_trouble(sound: Any) -> None:
    assert list(pod_troubles(sound)) == []


def test_pods_that_the_cluster_refuses_to_make_are_named_with_its_reason() -> None:
    refusal = {
        "reason": "FailedCreate",
        "involvedObject": {"kind": "Job", "name": "worker-12345678"},
        "message": 'pods "worker" is forbidden: exceeded quota: small',
    }
    foreign = {**refusal, "involvedObject": {"kind": "Job", "name": "worker-99999999"}}
    (trouble,) = refused_pods([refusal, foreign, {"reason": "Created"}], "12345678")
    assert "Job worker-12345678" in str(trouble)
    assert "exceeded quota: small" in str(trouble)


def test_patience_ends_only_for_what_lasts() -> None:
    patience = Patience()
    lasting = Trouble("a", "r", "", "", 10)
    passing = Trouble("b", "r", "", "", 10)
    assert patience.exhausted([lasting, passing], 0) == []
    assert patience.exhausted([lasting], 5) == []
    assert patience.exhausted([lasting, passing], 10) == [lasting]
