"""Records survive the way to JSON and back, and every problem of a bad one is named with its place."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from journal.errors import RunDirectoryError
from journal.records import from_json, parsed, to_json


@dataclass(frozen=True)
class Part:
    name: str
    share: float = 0.5


@dataclass(frozen=True)
class Whole:
    number: int
    parts: tuple[Part, ...]
    mode: Literal["fast", "slow"] = "fast"
    note: str | None = None
    by_name: dict[str, Part] = field(default_factory=dict)
    anything: Any = None
    switch: bool = False


WHOLE = Whole(1, (Part("a"), Part("b", 1.0)), note="n", by_name={"c": Part("c")}, anything={"deep": [1]}, switch=True)


def test_a_record_comes_back_as_it_was() -> None:
    assert from_json(Whole, to_json(WHOLE), "whole") == WHOLE


def test_an_unknown_key_is_ignored_so_that_newer_writers_can_be_read() -> None:
    assert from_json(Part, {"name": "a", "later": 1}, "part") == Part("a")


def test_a_whole_number_will_do_for_a_fraction() -> None:
    assert from_json(Part, {"name": "a", "share": 1}, "part").share == 1


def test_all_problems_are_listed_each_with_its_place() -> None:
    data = {"parts": [{"name": 1}, {"share": "half"}, 3], "mode": "warp", "by_name": {"c": None}, "switch": 1}
    with pytest.raises(RunDirectoryError) as caught:
        from_json(Whole, data, "whole")
    assert [problem.where for problem in caught.value.problems] == [
        "whole.number",
        "whole.parts[0].name",
        "whole.parts[1].name",
        "whole.parts[1].share",
        "whole.parts[2]",
        "whole.mode",
        "whole.by_name.c",
        "whole.switch",
    ]


@pytest.mark.parametrize("number", [True, 1.5, 2**63, "1", None])
def test_only_integers_of_64_bits_are_integers(number: object) -> None:
    assert parsed(Whole, {"number": number, "parts": []}) is None


@pytest.mark.parametrize("share", [float("inf"), float("nan"), 10**400, False])
def test_only_finite_numbers_are_fractions(share: object) -> None:
    assert parsed(Part, {"name": "a", "share": share}) is None


def test_what_is_no_object_is_no_record() -> None:
    assert parsed(Part, ["name"]) is None
