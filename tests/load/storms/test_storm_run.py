"""Storms over real users of two workers against a real target: what they are told to have done is what it saw."""

import json
import re
import urllib.request
from dataclasses import replace

import pytest

from analysis.evidence import load_evidence
from analysis.judge import judge
from analysis.littles_law import unexplained_share
from journal.columns import FrameColumns, read_columns
from journal.failures import read_failures
from journal.manifest import write_manifest
from journal.outcomes import Kind, Outcome
from journal.plan import Arrivals, ArrivalStage
from journal.plan_storms import Storm
from journal.profile_journeys import RequestStep
from journal.timeline import EventKind
from load.storms.login import EXPIRED
from tests.load.client.certificates import Authority
from tests.load.conftest import Locusts, Target, locusts, make_locusts, make_run, running_target, target
from tests.load.described.member import give_journey, member
from tests.load.test_locust_run import account, events_of
from tests.load.tls_front import tls_front

__all__ = ["locusts", "make_locusts", "make_run", "target"]  # fixtures

USERS = 16
PAGES = """
from locust import task
from load.journey import Expect, Journey, flow

PAGE = "/mas/api/v1/agents/ws/frontend/{client_id}"


class Pages(Journey):
    @task
    @flow({"WS " + PAGE: 1, "WS metrics_update": 4, "GET /auth/me": 4, "WS ping": 4})
    def watch(self):
        with self.websocket(PAGE, client_id="page") as page:
            for number in range(4):
                page.expect("metrics_update")
                self.get("/auth/me", expect=Expect(200, email=self.account.email))
                self.think()
                page.ping(str(number))
"""


def counters(target: Target) -> dict[str, int]:
    """The target's own counts, those of answers by status among them."""
    processes = json.loads(target.state_file.read_text())["processes"]
    found = {"connections": 0, **target.counters()}
    for admin in (process["admin_url"] for process in processes if "counters" in process):
        with urllib.request.urlopen(f"{admin}/counters", timeout=5) as answer:
            found["connections"] += json.load(answer)["connections_opened"]
        with urllib.request.urlopen(f"{admin}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        for method, route, status, count in re.findall(
            r'^http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"\} ([\d.]+)', text, re.MULTILINE
        ):
            for name in (status, f"{method} {route} {status}"):
                found[name] = found.get(name, 0) + int(float(count))
    return found


def grown(before: dict[str, int], after: dict[str, int], name: str) -> int:
    return after.get(name, 0) - before.get(name, 0)


def ended(columns: FrameColumns, kind: Kind, begin: str = "", end: str = "", outcome: Outcome = Outcome.OK) -> int:
    """How many operations of a kind ended so, of all whose names begin and end so."""
    rows = [
        row
        for row, one in enumerate(columns.endpoints)
        if one.kind is kind and one.name.startswith(begin) and one.name.endswith(end)
    ]
    return int(columns.count[rows][:, outcome].sum())


def told(run, storm: str, state: str) -> list[dict]:
    events = events_of(run, EventKind.STORM)
    return [event.data for event in events if (event.data["storm_id"], event.data["state"]) == (storm, state)]


def totals(run, storm: str) -> dict[str, int]:
    over = told(run, storm, "over")
    return {name: sum(one[name] for one in over) for name in over[0] if isinstance(over[0][name], int)}


def with_pages(locusts: Locusts) -> str:
    path = locusts.folder / "pages.py"
    path.write_text(PAGES)
    return str(path)


