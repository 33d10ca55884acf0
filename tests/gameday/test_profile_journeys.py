"""Journeys in a profile: every problem at once with its line, and what `gameday check` makes of them."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gameday.cluster.data_files import data_files
from gameday.cluster.starting import credential_names
from gameday.forecast import describe_journeys
from gameday.preflight import check_plan
from gameday.sources import load_profile
from journal.data_rows import MOST_BYTES
from journal.errors import PlanError, ProfileError
from journal.plan import Load, Plan, Stage, ThinkTime
from journal.profile import AIA_MIX, Profile, planned_mix, with_planned_mix
from journal.records import from_json, to_json

GOOD = """\
name: shop
secrets: {password_env: SHOP_PASSWORD}
journeys:
  buyer:
    weight: 3
    variables: {coupon: none}
    headers: {Authorization: "Bearer ${token}"}
    on_start:
      steps:
        - method: POST
          path: /login
          json: {password: "${secrets.password}", id: "${random.uuid}"}
          extract: {token: {json: /token}}
    steps:
      - path: /items
        query: {page: 1, q: "${coupon}"}
        extract: {item: {json: "$.items[*].id"}}
      - {path: "/items/${item}", times: 0.5, extract: {coupon: {regex: "C[0-9]+"}}}
      - {method: POST, path: /orders, form: {item: "${item}", coupon: "${coupon}"}, expect: {status: [201]}}
"""
STEP = """\
name: shop
journeys:
  buyer:
    steps:
      - """
PLAN = Plan(name="p", load=Load(stages=(Stage(users=10, duration_s=60),), think_time=ThinkTime(min_s=1, max_s=2)))


def profile_of(text: str, folder: Path) -> Profile:
    (folder / "profile.yaml").write_text(text)
    return load_profile(str(folder / "profile.yaml"))


def problems_of(text: str, folder: Path) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        profile_of(text, folder)
    return [str(problem).replace(f"{folder / 'profile.yaml'}:", "") for problem in caught.value.problems]


def test_a_profile_with_journeys_is_read_and_survives_the_manifest(tmp_path: Path) -> None:
    profile = profile_of(GOOD, tmp_path)
    assert [step.series for step in profile.journeys["buyer"].steps] == [
        "GET /items",
        "GET /items/{item}",
        "POST /orders",
    ]
    assert from_json(Profile, to_json(profile), "profile") == profile


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{path: items}", "5: journeys.buyer.steps[0].path: 'items' should begin with /"),
        ("{path: '/a?b=c'}", "holds a ? or #; write what follows under `query`"),
        ("{path: '/a/{id}'}", "holds a blank or a brace; a value is written ${name}"),
        ("{path: '/a b'}", "holds a blank or a brace"),
        ("{path: /ä}", "holds characters beyond ASCII"),
        ("{path: '/${item}'}", "nobody makes ${item} before this; known are: now.iso"),
        ("{path: '/${'}", "has a ${ that is never closed"),
        ("{path: /, query: {a: '${random.uid}'}}", "known are: random.int, random.uuid"),
        ("{path: /, query: {a: [1, 2]}}", "should be a text, a number or a truth value, not [1, 2]"),
        ("{path: /, json: {a: [{b: '${c}'}]}}", "journeys.buyer.steps[0].json: nobody makes ${c}"),
        ("{path: /, json: {}, body: x}", "has json and body; a request has one body"),
        ("{path: /, headers: {'a b': x}}", "is no name of a header"),
        ("{path: /, method: POST, websocket: [{name: a}]}", "steps[0].method: has no meaning for a WebSocket"),
        ("{path: /, extract: {a: {header: b}}, websocket: [{name: a}]}", "steps[0].extract: has no meaning for a WebS"),
        ("{path: /, websocket: [{name: a, send: '${b}'}]}", "websocket[0].send: nobody makes ${b} before this"),
        ("{path: /, websocket: [{name: a, expect: {/x: {min: 2, max: 1}}}]}", "min is above max"),
        ("{path: /, websocket: [{name: a, extract: {b: {header: c}}}]}", "a message has none"),
        ("{path: /, websocket: [{name: a, times: 0}]}", "should be greater than or equal to 1"),
        ("{path: /, websocket: [{send: a}]}", "websocket[0].name: is missing"),
        ("{path: /, websocket: [{name: a, sned: b}]}", "is not a known key; did you mean send?"),
        ("{path: /, headers: {Host: x}}", "is set by the client itself"),
        ('{path: /, headers: {A: "x\\ny"}}', "holds a line break"),
        ("{path: /, think_time: {min_s: 2, max_s: 1}}", "think_time: min_s is above max_s"),
        ("{path: /, expect: {json: {a: {}}}}", "expect.json.a: 'a' names no place: write /a/b or $.a.b"),
        ("{path: /, expect: {json: {/a: {min: 2, max: 1}}}}", "min is above max"),
        ("{path: /, expect: {json: {/a: {absent: true, equals: 1}}}}", "is to be absent and something else"),
        ("{path: /, expect: {json: {/a: {equals: ['${b}']}}}}", "nobody makes ${b}"),
        ("{path: /, expect: {headers: {a: {absent: true, equals: x}}}}", "is to be absent and something else"),
        ("{path: /, expect: {body: {lacks: ['${b}']}}}", "nobody makes ${b}"),
        ("{path: /, expect: {status: 200}}", "expect.status: should be a list, not 200"),
        ("{path: /, expect: {status: [99]}}", "greater than or equal to 100, found 99"),
        ("{path: /, extract: {a: {}}}", "does not say where it is taken from"),
        ("{path: /, extract: {a: {json: /a, header: b}}}", "is taken from the JSON and from a header"),
        ("{path: /, extract: {a: {regex: '('}}}", "extract.a.regex: is no pattern"),
        ("{path: /, extract: {a: {json: $..a}}}", "extract.a.json: '..a' cannot be read"),
        ("{path: /, extract: {a.b: {json: /a}}}", "is no name that a template could use"),
        ("{path: /, methdo: GET}", "methdo: is not a known key; did you mean method?"),
        ("{path: /, method: FETCH}", "method: input should be 'GET'"),
        ("{path: /, times: 0}", "steps: holds no request that ever happens"),
        ("{path: /, times: -1}", "greater than or equal to 0, found -1"),
    ],
)
def test_a_step_that_cannot_be_done_is_refused_with_its_line(step: str, said: str, tmp_path: Path) -> None:
    (problem,) = problems_of(STEP + step + "\n", tmp_path)
    assert problem.startswith(("5: journeys.buyer.steps", "4: journeys.buyer.steps: holds"))
    assert said in problem


def test_all_problems_are_told_at_once_those_of_single_fields_and_those_of_the_whole(tmp_path: Path) -> None:
    text = """\
