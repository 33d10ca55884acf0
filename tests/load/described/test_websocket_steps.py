"""WebSockets of described journeys, in real runs: what they count, and what they make of errors and storms."""

from journal.columns import read_columns
from journal.failures import read_failures
from journal.outcomes import Kind, Outcome
from journal.plan import ThinkTime
from journal.plan_storms import Storm
from journal.profile_journeys import Extraction, JsonRule, RequestStep, SocketExchange
from load.storms.login import EXPIRED
from tests.load.conftest import locusts, make_locusts, make_run, target
from tests.load.described.member import give_journey, member
from tests.load.storms.test_storm_run import ended, totals

__all__ = ["locusts", "make_locusts", "make_run", "target"]  # fixtures

QUICK = ThinkTime(min_s=0.05, max_s=0.2)
PAGE = "/mas/api/v1/agents/ws/frontend/user-${user.number}"
USERS = 6


def step(*exchanges: SocketExchange) -> RequestStep:
    return RequestStep(path=PAGE, websocket=exchanges)


def pushed(**more: object) -> SocketExchange:
    return SocketExchange(name="figures", expect={"/type": JsonRule(equals="metrics_update")}, **more)


def ping(wanted: str = "${nonce}") -> SocketExchange:
    pong = {"/type": JsonRule(equals="pong"), "/nonce": JsonRule(equals=wanted)}
    return SocketExchange(name="ping", send={"type": "ping", "nonce": "${nonce}"}, expect=pong, times=2, within_s=3.0)


def run_of(make_run, target, *steps: RequestStep, **changes: object):
    run = make_run(target.url, users=USERS, **changes)
    give_journey(run, "watcher", member(*steps, variables={"nonce": "n-1"}, think_time=QUICK))
    return run


def test_handshakes_answers_and_pushes_are_series_and_survive_storms(target, make_run, locusts):
    storms = (
        Storm(id="S1", kind="reconnect", at_s=1.0, recovery_s=10.0),
        Storm(id="S2", kind="token-expiry", at_s=2.0, recovery_s=10.0),
    )
    talk = step(
        pushed(extract={"seen": Extraction(json="/sequence")}),
        ping(),
        pushed(extract={"seen": Extraction(json="/sequence")}, times=2),
    )
    run = run_of(make_run, target, talk, RequestStep(path="/auth/me"), duration_s=8, storms=storms)
    before = target.counters()
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")

    columns, dropped, expired = read_columns(run.frames), totals(run, "S1"), totals(run, "S2")
    handshakes = ended(columns, Kind.MESSAGE, "WS /")
    assert handshakes == target.counters()["websocket_opened"] - before["websocket_opened"]
    assert ended(columns, Kind.MESSAGE, "WS figures") > USERS
    assert ended(columns, Kind.MESSAGE, "WS ping") > USERS
    assert (dropped["hit"], dropped["back"]) == (USERS, USERS)
    assert dropped["websockets"] > 0
    assert (expired["hit"], expired["refused"], expired["back"]) == (USERS, USERS, USERS)
    assert sum(ended(columns, kind, end=EXPIRED) for kind in (Kind.REQUEST, Kind.MESSAGE)) == USERS
    failures = read_failures(run.failures)[0]
    assert {(failure.outcome, failure.detail) for failure in failures} <= {("CUT", "dropped by the storm S1")}


def test_what_does_not_come_is_a_time_out_by_name_and_ends_the_pass(target, make_run, locusts):
    talk = step(ping(wanted="another"), pushed())
    run = run_of(make_run, target, talk, duration_s=5)
    locusts.conducted(run, 1)
    assert locusts.ended("master") == 0, locusts.log("master")
    columns = read_columns(run.frames)
    assert ended(columns, Kind.MESSAGE, "WS ping", outcome=Outcome.TIMEOUT) > 0
    assert ended(columns, Kind.MESSAGE, "WS figures") == 0
    failures = read_failures(run.failures)[0]
    assert {failure.detail for failure in failures} == {"nothing of the kind within 3 s"}
    assert all(failure.served_by for failure in failures)
