"""A profile of a cluster is held against what may be loaded and broken; a plan's faults need a way to the target."""

from dataclasses import replace
from pathlib import Path

import pytest

from gameday.forecast import JourneyForecast
from gameday.preflight import check_plan, check_profile
from gameday.sources import load_profile
from journal.errors import PlanError, ProfileError
from journal.plan import Load, Plan, PlannedFault, Stage
from journal.plan_storms import Storm
from journal.profile import Cluster, Platform, Profile, Toxiproxy

KUBERNETES = load_profile("kubernetes")
FAULT = PlannedFault(id="F1", experiment="kill-api-pod", at_s=1)
PLAN = Plan(name="p", load=Load(stages=(Stage(users=1, duration_s=60),), mix={}), faults=(FAULT,))


def with_platform(**changes: object) -> Profile:
    return replace(KUBERNETES, platform=replace(KUBERNETES.platform, **changes))


def test_the_packaged_profile_of_a_cluster_is_sound_and_a_plan_may_have_faults() -> None:
    check_profile(KUBERNETES)
    check_plan(PLAN, KUBERNETES, [])


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (replace(KUBERNETES, base_url=None), "base_url: is missing"),
        (replace(KUBERNETES, base_url="http://elsewhere:1"), "elsewhere is not among allowed_hosts"),
        (with_platform(state_file="state.json"), "platform.state_file: is for a target on this machine"),
        (with_platform(cluster=Cluster(namespace="kube-system")), "kube-system is not among allowed_namespaces"),
        (with_platform(cluster=Cluster(namespace="../nodes")), "platform.cluster.namespace: '../nodes' cannot be one"),
        (with_platform(cluster=Cluster(prometheus_url="http://me:pw@prometheus:9090")), "prometheus_url: holds a user"),
        (with_platform(cluster=Cluster(toxiproxy=Toxiproxy(url="http://pw@proxy:8474/x"))), "toxiproxy.url: holds a"),
    ],
)
def test_a_profile_of_a_cluster_that_contradicts_itself_is_refused(profile: Profile, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        check_profile(profile)
    assert said in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_file_of_authorities_has_to_be_where_the_load_comes_from(tmp_path: Path) -> None:
    here = replace(KUBERNETES, platform=Platform(kind="none"), ca_file=str(tmp_path / "authority.pem"))
    with pytest.raises(ProfileError, match=r"ca_file: .* cannot be read: No such file .* name a PEM file"):
        check_profile(here)
    (tmp_path / "authority.pem").write_text("no certificate")
    with pytest.raises(ProfileError, match=r"ca_file: .* cannot be read"):
        check_profile(here)
    check_profile(replace(here, platform=KUBERNETES.platform))


def test_faults_without_a_way_to_the_target_are_refused() -> None:
    profile = replace(KUBERNETES, platform=Platform(kind="none"))
    with pytest.raises(PlanError) as caught:
        check_plan(PLAN, profile, [])
    assert "set platform.kind to kubernetes" in str(caught.value)


TOOLS = JourneyForecast("tools", 1, 0, {"MCP tools/list": 1, "MCP tools/call echo": 1})
READERS = JourneyForecast("readers", 1, 0, {"GET /books/{id}": 1, "GET /shelves": 1, "start": 1})


@pytest.mark.parametrize(
    ("paths", "lacking"),
    [
        ({}, {}),
        ({"/mcp": "/v2/mcp"}, {}),
        ({"DELETE /books/{id}": ""}, {}),
        ({"/mcp": ""}, {"tools": "/mcp"}),
        ({"GET /books/{id}": ""}, {"readers": "/books/{id}"}),
        ({"/books/{id}": "", "/shelves": "", "/mcp": ""}, {"readers": "/books/{id}, /shelves", "tools": "/mcp"}),
        ({"/books/{id}": "", "GET /books/{id}": "/b/{id}"}, {}),
    ],
)
def test_a_journey_that_needs_what_the_target_does_not_have_is_refused(
    paths: dict[str, str], lacking: dict[str, str]
) -> None:
    plan = replace(PLAN, faults=(), load=replace(PLAN.load, mix={"tools": 1, "readers": 1}))
    profile = replace(KUBERNETES, paths=paths)
    said = []
    try:
        check_plan(plan, profile, [TOOLS, READERS])
    except PlanError as error:
        said = [str(problem) for problem in error.problems]
    assert sorted(said) == [
        f"plan: load.mix.{name}: needs {path}, which this target does not have, as the profile's paths say; "
        "leave it out of the mix, or name the path"
        for name, path in sorted(lacking.items())
    ]


def test_a_journey_that_does_not_run_may_need_what_there_is_not() -> None:
    plan = replace(PLAN, faults=(), load=replace(PLAN.load, mix={"tools": 0, "readers": 1}))
    check_plan(plan, replace(KUBERNETES, paths={"/mcp": ""}), [TOOLS, READERS])


def storm_problems(*storms: Storm, mix: dict[str, int]) -> list[str]:
    plan = replace(PLAN, faults=(), load=replace(PLAN.load, mix=mix, storms=storms))
    try:
        check_plan(plan, KUBERNETES, [replace(TOOLS, holds_login=True, opens_websockets=True), READERS])
    except PlanError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_storm_that_would_find_nothing_to_take_is_refused() -> None:
    storms = (
        Storm(id="S1", kind="reconnect", at_s=1.0),
        Storm(id="S2", kind="token-expiry", at_s=2.0),
        Storm(id="S3", kind="reconnect", at_s=3.0, connections=("websocket",)),
    )
    assert storm_problems(*storms, mix={"tools": 1, "readers": 1}) == []
    assert storm_problems(*storms, mix={"tools": 0, "readers": 1}) == [
        "plan: load.storms[1]: no journey of the mix keeps a login that could expire; "
        "add one that does; in a profile, name the on_start.tokens of its login",
        "plan: load.storms[2].connections: no journey of the mix opens a WebSocket; add one, or http",
    ]
