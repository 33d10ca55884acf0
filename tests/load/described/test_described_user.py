"""Users that go the way of a profile's journey, as real Locust processes, and what they send."""

import json
import random
import re
import time
import uuid
from dataclasses import replace

from journal.columns import read_columns
from journal.manifest import write_manifest
from journal.outcomes import Kind, Outcome
from journal.plan import ThinkTime
from journal.profile import Profile
from journal.profile_journeys import DataSet, Expected, Extraction, JsonRule, Login, ProfileJourney, RequestStep
from journal.timeline import EventKind
from load.described.requests import Request, Way
from load.described.values import Values
from load.http import Client
from tests.load.conftest import locusts, make_locusts, make_run, target
from tests.load.hostile import answer, serving
from tests.load.test_locust_run import account, events_of

__all__ = ["locusts", "make_locusts", "make_run", "target"]  # fixtures

QUICK = ThinkTime(min_s=0.01, max_s=0.05)
REGISTER = RequestStep(
    method="POST",
    path="/auth/register",
    json={"email": "${user.worker}-${random.uuid}@example.com", "password": "${secrets.password}"},
    extract={"email": Extraction(json="/email")},
)
LOGIN = RequestStep(
    method="POST",
    path="/auth/login",
    json={"email": "${email}", "password": "${secrets.password}"},
    extract={"token": Extraction(json="/access_token")},
)
ME = RequestStep(path="/auth/me", expect=Expected(status=(200,), json={"/email": JsonRule(equals="${email}")}))
AGENTS = RequestStep(path="/mas/api/v1/agents", extract={"agent": Extraction(json="$.agents[*].agent_id")})
RATE = RequestStep(method="POST", path="/performance/record", json={"agent_id": "${agent}", "score": 0.5}, times=0.5)
WRONG = RequestStep(path="/auth/me", name="me as somebody else", expect=Expected(json={"/email": JsonRule(equals="x")}))
SECRET = "a-secret-of-the-described-users"


def hide(text: str) -> str:
    return text


