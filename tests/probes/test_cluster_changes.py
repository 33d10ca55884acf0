"""What changed from one look at a cluster to the next, told once, with the cluster's own time."""

from collections.abc import Iterable

import pytest

from probes.cluster_changes import Change, NodeChanges, PodChanges
from tests.probes.pods import T0_NS, Json, condition, ended, node, pod, status

LATER = "2026-01-02T03:05:00Z"
LATER_NS = T0_NS + 60 * 10**9
NOW_NS = T0_NS + 90 * 10**9


def after(first: Iterable[Json], *looks: Iterable[Json]) -> list[Change]:
    """What all looks but the first tell."""
    changes = PodChanges()
    assert changes.look(first, T0_NS) == []
    return [change for look in looks for change in changes.look(look, NOW_NS)]


def told(changes: list[Change]) -> list[tuple[str, str, int]]:
    return [(change.process, change.state, change.at_ns) for change in changes]


def test_nothing_is_told_of_what_stays_as_it_is() -> None:
    pods = [pod("a", status(restarts=7, lastState=ended("b", "OOMKilled"))), pod("b")]
    assert after(pods, pods, pods) == []


def test_a_pod_that_came_and_got_ready_is_told_once() -> None:
    new = pod("b", conditions=(condition("Ready", "False"),))
    ready = pod("b", conditions=(condition("Ready", since=LATER),))
    assert told(after([pod("a")], [pod("a"), new], [pod("a"), ready], [pod("a"), ready])) == [
        ("b", "came", T0_NS),
        ("b", "ready", LATER_NS),
    ]


def test_a_pod_that_went_is_told_once() -> None:
    assert told(after([pod("a"), pod("b")], [pod("a")], [pod("a")])) == [("b", "went", NOW_NS)]


def test_a_pod_that_is_deleted_is_told_with_the_time_at_which_its_grace_began() -> None:
    deleted = pod("a", deleted=LATER, grace_s=20)
    assert told(after([pod("a")], [deleted], [deleted], [])) == [
        ("a", "deleted", LATER_NS - 20 * 10**9),
        ("a", "went", NOW_NS),
    ]


def test_a_pod_that_was_replaced_under_its_name_came_and_went() -> None:
    changes = after([pod("redis-0", uid="1")], [pod("redis-0", uid="2", conditions=())])
    assert [state for _, state, _ in told(changes)] == ["came", "went"]


def test_readiness_that_is_lost_is_told_with_the_time_of_the_transition_and_its_reason() -> None:
    unready = pod("a", conditions=(condition("Ready", "False", since=LATER, reason="ContainersNotReady"),))
    (change,) = after([pod("a")], [unready], [unready])
    assert (change.state, change.at_ns, change.more["reason"]) == ("not-ready", LATER_NS, "ContainersNotReady")


def test_a_pod_on_a_node_that_is_silent_is_not_ready() -> None:
    (change,) = after([pod("a")], [pod("a", conditions=(condition("Ready", "Unknown", since=LATER),))])
    assert change.state == "not-ready"


def test_readiness_that_was_lost_and_came_back_between_two_looks_is_seen() -> None:
    assert told(after([pod("a")], [pod("a", conditions=(condition("Ready", since=LATER),))])) == [
        ("a", "ready", LATER_NS)
    ]


def test_a_pod_that_is_not_ready_at_the_first_look_is_told_with_the_time_of_the_look() -> None:
    changes = PodChanges().look([pod("a", conditions=(condition("Ready", "False"),))], NOW_NS)
    assert told(changes) == [("a", "not-ready", NOW_NS)]


def test_a_pod_that_did_its_work_is_not_called_unready() -> None:
    done = pod("job", conditions=(condition("Ready", "False", since=LATER),), phase="Succeeded")
    assert after([pod("job")], [done]) == []
    assert PodChanges().look([done], NOW_NS) == []


def test_a_restart_is_told_once_with_how_the_container_ended() -> None:
    restarted = pod("a", status(digit="b", restarts=1, lastState=ended("a", "Error", code=3)))
    (change,) = after([pod("a")], [restarted], [restarted])
    assert (change.state, change.at_ns, change.more["incarnation"]) == ("restarted", T0_NS, "a/bbbbbbbbbbbb")
    assert (change.more["restarts"], change.more["reason"], change.more["exit_code"]) == (1, "Error", 3)


def test_a_kill_for_want_of_memory_is_told_once_from_the_death_to_the_restart() -> None:
    dead = pod("a", status(state=ended("a", "OOMKilled", at=LATER)))
    waiting = pod("a", status(state={"waiting": {}}, lastState=ended("a", "OOMKilled", at=LATER)))
    alive = pod("a", status(digit="b", restarts=1, lastState=ended("a", "OOMKilled", at=LATER)))
    changes = after([pod("a")], [dead], [waiting], [alive], [alive])
    assert [change.state for change in changes] == ["oom-killed", "restarted"]
    assert (changes[0].at_ns, changes[0].more["incarnation"]) == (LATER_NS, "a/aaaaaaaaaaaa")


def test_each_kill_for_want_of_memory_is_told() -> None:
    first = pod("a", status(digit="b", restarts=1, lastState=ended("a", "OOMKilled")))
    second = pod("a", status(digit="c", restarts=2, lastState=ended("b", "OOMKilled")))
    states = [change.state for change in after([pod("a")], [first], [second])]
    assert states.count("oom-killed") == states.count("restarted") == 2


@pytest.mark.parametrize(
    "evicted",
    [
        pod("a", phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
        pod("a", conditions=(condition("Ready"), condition("DisruptionTarget", reason="EvictionByEvictionAPI"))),
    ],
    ids=["by the kubelet", "by the API"],
)
def test_an_eviction_is_told_once_with_its_reason(evicted: Json) -> None:
    (change,) = after([pod("a")], [evicted], [evicted])
    assert change.state == "evicted"
    assert change.more["reason"] in {"The node was low on resource: memory.", "EvictionByEvictionAPI"}


def test_the_conditions_of_nodes_are_told_as_they_begin_and_end() -> None:
    nodes = NodeChanges()
    good = node("n1", condition("Ready"), condition("MemoryPressure", "False"))
    bad = node(
        "n1", condition("Ready", "Unknown", since=LATER, reason="NodeStatusUnknown"),
        condition("MemoryPressure", since=LATER),
    )  # fmt: skip
    assert nodes.look([good], T0_NS) == []
    assert told(nodes.look([bad], NOW_NS)) == [("n1", "not-ready", LATER_NS), ("n1", "MemoryPressure", LATER_NS)]
    assert nodes.look([bad], NOW_NS) == []
    assert told(nodes.look([good], NOW_NS)) == [("n1", "ready", T0_NS), ("n1", "no MemoryPressure", T0_NS)]


def test_a_node_that_is_unwell_from_the_start_is_told() -> None:
    assert told(NodeChanges().look([node("n1", condition("Ready", "False"))], NOW_NS)) == [("n1", "not-ready", NOW_NS)]


def test_a_new_node_is_no_news_unless_it_is_unwell() -> None:
    nodes = NodeChanges()
    nodes.look([], T0_NS)
    new = [node("n2", condition("Ready"), condition("DiskPressure", since=LATER))]
    assert told(nodes.look(new, NOW_NS)) == [("n2", "DiskPressure", LATER_NS)]
