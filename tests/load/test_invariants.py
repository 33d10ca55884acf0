"""The checks after the drain against a server that tells what the test wants."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from journal.errors import TargetUnreachable
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from load.context import RunContext
from load.distributed.assignment import Assignment
from load.invariants import SUMMARY, SupplyCheck, TaskCheck
from load.tasks import Task
from tests.load.hostile import HostileServer, answer, serving

TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 900}


class Aia:
    """Answers by path; a list of answers is used up one by one, its last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, object]]] = {
            "/auth/register": [(200, {"id": "1"})],
            "/auth/login": [(200, TOKENS)],
        }

    def handle(self, server: HostileServer, connection: socket.socket) -> None:
        while request := server.read_request(connection):
            path = request.split(b" ")[1].decode()
            answers = self.answers.get(path, [(404, {})])
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            connection.sendall(answer(json.dumps(body).encode(), status=status))


@contextmanager
def scene(task_timeout_s: float = 1.0) -> Iterator[tuple[Aia, RunContext]]:
    aia = Aia()
    with serving(aia.handle) as server:
        yield aia, context_for(server.url, task_timeout_s)


def context_for(url: str, task_timeout_s: float = 1.0) -> RunContext:
    plan = Plan(name="test", load=Load(stages=(Stage(users=1, duration_s=1),)))
    profile = Profile(name="test", task_timeout_s=task_timeout_s, request_timeout_s=2.0)
    assignment = Assignment(run_id="r", worker="worker-0", index=0, base_url=url, plan=plan, profile=profile)
    return RunContext(Assignment.decode(assignment.encode()))


def accept(context: RunContext, *ids: str) -> None:
    owner = context.accounts.new()
    context.accounts.sign_up(owner)
    for task_id in ids:
        context.tasks.add(Task("/status/{task_id}", "task_id", task_id, owner))


def done(completions: int) -> tuple[int, object]:
    return 200, {"status": "completed", "completions": completions}


def test_tasks_that_were_done_once_late_or_not_at_all_or_twice_are_told_apart():
    processing = (200, {"status": "processing", "completions": 0})
    with scene() as (aia, context):
        aia.answers |= {
            "/status/once": [done(1)],
            "/status/late": [processing, processing, done(1)],
            "/status/hiccup": [(503, {}), (500, {}), done(1)],
            "/status/twice": [done(2)],
            "/status/never": [processing],
            "/status/silent": [(200, {"status": "completed"})],
        }
        accept(context, "once", "late", "hiccup", "twice", "never", "unknown", "silent")
        found = TaskCheck(context).run()
    assert (found.checked, found.violated) == (6, 3)
    assert sorted(found.examples) == [
        "task never was accepted and is not completed 1 s after the load",
        "task twice was completed 2 times",
        "task unknown was accepted and is unknown now",
    ]
    assert context.take_warnings() == []


def test_each_step_of_a_workflow_is_checked():
    steps = [{"name": str(number), "completions": completions} for number, completions in enumerate([1, 1, 0])]
    with scene() as (aia, context):
        aia.answers["/status/w"] = [(200, {"status": "completed", "steps": steps})]
        accept(context, "w")
        found = TaskCheck(context).run()
    assert (found.checked, found.violated) == (3, 1)


def test_of_what_could_not_be_read_it_is_unknown_whether_it_was_done():
    with scene(task_timeout_s=0.5) as (aia, context):
        aia.answers["/status/x"] = [(500, {})]
        accept(context, "x")
        found = TaskCheck(context).run()
    assert (found.checked, found.violated, found.unknown) == (0, 0, 1)
    assert context.take_warnings() == ["1 accepted tasks could not be read after the load (answered 500)"]


def test_an_id_that_was_given_out_twice_breaks_the_promise():
    with scene() as (aia, context):
        aia.answers["/status/x"] = [done(1)]
        accept(context, "x", "x")
        assert TaskCheck(context).run().examples == ["task id x was given out twice"]


@pytest.mark.parametrize(
    ("before", "after", "violated"),
    [
        ((100, 60, 30, 10), (100, 50, 35, 15), 0),
        ((100, 60, 30, 10), (100, 60, 30, 11), 1),
        ((100, 60, 30, 10), (101, 60, 30, 11), 1),
        ((100, 60, 30, 10), (101, 60, 30, 10), 2),
    ],
    ids=["moved", "made", "grown", "both"],
)
def test_no_token_is_made_or_lost(before, after, violated):
    def summary(total, treasury, staked, held):
        return 200, {"total_supply": total, "treasury": treasury, "staked": staked, "balances": {"ann": held, "bob": 0}}

    with scene() as (aia, context):
        aia.answers[SUMMARY] = [summary(*before), (503, {}), summary(*after)]
        check = SupplyCheck(context)
        check.before()
        found = check.after()
    assert (found.checked, found.violated) == (2, violated)


def test_a_target_without_books_has_nothing_to_check():
    with scene() as (_, context):
        check = SupplyCheck(context)
        check.before()
        assert check.after().checked == 0
        assert len(context.take_warnings()) == 1


def test_nobody_at_the_base_url_is_told_before_the_load():
    with scene() as (_, context):
        url = context.assignment.base_url
    with pytest.raises(TargetUnreachable, match="nobody answers"):
        SupplyCheck(context_for(url)).before()


def test_a_task_that_nobody_had_the_time_to_ask_for_is_not_held_against_the_target():
    with scene(task_timeout_s=0.0) as (aia, context):
        aia.answers["/status/once"] = [done(1)]
        accept(context, "once")
        found = TaskCheck(context).run()
    assert (found.checked, found.violated) == (0, 0)
    assert "1 accepted tasks were not asked for" in context.take_warnings()[0]