name: shop
nmae: x
secrets: {password: hunter2!, key_env: "not a name!"}
journeys:
  Buyer:
    steps: [{path: "/${a}"}]
  broken:
    steps: [{path: 5}]
  login:
    on_start: {steps: [{path: /x, times: 2, think_time: {min_s: 0, max_s: 0}}]}
    variables: {a b: 1, c: "${d}"}
    steps: [{path: "/y${b}", times: 0.5, extract: {late: {json: ""}}}, {path: "/${late}"}]
"""
    problems = problems_of(text, tmp_path)
    wanted = [
        "8: journeys.broken.steps[0].path: input should be a valid string, found 5",
        "2: nmae: is not a known key; did you mean name?",
        "3: secrets.password: should end in _env",
        "3: secrets.password: is not the name of an environment variable",
        "3: secrets.key_env: is not the name of an environment variable",
        "5: journeys.Buyer: is no name for a journey",
        "6: journeys.Buyer.steps[0].path: nobody makes ${a} before this",
        "11: journeys.login.variables.a b: is no name that a template could use",
        "11: journeys.login.variables.c: is a constant",
        "10: journeys.login.on_start.steps[0].times: has no meaning in a login",
        "10: journeys.login.on_start.steps[0].think_time: has no meaning in a login",
        "12: journeys.login.steps[0].path: nobody makes ${b} before this",
        "12: journeys.login.steps[1].path: ${late} is extracted by a request that does not happen in each pass",
    ]
    assert [
        (problem, start) for problem, start in zip(problems, wanted, strict=True) if not problem.startswith(start)
    ] == []
    assert "hunter2" not in "".join(problems)


def test_what_a_login_extracts_is_known_to_the_steps_and_the_headers_but_not_before(tmp_path: Path) -> None:
    early = GOOD.replace('id: "${random.uuid}"', 'id: "${token}"')
    assert problems_of(early, tmp_path)[0].startswith(
        "12: journeys.buyer.on_start.steps[0].json: nobody makes ${token}"
    )


def test_a_plan_without_a_mix_runs_the_journeys_of_the_profile_by_their_weights(tmp_path: Path) -> None:
    assert planned_mix(PLAN, profile_of(GOOD, tmp_path)) == {"buyer": 3}
    assert planned_mix(PLAN, Profile(name="aia")) == AIA_MIX
    chosen = Plan(name="p", load=Load(stages=PLAN.load.stages, mix={"auth": 1}))
    assert planned_mix(chosen, profile_of(GOOD, tmp_path)) == {"auth": 1}


def test_the_forecast_counts_each_request_and_the_pause_after_it(tmp_path: Path) -> None:
    (buyer,) = [found for found in describe_journeys(profile_of(GOOD, tmp_path)) if found.name == "buyer"]
    assert buyer.requests == {"GET /items": 1, "GET /items/{item}": 0.5, "POST /orders": 1}
    assert (buyer.think_pauses, buyer.waiting_s) == (2.5, 0)
    slow = GOOD.replace("weight: 3", "weight: 3\n    think_time: {min_s: 4, max_s: 6}")
    (buyer,) = [found for found in describe_journeys(profile_of(slow, tmp_path)) if found.name == "buyer"]
    assert (buyer.think_pauses, buyer.waiting_s) == (0, 12.5)


def test_a_journey_with_the_name_of_one_of_ours_is_refused(tmp_path: Path) -> None:
    profile = profile_of(GOOD.replace("buyer:", "auth:"), tmp_path)
    with pytest.raises(PlanError, match="a journey of this name comes with the harness"):
        check_plan(PLAN, profile, describe_journeys(profile))


def test_readiness_is_that_of_aia_unless_the_profile_has_journeys_or_says_otherwise(tmp_path: Path) -> None:
    assert Profile(name="aia").readiness == "/ready"
    assert profile_of(GOOD, tmp_path).readiness == ""
    assert profile_of(GOOD + "ready_path: /healthz\n", tmp_path).readiness == "/healthz"


def test_secrets_travel_into_a_cluster_with_the_credentials(tmp_path: Path) -> None:
    assert "SHOP_PASSWORD" in credential_names(profile_of(GOOD, tmp_path))


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(["${a}", "/a", "GET"]),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text() | st.sampled_from(["steps", "path", "expect", "json", "extract", "on_start"]), inner
            )
        ),
    )
)
def test_any_structure_of_a_journey_is_read_or_refused_with_a_reason(tmp_path_factory, journey: object) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "journeys": {"j": journey}}, allow_unicode=True))
    try:
        load_profile(str(path))
    except ProfileError as error:
        assert error.problems


DATA = """\
name: shop
data:
  people: {file: people.csv}
  orders: {rows: [{id: 1}, {id: 2}], mode: once}
