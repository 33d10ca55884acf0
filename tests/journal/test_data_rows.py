"""Test data: which files can be read, and that no row ever has two owners."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.data_rows import dealt, rows_in
from journal.errors import Problem
from journal.profile_journeys import DataSet

names = st.from_regex(r"[a-z_][a-z0-9_-]{0,8}", fullmatch=True)
# a line of CSV that is empty, or whose one field is empty, cannot be told from no line
cells = st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(lambda cell: cell.strip() != "")


def read(path: str, text: str) -> tuple[list[dict[str, object]], list[str]]:
    problems: list[Problem] = []
    return [dict(row) for row in rows_in(path, text, problems)], [str(problem) for problem in problems]


def test_a_csv_file_has_its_columns_in_the_first_line() -> None:
    text = '\ufeffemail,full-name\r\na@x,"Eve, ""the"" hacker"\r\n\r\nb@x,two\nlines\n'
    rows, problems = read("f.csv", text.replace("two\nlines", '"two\nlines"'))
    assert rows == [{"email": "a@x", "full-name": 'Eve, "the" hacker'}, {"email": "b@x", "full-name": "two\nlines"}]
    assert problems == []


def test_json_lines_keep_their_types() -> None:
    assert read("f.jsonl", '{"n": 1, "deep": {"a": []}}\n\n{"deep": null, "n": "x"}\n') == (
        [{"n": 1, "deep": {"a": []}}, {"deep": None, "n": "x"}],
        [],
    )


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("f.csv", "a,b\n1,2\n1,2,3\n4\n", ["f.csv:3: has 3 fields, and there are 2 columns", "f.csv:4: has 1 fields"]),
        ("f.csv", "a,a\n1,2\n", ["f.csv:1: the column a is given twice", "f.csv:1: the column a is given twice"]),
        ("f.csv", "a b,2c\n1,2\n", ["f.csv:1: 'a b' is no name of a column", "f.csv:1: '2c' is no name of a column"]),
        ("f.csv", 'a\n"open\n', ["f.csv:2: is no CSV"]),
        ("f.csv", "a,b\n", ["f.csv: holds no rows"]),
        (
            "f.jsonl",
            '{"a": 1}\n[1]\n{"b": 1}\nx\n',
            ["f.jsonl:2: is no JSON object", "f.jsonl:3: has other keys", "f.jsonl:4"],
        ),
        ("f.jsonl", "{}\n", ["f.jsonl:1: has no columns"]),
        ("f.jsonl", "[" * 100_000, ["f.jsonl:1: is no JSON object"]),
    ],
)
def test_each_line_that_cannot_be_used_is_named(path: str, text: str, said: list[str]) -> None:
    _, problems = read(path, text)
    assert [
        (problem, begin) for problem, begin in zip(problems, said, strict=True) if not problem.startswith(begin)
    ] == []


def test_of_many_bad_lines_the_first_ten_are_named_and_the_rest_counted() -> None:
    _, problems = read("f.jsonl", "x\n" * 1000)
    assert len(problems) == 11
    assert problems[-1] == "f.jsonl: 990 more lines cannot be used"


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data())
def test_whatever_a_csv_writer_writes_is_read_back(columns: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, cells)), min_size=1))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)
    assert read("f.csv", file.getvalue()) == (rows, [])


@given(st.lists(st.dictionaries(st.just("a"), st.text() | st.integers(), min_size=1), min_size=1))
def test_whatever_json_writes_is_read_back(rows: list[dict[str, object]]) -> None:
    assert read("f.jsonl", "\n".join(map(json.dumps, rows))) == (rows, [])


@given(
    st.text() | st.lists(st.sampled_from(["a", ",", "\n", '"', "{", "}", ":"])).map("".join),
    st.sampled_from([".csv", ".jsonl"]),
)
def test_any_text_is_rows_or_named(text: str, ending: str) -> None:
    rows, problems = read("f" + ending, text)
    assert rows or problems


@given(st.integers(0, 50), st.integers(1, 8), st.sampled_from(["unique", "once"]))
def test_every_row_has_one_owner_and_shares_differ_by_one_at_most(count: int, workers: int, mode: str) -> None:
    rows = [{"n": number} for number in range(count)]
    shares = [dealt(DataSet(mode=mode), rows, index, workers) for index in range(workers)]
    assert sorted(row["n"] for share in shares for row in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    # one that comes instead of a lost worker must not take rows that the others have
    assert dealt(DataSet(mode=mode), rows, workers, workers) == []


def test_rows_taken_by_chance_are_everybodys() -> None:
    rows = [{"n": 1}, {"n": 2}]
    assert dealt(DataSet(mode="random"), rows, 5, 2) == rows
