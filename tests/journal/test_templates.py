"""Texts with ${names}: what is a name, what is not, and what becomes of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.templates import Name, Template, TemplateError, as_text, filled, parsed, template_names

VALUES = {"token": "abc", "users.email": "eve@example.com", "n": 7, "list": [1, "ä"], "none": None, "yes": True}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("Bearer ${token}", "Bearer abc"),
        ("${token}${token}", "abcabc"),
        ("n=${n} ${yes} ${none}", "n=7 true null"),
        ("all: ${list}", 'all: [1,"ä"]'),
        ("${users.email}", "eve@example.com"),
        ("costs 5 $ or $n or $$", "costs 5 $ or $n or $$"),
        ("$${token}", "${token}"),
        ("$${${token}", "${abc"),
        ("", ""),
        ("}{", "}{"),
    ],
)
def test_a_text_is_filled_with_its_values(text: str, becomes: str) -> None:
    assert Template.parse(text).text(VALUES) == becomes


@pytest.mark.parametrize("text", ["${", "a ${token", "${}", "${a b}", "${a.b.c}", "${1a}", "${.a}", "${a.}", "${${a}}"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        Template.parse(text)


def test_a_text_that_is_one_name_keeps_the_type_of_its_value_and_any_other_is_a_text() -> None:
    body = parsed({"amount": "${n}", "said": "${n} bees", "on": "${yes}", "deep": ["${list}", 5, None]})
    assert filled(body, VALUES) == {"amount": 7, "said": "7 bees", "on": True, "deep": [[1, "ä"], 5, None]}


def test_the_names_of_a_structure_are_found_wherever_they_stand() -> None:
    assert template_names(parsed({"a": ["${x}", {"b": "${y.z} ${x}"}], "c": 1})) == ["x", "y.z", "x"]


def test_a_series_is_called_after_the_names_and_not_after_the_values() -> None:
    assert Template.parse("/users/${id}/orders/${users.email}").placeholders() == "/users/{id}/orders/{users.email}"


@given(st.text() | st.lists(st.sampled_from(["$", "{", "}", "a", ".", " "])).map("".join))
def test_any_text_is_refused_with_a_reason_or_taken_apart_without_loss(text: str) -> None:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        assert str(error)
    else:
        spelled = [f"${{{part.text}}}" if isinstance(part, Name) else part for part in template.parts]
        assert "".join("$${" if part == "${" else part for part in spelled) == text


@given(st.text())
def test_a_text_whose_every_mark_is_escaped_comes_out_as_it_was(text: str) -> None:
    # in `$${` the first `$` escapes, so a text that ends in `$` before `${` has no escaped form of its own
    if "$${" not in text:
        assert parsed(text.replace("${", "$${")) == text


@given(json_values)
def test_a_structure_without_marks_is_left_as_it_is(value: object) -> None:
    if "${" not in json.dumps(value, ensure_ascii=False):
        assert filled(parsed(value), {}) == value


def test_texts_stand_as_they_are_and_everything_else_as_json() -> None:
    assert [as_text(value) for value in ("a", 1.5, False, None, {"a": [1]})] == [
        "a",
        "1.5",
        "false",
        "null",
        '{"a":[1]}',
    ]
