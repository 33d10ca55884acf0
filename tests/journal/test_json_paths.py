"""Places in JSON: the examples of RFC 6901, the part of JSONPath that is read, and everything else refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.json_paths import JsonPath, PathError

RFC_6901 = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
SHOP = {"items": [{"id": "a", "price": 1}, {"id": "b"}], "total": 2, "by-name": {"x y": None, "0": "zero"}}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC_6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_rfc_6901_are_found(pointer: str, value: object) -> None:
    assert JsonPath.parse(pointer).find(RFC_6901) == [value]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$", [SHOP]),
        ("$.total", [2]),
        ("$.items[0].id", ["a"]),
        ("$.items[-1].id", ["b"]),
        ("$.items[*].id", ["a", "b"]),
        ("$.items[*].price", [1]),
        ("$.by-name['x y']", [None]),
        ("$['by-name'].*", [None, "zero"]),
        ("/by-name/0", ["zero"]),
        ("$.items[2]", []),
        ("$.items[-3]", []),
        ("$.items.0", None),
        ("$.total.x", []),
        ("/items/-", []),
        ("/items/00", []),
        ("/items/-1", []),
        ("/nothing/at/all", []),
    ],
)
def test_a_path_finds_what_is_there_and_nothing_else(path: str, values: list[object] | None) -> None:
    if values is None:
        with pytest.raises(PathError):
            JsonPath.parse(path)
    else:
        assert JsonPath.parse(path).find(SHOP) == values


@pytest.mark.parametrize(
    "text", ["items", "a/b", "/a~2", "/a~", "$items", "$..a", "$.a[", "$.a[x]", "$.a[1:2]", "$[?(@)]", "$."]
)
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        JsonPath.parse(text)


@given(st.lists(st.text()), st.integers())
def test_whatever_lies_along_keys_is_found_by_their_pointer(keys: list[str], value: int) -> None:
    document: object = value
    for key in reversed(keys):
        document = {key: document}
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    assert JsonPath.parse(pointer).find(document) == [value]


@given(
    st.text(), st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_text_is_a_place_or_refused_and_no_document_surprises_it(text: str, document: object) -> None:
    try:
        found = JsonPath.parse(text).find(document)
    except PathError as error:
        assert str(error)
    else:
        assert len(found) <= 1 or JsonPath.parse(text).many
