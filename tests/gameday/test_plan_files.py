"""Plans and profiles: every problem at once, each with its line, and never a traceback."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gameday.sources import load_plan, load_profile, packaged
from gameday.yaml_file import read_document
from journal.errors import BadInput, PlanError, ProfileError
from journal.plan import Plan

GOOD = """\
name: mine
load:
  stages:
    - {users: 5, duration_s: 20}
  warm_up_s: 5
"""


def problems_of(text: str, folder: Path) -> list[str]:
    path = folder / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError) as caught:
        load_plan(str(path))
    return [str(problem).replace(f"{path}:", "line ").replace(str(path), "file") for problem in caught.value.problems]


def test_a_small_plan_is_read_with_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)
    plan = load_plan(str(path))
    assert plan.load.stages[0].users == 5
    assert plan.slo.threshold_us == 200_000


@pytest.mark.parametrize("name", sorted(packaged("plan")))
def test_each_packaged_plan_is_valid(name: str) -> None:
    assert isinstance(load_plan(name), Plan)


@pytest.mark.parametrize("name", sorted(packaged("profile")))
def test_each_packaged_profile_is_valid(name: str) -> None:
    assert load_profile(name).name == name


def test_all_problems_are_listed_at_once_with_their_lines(tmp_path: Path) -> None:
    text = "name: x\nlaod: {}\nload:\n  stages:\n    - {users: -5, duration_s: 20}\n    - {users: 3}\n  warm_up_s: a\n"
    assert problems_of(text, tmp_path) == [
        "line 5: load.stages[0].users: input should be greater than or equal to 1, found -5",
        "line 6: load.stages[1].duration_s: is missing",
        "line 7: load.warm_up_s: input should be a valid number, found 'a'",
        "line 2: laod: is not a known key; did you mean load?",
    ]


def test_an_unknown_nested_key_names_its_neighbours(tmp_path: Path) -> None:
    (problem,) = problems_of(GOOD + "  drian_s: 3\n", tmp_path)
    assert problem == "line 6: load.drian_s: is not a known key; did you mean drain_s?"


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "name: is given twice; keep one" in problems_of(GOOD + "name: again\n", tmp_path)[0]


def test_a_warm_up_longer_than_the_load_is_refused(tmp_path: Path) -> None:
    assert "takes the whole load" in problems_of(GOOD.replace("warm_up_s: 5", "warm_up_s: 50"), tmp_path)[0]


def test_a_fault_after_the_end_and_a_repeated_id_are_both_named(tmp_path: Path) -> None:
    faults = "faults:\n  - {id: F1, experiment: a, at_s: 90}\n  - {id: F1, experiment: b, at_s: 1}\n"
    late, twice = problems_of(GOOD + faults, tmp_path)
    assert "F1 begins at 90 s" in late
    assert "F1 is given twice" in twice


STORMY = """\
  storms:
    - {id: S1, kind: reconnect, at_s: 3, connections: [websocket], spread_s: 2}
    - {id: S2, kind: token-expiry, at_s: 9, share: 0.25, tokens: all}
"""


def test_storms_are_part_of_the_load(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD + STORMY)
    plan = load_plan(str(path))
    assert [storm.words for storm in plan.load.storms] == [
        "WebSockets of all users, spread over 2 s",
        "all tokens of 0.25 of the users",
    ]
    assert [(one.id, one.experiment, one.recovery_s) for one in plan.disturbances] == [
        ("S1", "reconnect storm", 15.0),
        ("S2", "token-expiry storm", 15.0),
    ]


def test_what_is_wrong_with_the_fields_of_storms_is_named_with_its_line(tmp_path: Path) -> None:
    text = """\
  storms:
    - {id: S1, kind: rain, at_s: 0.5, share: 0}
    - {id: S2, kind: reconnect, at_s: 3, connections: [], shaer: 1}
    - {kind: reconnect, at_s: 3, connections: [telnet]}
"""
    assert problems_of(GOOD + text, tmp_path) == [
        "line 7: load.storms[0].kind: input should be 'reconnect' or 'token-expiry', found 'rain'",
        "line 7: load.storms[0].at_s: input should be greater than or equal to 1, found 0.5",
        "line 7: load.storms[0].share: input should be greater than 0, found 0",
        "line 8: load.storms[1].connections: is empty; give at least one item",
        "line 8: load.storms[1].shaer: is not a known key; did you mean share?",
        "line 9: load.storms[2].id: is missing",
        "line 9: load.storms[2].connections[0]: input should be 'http' or 'websocket', found 'telnet'",
    ]


def test_storms_that_contradict_themselves_or_the_plan_are_all_named(tmp_path: Path) -> None:
    text = """\
  storms:
    - {id: F1, kind: reconnect, at_s: 90, tokens: all}
    - {id: S2, kind: token-expiry, at_s: 3, connections: [http, http]}
faults:
  - {id: F1, experiment: a, at_s: 1}