def test_a_reconnect_storm_drops_every_connection_at_once_and_all_users_come_back(
    target: Target, make_run, locusts: Locusts
):
    storm = Storm(id="S1", kind="reconnect", at_s=2.0, recovery_s=10.0)
    run, before = make_run(target.url, users=USERS, duration_s=7, mix={"pages": 1}, storms=(storm,)), counters(target)
    locusts.conducted(run, 2, files=with_pages(locusts))
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")

    columns, after, found = read_columns(run.frames), counters(target), totals(run, "S1")
    begun = events_of(run, EventKind.STORM)[:2]
    load = next(event for event in events_of(run, EventKind.PHASE) if event.data["phase"] == "load")
    assert {(event.data["worker"], event.data["state"]) for event in begun} == {
        ("worker-0", "begun"),
        ("worker-1", "begun"),
    }
    assert all(event.at_ns >= load.at_ns + 2_000_000_000 for event in begun)
    assert sum(one["chosen"] for one in told(run, "S1", "begun")) == USERS
    assert (found["hit"], found["connections"], found["back"], found["gone"]) == (USERS, USERS, USERS, 0)
    assert found["websockets"] > 0

    # everybody came back once, over connections of which the target knows
    assert ended(columns, Kind.MESSAGE, "HTTP connect") == found["connections"]
    handshakes = ended(columns, Kind.MESSAGE, "WS /")
    assert handshakes == grown(before, after, "websocket_opened")
    assert handshakes >= found["websockets"] + ended(columns, Kind.MESSAGE, "WS ping") / 4
    assert grown(before, after, "connections") >= 2 * USERS + handshakes

    sent, answered, unfinished = account(columns)
    cut = ended(columns, Kind.REQUEST, outcome=Outcome.CUT)
    assert (sent, unfinished) == (answered + cut, 0)
    assert grown(before, after, "load_started") == sent
    cuts = [failure for failure in read_failures(run.failures)[0] if failure.kind == Kind.REQUEST.name]
    assert [failure.detail for failure in cuts] == ["dropped by the storm S1"] * cut

    (result,) = judge(run)[1].faults
    assert (result.kind, result.effect, result.revert) == ("storm", "seen", "proven")
    assert result.evidence["users hit"] == f"{USERS} of {USERS}"
    assert len(result.cut_requests) == cut


