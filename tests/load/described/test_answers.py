"""What a described journey says of an answer, and what it takes from it."""

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.outcomes import Outcome
from journal.profile_journeys import BodyRule, Expected, Extraction, HeaderRule, JsonRule
from load.client.reply import Reply
from load.described.answers import Judge
from load.described.values import Values

ORDER = {
    "id": "o-7",
    "state": "open",
    "total": 12.5,
    "n": 3,
    "paid": False,
    "lines": [{"sku": "a"}, {"sku": "b"}],
    "x": None,
}


def reply(body: Any = ORDER, *, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return Reply(Outcome.OK, 1, status, head.encode(), raw)


def values(**known: Any) -> Values:
    return Values(random.Random(1), known)


def judged(expected: Expected, answer: Reply, extract: dict[str, Extraction] | None = None, **known: Any):
    seen = values(**known)
    return Judge(expected, extract or {}, lambda text: text).judge(answer, seen), seen


def json_is(place: str, **rule: Any) -> Expected:
    return Expected(json={place: JsonRule(**rule)})


@pytest.mark.parametrize(
    ("status", "expected", "outcome"),
    [
        (200, (), Outcome.OK),
        (204, (), Outcome.OK),
        (404, (404,), Outcome.OK),
        (304, (200, 304), Outcome.OK),
        (302, (), Outcome.WRONG_ANSWER),
        (200, (201,), Outcome.WRONG_ANSWER),
        (404, (), Outcome.CLIENT_ERROR),
        (429, (200,), Outcome.LIMITED),
        (503, (), Outcome.SERVER_ERROR),
    ],
)
def test_a_status_is_judged_by_the_list_or_has_to_be_a_success(status, expected, outcome) -> None:
    assert judged(Expected(status=expected), reply(status=status))[0].outcome is outcome


@pytest.mark.parametrize(
    "expected",
    [
        json_is("/id", equals="${order}"),
        json_is("/total", type="number", min=12.5, max=12.5),
        json_is("/n", type="integer", equals=3),
        json_is("/n", equals=3.0),
        json_is("/paid", type="boolean", equals=False),
        json_is("/x", type="null"),
        json_is("/lines", type="array", equals=[{"sku": "a"}, {"sku": "b"}]),
        json_is("/lines/1", type="object", equals={"sku": "b"}),
        json_is("$.lines[*].sku", type="string"),
        json_is("/state", contains="pe"),
        json_is("/lines", contains='"sku":"b"'),
        json_is("/nothing", absent=True),
        json_is("$.none[*]", type="string"),
        Expected(headers={"Content-Type": HeaderRule(contains="json"), "x-served-by": HeaderRule(equals="api-1")}),
        Expected(headers={"x-nothing": HeaderRule(absent=True), "x-served-by": HeaderRule()}),
        Expected(body=BodyRule(contains=("o-7", "${order}"), lacks=("error",), max_bytes=200)),
    ],
)
def test_an_answer_that_is_as_expected_is_ok(expected: Expected) -> None:
    answer, _ = judged(expected, reply(content_type="application/json", x_served_by="api-1"), order="o-7")
    assert (answer.outcome, answer.detail) == (Outcome.OK, "")


@pytest.mark.parametrize(
    ("expected", "detail"),
    [
        (json_is("/id", equals="o-8"), "/id is 'o-7', not 'o-8'"),
        (json_is("/id", equals="${order}"), "/id is 'o-7', not 'o-9'"),
        (json_is("/paid", equals=0), "/paid is False, not 0"),
        (json_is("/n", equals=True), "/n is 3, not True"),
        (json_is("/total", type="integer"), "/total is no integer"),
        (json_is("/paid", type="number"), "/paid is no number"),
        (json_is("/paid", min=0), "/paid is no number"),
        (json_is("/total", min=13), "/total is 12.5, less than 13"),
        (json_is("/total", max=12), "/total is 12.5, more than 12"),
        (json_is("/nothing"), "the answer has no /nothing"),
        (json_is("/id", absent=True), "the answer has a /id"),
        (json_is("/state", contains="closed"), "/state is 'open', without 'closed'"),
        (json_is("$.lines[*].sku", equals="a"), "$.lines[*].sku is 'b', not 'a'"),
        (json_is("/lines/0", equals={"sku": "a", "n": 1}), "/lines/0 is {'sku': 'a'}, not {'sku': 'a', 'n': 1}"),
        (Expected(headers={"X-A": HeaderRule(equals="2")}), "X-A is '1', not '2'"),
        (Expected(headers={"X-A": HeaderRule(contains="2")}), "X-A is '1', without '2'"),
        (Expected(headers={"X-B": HeaderRule()}), "the answer has no header X-B"),
        (Expected(headers={"X-A": HeaderRule(absent=True)}), "the answer has the header X-A"),
        (Expected(body=BodyRule(contains=("bees",))), "the body does not contain 'bees'"),
        (Expected(body=BodyRule(lacks=("open",))), "the body contains 'open'"),
        (Expected(body=BodyRule(max_bytes=10)), f"the body has {len(json.dumps(ORDER))} bytes, more than 10"),
    ],
)
def test_an_answer_that_is_not_as_expected_is_wrong_and_says_how(expected: Expected, detail: str) -> None:
    answer, _ = judged(expected, reply(x_a="1"), order="o-9")
    assert (answer.outcome, answer.detail) == (Outcome.WRONG_ANSWER, detail)


def test_an_answer_is_json_only_where_somebody_wants_json() -> None:
    html = reply(b"<html>\xff")
    assert judged(Expected(), html)[0].ok
    assert judged(json_is("/a"), html)[0].detail == "the answer is no JSON"
    assert judged(Expected(), html, {"a": Extraction(json="/a")})[0].detail == "the answer is no JSON"
    assert judged(json_is("", type="array"), reply([1]))[0].ok


def test_an_answer_nested_too_deeply_is_no_json() -> None:
    assert judged(json_is("/a"), reply(b"[" * 200_000))[0].detail == "the answer is no JSON"


def test_what_the_target_says_of_a_failure_is_told() -> None:
    assert (
        judged(Expected(), reply({"message": "no such order"}, status=404))[0].detail
        == "404 instead of 2xx: no such order"
    )
    assert judged(Expected(status=(200, 201)), reply(b"", status=500))[0].detail == "500 instead of 200 or 201"


def test_an_exchange_without_an_answer_keeps_its_own_outcome() -> None:
    answer, _ = judged(json_is("/a"), Reply(Outcome.CUT, 1, detail="connection closed"))
    assert (answer.outcome, answer.detail) == (Outcome.CUT, "connection closed")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (Extraction(json="/total"), 12.5),
        (Extraction(json="$.lines[-1]"), {"sku": "b"}),
        (Extraction(json="/id", regex=r"o-(\d+)"), "7"),
        (Extraction(json="/n", regex=r"\d"), "3"),
        (Extraction(header="Location"), "/orders/7?x=1"),
        (Extraction(header="location", regex=r"orders/(\d+)"), "7"),
        (Extraction(regex=r'"state": "(\w+)"'), "open"),
    ],
)
def test_a_value_is_taken_from_where_the_step_says(source: Extraction, value: object) -> None:
    answer, seen = judged(Expected(), reply(location="/orders/7?x=1"), {"taken": source})
    assert (answer.ok, seen["taken"]) == (True, value)


