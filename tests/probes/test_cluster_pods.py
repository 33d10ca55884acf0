"""The target's pods: each has a place that its replacement takes over, and each container a name for each life."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.cluster_pods import Places, containers_of, epoch_ns, short_id
from tests.probes.pods import T0, T0_NS, Json, ended, pod, status

KILLED = "2026-01-02T03:05:00Z"


def api_pods(*names: str, **more: str) -> list[Json]:
    return [pod(f"aia-api-{name}", **more) for name in names]


def places(found: dict[str, int]) -> dict[str, int]:
    return {uid.removeprefix("uid-of-aia-api-"): place for uid, place in found.items()}


def test_places_are_numbered_in_order_of_name() -> None:
    assert places(Places().of("api", api_pods("c", "a", "b"))) == {"a": 0, "b": 1, "c": 2}


def test_a_pod_keeps_its_place_whatever_comes_and_goes_beside_it() -> None:
    known = Places()
    known.of("api", api_pods("m", "n", "o"))
    assert places(known.of("api", api_pods("a", "n", "z")))["n"] == 1


def test_the_pod_that_replaces_one_takes_over_its_place() -> None:
    known = Places()
    known.of("api", api_pods("a", "b", "c"))
    assert places(known.of("api", api_pods("a", "c", "x"))) == {"a": 0, "c": 2, "x": 1}


def test_it_does_so_even_while_the_other_is_still_terminating() -> None:
    known = Places()
    known.of("api", api_pods("a", "b", "c"))
    later = [*api_pods("a", "c", "x"), *api_pods("b", deleted=KILLED)]
    assert places(known.of("api", later)) == {"a": 0, "b": 1, "c": 2, "x": 1}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_ended_gives_up_its_place(phase: str) -> None:
    known = Places()
    known.of("api", api_pods("a", "b"))
    assert places(known.of("api", [*api_pods("b", "x"), *api_pods("a", phase=phase)]))["x"] == 0


def test_a_pod_of_the_same_name_with_another_uid_is_another_pod_in_the_same_place() -> None:
    known = Places()
    known.of("redis", [pod("aia-redis-0", uid="first")])
    assert known.of("redis", [pod("aia-redis-0", uid="second")]) == {"second": 0}


def test_a_pod_that_was_never_seen_alive_has_no_place() -> None:
    assert Places().of("api", api_pods("a", deleted=KILLED)) == {}


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=5), max_size=6))
def test_no_two_living_pods_ever_share_a_place_and_no_place_is_higher_than_needed(looks: list[set[str]]) -> None:
    known = Places()
    most = 0
    for names in looks:
        most = max(most, len(names))
        found = places(known.of("api", api_pods(*names)))
        assert found.keys() == names
        assert len(set(found.values())) == len(names)
        assert max(found.values(), default=0) <= max(0, most - 1)


def test_a_container_is_named_by_its_pods_place_and_its_life_by_pod_and_id() -> None:
    (found,) = containers_of(pod("aia-api-7f-x", status(digit="b")), "api", "api-1")
    assert (found.subject, found.incarnation) == ("api-1", "aia-api-7f-x/bbbbbbbbbbbb")
    assert (found.started_ns, found.node, found.address) == (T0_NS, "n1", "127.0.0.1")


def test_several_containers_of_a_pod_are_told_apart() -> None:
    found = containers_of(pod("p", status("aia-api"), status("istio-proxy", "c")), "api", "api-0")
    assert [each.subject for each in found] == ["api-0/aia-api", "api-0/istio-proxy"]


@pytest.mark.parametrize("state", [{"waiting": {"reason": "CrashLoopBackOff"}}, ended("a", "Error"), {}])
def test_a_container_that_does_not_run_is_left_out(state: Json) -> None:
    assert list(containers_of(pod("p", status(state=state)), "api", "api-0")) == []


def test_an_id_is_short_with_or_without_its_runtime() -> None:
    assert {short_id("containerd://" + "a" * 64), short_id("a" * 64), short_id("a" * 12)} == {"a" * 12}


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        (None, 0),
        ("", 0),
        (T0, T0_NS),
        ("2026-01-02T04:04:00+01:00", T0_NS),
        ("2026-01-02T03:04:00.5Z", T0_NS + 500_000_000),
        ("2026-01-02T03:04:00.123456789Z", T0_NS + 123_456_789),
        ("2026-01-02T03:04:00.123456789123Z", T0_NS + 123_456_789),
    ],
)
def test_a_time_of_the_api_is_read_to_the_nanosecond(text: str | None, at_ns: int) -> None:
    assert epoch_ns(text) == at_ns


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=40_000)))
def test_any_time_is_read_as_the_standard_library_writes_it(since_epoch: timedelta) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + since_epoch
    assert epoch_ns(moment.isoformat().replace("+00:00", "Z")) == since_epoch // timedelta(microseconds=1) * 1000