@pytest.mark.parametrize("tokens", ["access", "all"])
def test_each_login_that_expires_is_refused_once_and_replaced_once_as_the_target_counts(
    target: Target, make_run, make_locusts, tokens
):
    storm = Storm(id="S1", kind="token-expiry", at_s=1.5, share=0.5, spread_s=0.5, tokens=tokens, recovery_s=10.0)
    locusts = make_locusts(f"locusts-{tokens}")
    run = make_run(target.url, users=USERS, duration_s=8, mix={"pages": 1}, storms=(storm,), name=f"run-{tokens}")
    before = counters(target)
    locusts.conducted(run, 2, files=with_pages(locusts))
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")

    columns, after, found = read_columns(run.frames), counters(target), totals(run, "S1")
    assert (found["hit"], found["tokens"], found["back"]) == (USERS // 2, USERS // 2, USERS // 2)
    refused, by_handshake = ended(columns, Kind.REQUEST, end=EXPIRED), ended(columns, Kind.MESSAGE, end=EXPIRED)
    assert refused + by_handshake == found["refused"] == (USERS // 2) * (1 if tokens == "access" else 2)
    assert grown(before, after, "401") == refused
    renewed = "/auth/refresh" if tokens == "access" else "/auth/login"
    assert ended(columns, Kind.REQUEST, f"POST {renewed}", renewed) == USERS // 2
    let_in = grown(before, after, f"POST {renewed} 200")
    # logins are also what users and the checks of the harness begin with; nobody else has anything to refresh
    assert let_in == USERS // 2 if tokens == "access" else let_in >= USERS // 2 + USERS

    sent, answered, unfinished = account(columns)
    assert (sent, unfinished) == (answered, 0)
    assert grown(before, after, "load_started") == grown(before, after, "load_finished") == sent
    assert read_failures(run.failures) == ([], [])
    verdict = judge(run)[1]
    (invariant,) = [one for one in verdict.invariants if one.name == "expired-token-refused"]
    assert (invariant.checked, invariant.violated) == (found["refused"], 0)
    assert verdict.faults[0].revert == "proven"
    assert verdict.accounts.sent == sent


def test_a_target_that_takes_useless_tokens_violates_an_invariant(tmp_path, make_run, locusts: Locusts):
    storm = Storm(id="S1", kind="token-expiry", at_s=1.0, recovery_s=10.0)
    with running_target(tmp_path, "--defect", "any-token") as careless:
        run = make_run(careless.url, users=6, duration_s=5, mix={"pages": 1}, storms=(storm,))
        locusts.conducted(run, 1, files=with_pages(locusts))
        assert locusts.ended("master") == 0, locusts.log("master")
    (found,) = [one for one in judge(run)[1].invariants if one.name == "expired-token-refused"]
    assert (found.state, found.violated) == ("fail", 6)
    assert "was let in by" in found.examples[0]


VISITS = """
from locust import task
from load.journey import Expect, Journey, flow


class Visits(Journey):
    @task
    @flow({"GET /auth/me": 1})
    def look(self):
        self.get("/auth/me", expect=Expect(200, email=self.account.email))
        self.pause(1.0)
"""


def test_connections_and_websockets_over_tls_break_and_come_back_too(
    target: Target, make_run, locusts: Locusts, tmp_path
):
    authority, port = Authority(tmp_path).create(), int(target.url.rpartition(":")[2])
    storm = Storm(id="S1", kind="reconnect", at_s=2.0, recovery_s=10.0)
    with tls_front(authority.server(), port) as front:
        run = make_run(f"https://localhost:{front}", users=8, duration_s=6, mix={"pages": 1}, storms=(storm,))
        manifest, before = run.read_manifest(), counters(target)
        profile = replace(manifest.profile, ca_file=authority.file)
        write_manifest(run.manifest, replace(manifest, profile=profile))
        locusts.conducted(run, 1, files=with_pages(locusts))
        assert locusts.ended("master") == 0, locusts.log("master")
    columns, after, found = read_columns(run.frames), counters(target), totals(run, "S1")
    assert (found["hit"], found["connections"], found["back"]) == (8, 8, 8)
    assert found["websockets"] > 0
    assert ended(columns, Kind.MESSAGE, "HTTP connect") == found["connections"]
    assert ended(columns, Kind.MESSAGE, "WS /") == grown(before, after, "websocket_opened") > found["websockets"]
    sent, answered, unfinished = account(columns)
    assert (sent, unfinished) == (answered + ended(columns, Kind.REQUEST, outcome=Outcome.CUT), 0)
    assert grown(before, after, "load_started") == sent


def test_a_visit_of_an_open_model_that_does_not_miss_its_login_leaves_the_next_a_good_one(
    target: Target, make_run, locusts: Locusts
):
    (locusts.folder / "visits.py").write_text(VISITS)
    arrivals = Arrivals(
        process="constant",
        stages=(ArrivalStage(rate_per_s=10, duration_s=8),),
        max_in_flight=30,
        spawn_rate_per_s=30.0,
    )
    storm = Storm(id="S1", kind="token-expiry", at_s=2.0, recovery_s=4.0)
    run, before = make_run(target.url, arrivals=arrivals, mix={"visits": 1}, storms=(storm,)), counters(target)
    locusts.conducted(run, 2, files=str(locusts.folder / "visits.py"))
    assert [locusts.ended(name) for name in ("master", "worker-0", "worker-1")] == [0, 0, 0], locusts.log("master")
    found = totals(run, "S1")
    assert found["hit"] > 4
    assert (found["gone"], found["back"], found["unaware"]) == (found["hit"], 0, 0)
    assert grown(before, counters(target), "401") == 0
    assert read_failures(run.failures) == ([], [])


def test_users_who_come_back_by_and_by_spend_no_second_twice(target: Target, make_run, locusts: Locusts):
    storm = Storm(id="S1", kind="reconnect", at_s=1.0, spread_s=6.0, recovery_s=3.0)
    run = make_run(target.url, users=USERS, duration_s=9, mix={"pages": 1}, storms=(storm,))
    locusts.conducted(run, 1, files=with_pages(locusts))
    assert locusts.ended("master") == 0, locusts.log("master")
    assert totals(run, "S1")["back"] == USERS
    unexplained = unexplained_share(load_evidence(run))
    assert unexplained is not None
    assert unexplained > -0.1


def test_a_described_login_expires_too(target: Target, make_run, locusts: Locusts):
    run = make_run(target.url, users=6, duration_s=5, storms=(Storm(id="S1", kind="token-expiry", at_s=1.0),))
    give_journey(run, "member", member(RequestStep(path="/auth/me"), RequestStep(path="/mas/api/v1/agents")))
    before = counters(target)
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")
    columns, found = read_columns(run.frames), totals(run, "S1")
    assert (found["hit"], found["refused"], found["back"]) == (6, 6, 6)
    assert ended(columns, Kind.REQUEST, end=EXPIRED) == grown(before, counters(target), "401") == 6
    assert ended(columns, Kind.WORKFLOW, "login renewal") == 6
    assert read_failures(run.failures) == ([], [])