def test_one_of_several_is_taken_by_the_chance_of_the_seed() -> None:
    def taken(seed: int) -> list[str]:
        seen = Values(random.Random(seed), {})
        judge = Judge(Expected(), {"sku": Extraction(json="$.lines[*].sku")}, lambda text: text)
        return [(judge.judge(reply(), seen), seen["sku"])[1] for _ in range(20)]

    assert set(taken(1)) == {"a", "b"}
    assert taken(1) == taken(1) != taken(2)


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (Extraction(json="/nothing"), "there is no taken to extract at /nothing"),
        (Extraction(json="$.none[*]"), "there is no taken to extract at $.none[*]"),
        (Extraction(header="location"), "there is no taken to extract at the header location"),
        (Extraction(regex="bees"), "the pattern for taken found nothing in the body"),
        (Extraction(json="/id", regex="x"), "the pattern for taken found nothing in /id"),
    ],
)
def test_a_value_that_is_not_there_makes_the_answer_wrong(source: Extraction, detail: str) -> None:
    answer, seen = judged(Expected(), reply(), {"taken": source})
    assert (answer.outcome, answer.detail) == (Outcome.WRONG_ANSWER, detail)
    assert "taken" not in seen


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    began_s = time.monotonic()
    answer, _ = judged(Expected(), reply(b"a" * 60 + b"!"), {"taken": Extraction(regex=r"^(a|aa)+$")})
    assert answer.detail == "the pattern for taken took longer than 50 ms"
    assert time.monotonic() - began_s < 30  # without the limit it would be years


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_body_whatever_surprises_the_judge(body: bytes, status: int) -> None:
    expected = Expected(json={"/a": JsonRule(type="string", contains="x")}, body=BodyRule(contains=("x",)))
    answer, _ = judged(expected, reply(body, status=status), {"t": Extraction(json="$.a[*]", regex="(x)")})
    assert answer.outcome is not Outcome.OK or b"x" in body


def hidden(expected: Expected, answer: Reply) -> str:
    """What is said of an answer to somebody who hides a secret."""
    return Judge(expected, {}, lambda text: text.replace(SECRET, "(hidden)")).judge(answer, values()).detail


SECRET = "s3cret-of-the-test"


def test_no_part_of_a_secret_is_told_wherever_what_is_told_is_cut() -> None:
    for before in range(0, 100, 3):
        text = "x" * before + SECRET
        lost = Reply(Outcome.CUT, 1, detail=f"connection to {text} broke")
        said = [
            hidden(json_is("/id", equals="o-8"), reply({"id": text})),
            hidden(Expected(headers={"x-a": HeaderRule(equals="1")}), reply(x_a=text)),
            hidden(Expected(), reply({"detail": text}, status=400)),
            hidden(Expected(body=BodyRule(lacks=(text,))), reply({"id": text})),
            hidden(Expected(), lost),
        ]
        assert all(said)
        assert not any(SECRET[:3] in each for each in said)


def test_a_body_may_be_as_long_as_its_limit() -> None:
    for limit, outcome in ((6, Outcome.OK), (5, Outcome.WRONG_ANSWER)):
        assert judged(Expected(body=BodyRule(max_bytes=limit)), reply(b"123456"))[0].outcome is outcome