"""
    assert problems_of(GOOD + text, tmp_path) == [
        "line 7: load.storms[0].at_s: F1 begins at 90 s, but the load after the warm-up lasts 15 s; begin it earlier",
        "line 7: load.storms[0].tokens: has no meaning for a reconnect storm; remove it, or choose token-expiry",
        "line 8: load.storms[1].connections: has no meaning for a token-expiry storm; remove it, or choose reconnect",
        "line 8: load.storms[1].connections: names the same twice; keep one",
        "line 7: load.storms[0].id: F1 is given twice; give each fault and storm an id of its own",
    ]


OPEN = """\
name: mine
load:
  arrivals:
    process: poisson
    stages:
      - {rate_per_s: 20, duration_s: 30}
      - {rate_per_s: 20, duration_s: 30, shape: {kind: ramp, to: 60}}
  warm_up_s: 5
"""


def test_a_plan_of_arrivals_is_read_with_its_shapes(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(OPEN)
    load = load_plan(str(path)).load
    assert (load.duration_s, load.curve.total, load.curve.highest, load.peak_users) == (60, 1800, 60, 100)
    assert load.words == "20 poisson arrivals/s for 30 s, 20 to 60 poisson arrivals/s for 30 s"


def test_a_load_is_either_of_users_or_of_arrivals(tmp_path: Path) -> None:
    both = OPEN.replace("  warm_up_s", "  stages:\n    - {users: 5, duration_s: 20}\n  warm_up_s")
    assert "not both" in problems_of(both, tmp_path)[0]
    assert "load.stages: is missing" in problems_of("name: x\nload: {}\n", tmp_path)[0]


def test_all_problems_of_shapes_are_named_at_once(tmp_path: Path) -> None:
    stages = """\
    - {users: 5, duration_s: 20, shape: {kind: ramp, to: 500}}
    - {users: 5, duration_s: 20, shape: {kind: sine, amplitude: 4.5, period_s: 20}}
    - {users: 5, duration_s: 20, shape: {kind: spike, to: 50, at_s: 15, for_s: 9}}
"""
    steep, low, late = problems_of(GOOD.replace("    - {users: 5, duration_s: 20}\n", stages), tmp_path)
    assert "users come at 10/s at most, but the shape changes by 24.8/s; raise it to 25" in steep
    assert "falls below one user" in low
    assert "the spike ends after the stage" in late


def test_an_unknown_kind_of_shape_names_those_there_are(tmp_path: Path) -> None:
    (problem,) = problems_of(OPEN.replace("kind: ramp", "kind: hill"), tmp_path)
    assert problem.startswith("line 7: load.arrivals.stages[1].shape.kind: input should be 'constant', 'soak', 'ramp'")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("process: poisson", "process: recorded"), "a recording has its own moments"),
        (("process: poisson", "process: recorded\n    file: none.txt"), "a recording has its own moments"),
        (("process: poisson", "process: constant\n    file: none.txt"), "has no meaning for constant arrivals"),
        (("rate_per_s: 20", "rate_per_s: 20000000"), "1 to 200,000,000 are possible"),
        (("warm_up_s: 5", "warm_up_s: 60"), "takes the whole load"),
        (("process: poisson", "process: poisson\n    max_in_flight: 1"), "2 workers cannot share 1 users"),
    ],
)
def test_arrivals_that_contradict_themselves_are_refused(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    assert said in "\n".join(problems_of(OPEN.replace(*change), tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\x00\xff\xfe\x80binary", "not a text file"),
        (b"a: &a [*a]\n", "aliases are not read here"),
        (b"a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases are not read here"),
        (b"a: [1\n", "is not YAML"),
        (b"- just\n- a list\n", "should be a mapping"),
        (b"hello", "should be a mapping"),
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"name: !!python/object/apply:os.system [id]\n", "is not YAML"),
        (b"x: " + b"y" * 2_000_000, "larger than 1 MiB"),
        (b"name: 2024-13-45\n", "cannot be read"),
    ],
)
def test_files_that_are_no_plan_get_a_clear_message(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=said):
        load_plan(str(path))


def test_a_missing_plan_names_those_that_exist() -> None:
    with pytest.raises(PlanError, match="one of: capacity, cluster, gameday"):
        load_plan("no-such-plan")


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="is a folder"):
        load_plan(str(tmp_path))


def test_a_profile_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("name: x\nbaseurl: http://127.0.0.1\n")
    with pytest.raises(ProfileError, match="did you mean base_url"):
        load_profile(str(path))


@given(st.binary(max_size=300))
def test_no_bytes_whatever_lead_to_another_error_than_bad_input(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    try:
        load_plan(str(path))
    except BadInput as error:
        assert error.problems


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_structure_is_read_or_refused_with_its_lines(tmp_path_factory, data: object) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True))
    try:
        assert read_document(path, PlanError).lines[()] >= 1
    except BadInput as error:
        assert error.problems