def test_a_run_of_described_journeys_counts_what_the_target_saw_and_asks_nothing_of_aia(
    target, make_run, locusts, monkeypatch
):
    monkeypatch.setenv("DESCRIBED_PASSWORD", SECRET)
    member = ProfileJourney(
        weight=3,
        think_time=QUICK,
        headers={"Authorization": "Bearer ${token}"},
        on_start=Login(steps=(REGISTER, LOGIN), renew_s=1.5),
        steps=(ME, AGENTS, RATE, WRONG, RequestStep(path="/never/reached")),
    )
    guest = ProfileJourney(think_time=QUICK, steps=(RequestStep(path="/health"),))
    run = make_run(target.url, users=8, duration_s=5)
    manifest = run.read_manifest()
    profile = replace(
        manifest.profile, secrets={"password_env": "DESCRIBED_PASSWORD"}, journeys={"member": member, "guest": guest}
    )
    run.manifest.unlink()
    write_manifest(run.manifest, replace(manifest, profile=profile))
    before = target.counters()
    locusts.conducted(run, 2)
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")

    columns, after = read_columns(run.frames), target.counters()
    sent, answered, unfinished = account(columns)
    assert sent == answered == after["load_started"] - before["load_started"] > 50
    assert unfinished == 0
    found = {
        (end.journey, end.name): {outcome for outcome in Outcome if columns.count[row, outcome].sum()}
        for row, end in enumerate(columns.endpoints)
        if end.kind is not Kind.GENERATOR
    }
    assert found == {
        ("member", "GET /auth/me"): {Outcome.OK},
        ("member", "GET /mas/api/v1/agents"): {Outcome.OK},
        ("member", "POST /performance/record"): {Outcome.OK},
        ("member", "me as somebody else"): {Outcome.WRONG_ANSWER},
        ("member", "login renewal"): {Outcome.OK},
        ("guest", "GET /health"): {Outcome.OK},
    }
    rows = {end.name: row for row, end in enumerate(columns.endpoints)}
    times = columns.started[rows["POST /performance/record"]].sum() / columns.started[rows["GET /auth/me"]].sum()
    assert 0.25 < times < 0.75
    assert events_of(run, EventKind.INVARIANT) == []
    assert [path for path in run.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def with_profile(run, **changes):
    """The run with a profile that is changed before anybody has read it."""
    manifest = run.read_manifest()
    run.manifest.unlink()
    write_manifest(run.manifest, replace(manifest, profile=replace(manifest.profile, **changes)))


def emails_in(run, name):
    return [line["detail"] for line in map(json.loads, run.failures.read_text().splitlines()) if line["name"] == name]


def test_no_row_of_test_data_is_used_by_two_users_or_twice_where_it_must_not_be(target, make_run, locusts, tmp_path):
    (tmp_path / "people.csv").write_text("email\n" + "".join(f"p{number}@example.com\n" for number in range(20)))
    data = {
        "people": DataSet(file=str(tmp_path / "people.csv")),
        "tickets": DataSet(rows=tuple({"n": number} for number in range(4000)), mode="once"),
        "colours": DataSet(rows=({"name": "red"}, {"name": "blue"}), mode="random"),
    }
    # the answer that is not as expected tells which values were in the request
    seen = Expected(json={"/status": JsonRule(equals="${people.email} ${tickets.n} ${colours.name} ${user.worker}")})
    step = RequestStep(path="/health", name="seen", expect=seen, think_time=QUICK)
    run = make_run(target.url, users=10, duration_s=3)
    with_profile(run, data=data, journeys={"j": ProfileJourney(steps=(step,))})
    locusts.conducted(run, 2)
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")

    rows = [detail.partition("not '")[2].rstrip("'").split() for detail in emails_in(run, "seen")]
    assert len(rows) > 100
    workers_of = {email: {worker for other, _, _, worker in rows if other == email} for email, _, _, _ in rows}
    assert len(workers_of) == 10
    assert {len(workers) for workers in workers_of.values()} == {1}
    tickets = [int(ticket) for _, ticket, _, _ in rows]
    assert len(set(tickets)) == len(tickets)
    assert {ticket % 2 == int(worker) for (_, ticket, _, worker) in ((a, int(b), c, d) for a, b, c, d in rows)} == {
        True
    }
    assert {colour for _, _, colour, _ in rows} == {"red", "blue"}
    assert b"p1@example.com" not in run.manifest.read_bytes()


def test_data_that_runs_out_ends_the_run_and_says_which(target, make_run, locusts):
    step = RequestStep(path="/health", headers={"x-ticket": "${tickets.n}"}, think_time=QUICK)
    run = make_run(target.url, users=4, duration_s=30)
    tickets = DataSet(rows=tuple({"n": number} for number in range(25)), mode="once")
    with_profile(run, data={"tickets": tickets}, journeys={"j": ProfileJourney(steps=(step,))})
    before = target.counters()
    locusts.conducted(run, 2)
    assert locusts.ended("master") == 2
    assert re.search(
        r"worker-[01]: the test data tickets ran out: each of this worker's 1[23] rows was used once",
        locusts.log("master"),
    )
    assert target.counters()["load_started"] - before["load_started"] <= 25


def test_a_secret_that_is_not_set_ends_the_run_before_a_request(target, make_run, locusts):
    run = make_run(target.url, users=2, duration_s=5)
    manifest = run.read_manifest()
    journey = ProfileJourney(steps=(RequestStep(path="/health", headers={"X-Key": "${secrets.key}"}),))
    run.manifest.unlink()
    profile = replace(manifest.profile, secrets={"key_env": "NEVER_SET_ANYWHERE"}, journeys={"j": journey})
    write_manifest(run.manifest, replace(manifest, profile=profile))
    before = target.counters()
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 2
    assert "NEVER_SET_ANYWHERE: is not set" in locusts.log("master")
    assert target.counters()["load_started"] == before["load_started"]


def send(step: RequestStep, common: dict[str, str] | None = None, **known: object) -> bytes:
    """The request that a step becomes, as a server receives it."""

    def handle(server, connection):
        while server.read_request(connection):
            connection.sendall(answer())

    with serving(handle) as server:
        request = Request(step, common or {}, hide)
        client = Client(server.url, Profile(name="x"))
        client.send(request.method, request.path, **request.filled(Values(random.Random(1), known)))
        client.close()
        return server.requests[0]


def test_a_step_becomes_the_request_that_it_describes():
    step = RequestStep(
        method="PUT",
        path="/users/${id}/notes",
        headers={"x-own": "${n}", "AUTHORIZATION": "own"},
        query={"q": "a ${id}", "n": "${n}", "exact": True},
        json={"n": "${n}", "text": "n is ${n}", "list": ["${list}"], "nothing": None},
    )
    head, _, body = send(step, {"Authorization": "common", "X-All": "1"}, id="a/b ü", n=5, list=[1]).partition(
        b"\r\n\r\n"
    )
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /users/a%2Fb%20%C3%BC/notes?q=a+a%2Fb+%C3%BC&n=5&exact=true HTTP/1.1"
    assert {b"x-own: 5", b"AUTHORIZATION: own", b"X-All: 1", b"Content-Type: application/json"} <= set(lines)
    assert b"common" not in head
    assert json.loads(body) == {"n": 5, "text": "n is 5", "list": [[1]], "nothing": None}


def test_a_form_and_a_text_are_sent_as_what_they_are():
    form = send(RequestStep(method="POST", path="/", form={"a": "${x}", "b": 2}), x="1&2")
    assert b"Content-Type: application/x-www-form-urlencoded" in form
    assert form.endswith(b"a=1%262&b=2")
    text = send(RequestStep(method="POST", path="/", body="hello ${x}", headers={"content-type": "text/plain"}), x="ü")
    assert "content-type: text/plain" in text.decode()
    assert text.endswith("hello ü".encode())


def test_what_is_made_on_demand_is_new_each_time_and_the_same_for_the_same_seed():
    made = Values(random.Random(3), {})
    again = Values(random.Random(3), {})
    first = [made["random.uuid"], made["random.uuid"], made["random.int"]]
    assert len(set(first)) == 3
    assert uuid.UUID(first[0]).version == 4
    assert first == [again["random.uuid"], again["random.uuid"], again["random.int"]]
    assert abs(made["now.ms"] / 1000 - time.time()) < 60
    assert made["now.iso"].endswith("Z")


def test_a_login_does_not_carry_the_headers_that_need_its_token():
    journey = ProfileJourney(headers={"Authorization": "Bearer ${token}"}, on_start=Login(steps=(LOGIN,)), steps=(ME,))
    way = Way(journey, (), QUICK, hide)
    known = Values(random.Random(1), {"email": "e", "secrets.password": "p"})
    assert "headers" not in way.login[0].filled(known)
    known["token"] = "t"
    assert way.steps[0].filled(known)["headers"] == {"Authorization": "Bearer t"}


def test_the_series_of_a_step_names_its_template_and_never_a_value():
    assert RequestStep(path="/users/${users.id}").series == "GET /users/{users.id}"
    assert RequestStep(method="DELETE", path="/", name="clean up").series == "clean up"