journeys:
  j:
    on_start: {steps: [{path: /login, json: {email: "${people.email}"}}]}
    steps: [{path: "/orders/${orders.id}", query: {again: "${people.email}"}}]
"""


def people(folder: Path, number: int = 10) -> None:
    (folder / "people.csv").write_text("email\n" + "".join(f"p{n}@x\n" for n in range(number)))


def test_test_data_lies_beside_the_profile_and_its_columns_are_names(tmp_path: Path) -> None:
    people(tmp_path)
    profile = profile_of(DATA, tmp_path)
    assert profile.data["people"].file == str(tmp_path / "people.csv")
    assert data_files(str(tmp_path / "profile.yaml"), profile) == {"people.csv": (tmp_path / "people.csv").read_text()}
    assert "p1@x" not in str(to_json(profile))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("file: people.csv", "file: nobody.csv"), "nobody.csv: cannot be read: No such file"),
        (("file: people.csv", "file: people.xlsx"), "people.xlsx: is neither .csv nor .jsonl"),
        (
            ("{file: people.csv}", "{file: people.csv, rows: [{email: x}]}"),
            "3: data.people: has to have either a file or",
        ),
        (("{file: people.csv}", "{}"), "3: data.people: has to have either a file or"),
        (("[{id: 1}, {id: 2}]", "[{id: 1}, {no: 2}]"), "4: data.orders.rows[1]: has other keys than the first row"),
        (('people.email}"}}]', 'people.name}"}}]'), "nobody makes ${people.name} before this; known are: people"),
        (('people.email}"}}]', 'orders.id}"}}]'), "on_start: uses orders, of which each pass takes a row of its own"),
        (("mode: once", "mode: twice"), "data.orders.mode: input should be 'unique', 'once' or 'random'"),
    ],
)
def test_test_data_that_cannot_be_used_is_refused(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    people(tmp_path)
    (problem,) = problems_of(DATA.replace(*change, 1), tmp_path)
    assert said in problem


def test_the_names_of_test_data_are_not_those_that_templates_have_already(tmp_path: Path) -> None:
    text = DATA.replace("orders:", "random:", 1).replace("orders.id", "random.id")
    people(tmp_path)
    assert "4: data.random: is no name for test data" in problems_of(text, tmp_path)[0]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email\n" + "x" * MOST_BYTES)
    assert "is too large: all test data together may have 8 MiB" in problems_of(DATA, tmp_path)[0]


def test_fewer_rows_than_users_are_refused_before_the_start(tmp_path: Path) -> None:
    people(tmp_path, 9)
    profile = profile_of(DATA, tmp_path)
    with pytest.raises(PlanError, match=r"data.people: has 9 rows for 10 users, shared by 2 workers; give at least 10"):
        check_plan(with_planned_mix(PLAN, profile), profile, describe_journeys(profile))
    people(tmp_path, 10)
    check_plan(with_planned_mix(PLAN, profile), profile, describe_journeys(profile))


def test_test_data_that_could_not_lie_beside_the_profile_in_a_cluster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    people(tmp_path / "more")
    profile = profile_of(DATA.replace("people.csv", "more/people.csv"), tmp_path)
    with pytest.raises(ProfileError, match="does not lie beside the profile"):
        data_files(str(tmp_path / "profile.yaml"), profile)
    (tmp_path / "people.csv").write_text("email\n" + "p@x\n" * 300_000)
    with pytest.raises(ProfileError, match="has more than 768 KiB"):
        data_files(str(tmp_path / "profile.yaml"), profile_of(DATA, tmp_path))


def test_the_tokens_of_a_login_are_values_that_it_extracts_and_the_journey_uses(tmp_path: Path) -> None:
    good = GOOD.replace("    on_start:\n", "    on_start:\n      tokens: [token]\n")
    profile = profile_of(good, tmp_path)
    assert profile.journeys["buyer"].on_start.tokens == ("token",)
    (described,) = [journey for journey in describe_journeys(profile) if journey.name == "buyer"]
    assert described.holds_login
    unused = "extract: {token: {json: /token}, id: {json: /id}}"
    bad = good.replace("[token]", "[id, tokn]").replace("extract: {token: {json: /token}}", unused)
    assert problems_of(bad, tmp_path) == [
        "9: journeys.buyer.on_start.tokens[0]: no request of the journey uses ${id}; remove it",
        "9: journeys.buyer.on_start.tokens[1]: the login extracts no tokn; it extracts: id, token",
    ]


TALKATIVE = """\
name: shop
journeys:
  watcher:
    on_start: {steps: [{path: /, websocket: [{name: a}]}]}
    steps:
      - path: /live
        times: 2
        websocket:
          - {name: hello, send: {type: hello}, expect: {/type: {equals: welcome}}, extract: {id: {json: /id}}}
          - {name: price, times: 5}
      - {path: "/orders/${id}"}
"""


def test_what_a_websocket_brings_can_be_used_afterwards_and_a_login_has_none(tmp_path: Path) -> None:
    assert problems_of(TALKATIVE, tmp_path) == [
        "4: journeys.watcher.on_start.steps[0].websocket: has no meaning in a login; open it in a step of the journey"
    ]


def test_the_forecast_counts_no_message_as_a_request_but_pauses_after_each_answer(tmp_path: Path) -> None:
    good = TALKATIVE.replace("    on_start: {steps: [{path: /, websocket: [{name: a}]}]}\n", "")
    profile = profile_of(good, tmp_path)
    watch = profile.journeys["watcher"].steps[0]
    assert watch.operations == {"WS /live": 2.0, "WS hello": 2.0, "WS price": 10.0}
    (described,) = [journey for journey in describe_journeys(profile) if journey.name == "watcher"]
    assert described.requests == {"GET /orders/{id}": 1.0}
    assert described.think_pauses == 2 * 2 + 1
    assert described.opens_websockets
    assert from_json(Profile, to_json(profile), "profile") == profile
