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
