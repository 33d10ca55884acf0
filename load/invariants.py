"""What must hold after the drain, whatever failed before: tasks done exactly once, no token lost or made."""

import time
from collections.abc import Mapping
from typing import Any

import gevent
from gevent.pool import Pool

from journal.errors import TargetUnreachable
from journal.outcomes import Outcome
from load.context import RunContext
from load.http import Client, json_object
from load.logbook import Invariant
from load.tasks import Task

TASK_COMPLETED_ONCE = "task-completed-once"
TOKEN_SUPPLY_CONSERVED = "token-supply-conserved"  # noqa: S105  # tokens are money here
NO_FOREIGN_DATA = "no-foreign-data"
LOGIN_NEEDS_PASSWORD = "login-needs-password"  # noqa: S105  # the name of a promise
EXPIRED_TOKEN_REFUSED = "expired-token-refused"  # noqa: S105  # the name of a promise

SUMMARY = "/mas/api/v1/economic/summary"
_ASKING_AT_ONCE = 6
_PAUSE_BETWEEN_ROUNDS_S = 0.2


def somebody_listens(context: RunContext) -> None:
    """Looks whether there is a target at all.

    Raises:
        TargetUnreachable: there is nobody at its base URL.
    """
    client = context.connect()
    try:
        for _ in range(3):
            if client.send("GET", context.profile.readiness or "/").outcome is not Outcome.REFUSED:
                return
            gevent.sleep(0.5)
    finally:
        client.close()
    raise TargetUnreachable(f"nobody answers at {context.assignment.base_url}")


class TaskCheck:
    """Asks for every accepted task until it is settled, or the task time-out of the profile has passed."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._found = Invariant()
        self._unread: dict[str, str] = {}
        self._seen_open: set[str] = set()
        self._clients: list[Client] = []

    def run(self) -> Invariant:
        """The result over all tasks; of those that could not be read at all the outcome is unknown."""
        for task_id in self._context.tasks.repeated_ids:
            self._found.count(violated=True, example=f"task id {task_id} was given out twice")
        ends_s = time.monotonic() + self._context.profile.task_timeout_s
        pending = self._context.tasks.all()
        try:
            while pending and time.monotonic() < ends_s:
                pending = self._round(pending, ends_s)
                gevent.sleep(_PAUSE_BETWEEN_ROUNDS_S if pending else 0)
        finally:
            for client in self._clients:
                client.close()
        self._overdue(pending)
        return self._found

    def _round(self, tasks: list[Task], ends_s: float) -> list[Task]:
        waiting: list[Task] = list(reversed(tasks))
        unsettled: list[Task] = []

        def ask() -> None:
            client = self._context.connect()
            self._clients.append(client)
            while waiting:
                task = waiting.pop()
                if time.monotonic() > ends_s or not self._settled(client, task):
                    unsettled.append(task)

        pool = Pool(_ASKING_AT_ONCE)
        for _ in range(min(_ASKING_AT_ONCE, len(tasks))):
            pool.spawn(ask)
        pool.join(raise_error=True)
        return unsettled

    def _settled(self, client: Client, task: Task) -> bool:
        self._context.accounts.renew(task.owner)
        reply = client.send("GET", task.template, token=task.owner.access_token, path={task.parameter: task.id})
        if reply.status == 404:
            self._found.count(violated=True, example=f"task {task.id} was accepted and is unknown now")
            return True
        body = json_object(reply)
        if reply.status != 200 or body is None:
            self._unread[task.id] = reply.detail or f"answered {reply.status}"
            return False
        self._unread.pop(task.id, None)
        if body.get("status") != "completed":
            self._seen_open.add(task.id)
            return False
        for completions in _completions(body):
            self._found.count(violated=completions != 1, example=f"task {task.id} was completed {completions} times")
        return True

    def _overdue(self, pending: list[Task]) -> None:
        limit_s = self._context.profile.task_timeout_s
        for task in pending:
            if task.id in self._seen_open and task.id not in self._unread:
                example = f"task {task.id} was accepted and is not completed {limit_s:g} s after the load"
                self._found.count(violated=True, example=example)
        unread = [self._unread[task.id] for task in pending if task.id in self._unread]
        unasked = sum(task.id not in self._unread and task.id not in self._seen_open for task in pending)
        if unasked:  # nobody asked: that says nothing about the target but that it is slow
            self._context.warn(f"{unasked} accepted tasks were not asked for within {limit_s:g} s after the load")
        if unread:
            self._found.unknown += len(unread)
            self._context.warn(f"{len(unread)} accepted tasks could not be read after the load ({unread[0]})")


def _completions(body: Mapping[str, Any]) -> list[int]:
    """How often each part of the work was completed; empty where the target does not tell."""
    parts = body.get("steps")
    described = parts if isinstance(parts, list) else [body]
    return [int(part["completions"]) for part in described if isinstance(part, dict) and "completions" in part]


class SupplyCheck:
    """Compares the books with the total supply, now and as it was before the load."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._total_before: int | None = None

    def before(self) -> None:
        """Remembers the total supply.

        Raises:
            TargetUnreachable: there is nobody at the base URL of the target.
        """
        summary = self._read(attempts=3)
        self._total_before = None if summary is None else int(summary.get("total_supply", 0))

    def after(self) -> Invariant:
        """The result; nothing is checked where the target has no readable summary."""
        found = Invariant()
        summary = self._read(attempts=20)
        if summary is None or "total_supply" not in summary:
            self._context.warn(f"GET {SUMMARY} could not be read: the token supply was not checked")
            return found
        total = int(summary["total_supply"])
        held = sum(int(amount) for amount in summary.get("balances", {}).values())
        held += int(summary.get("treasury", 0)) + int(summary.get("staked", 0))
        found.count(violated=held != total, example=f"accounts, stakes and treasury hold {held} of {total} tokens")
        if self._total_before is not None:
            example = f"the total supply was {self._total_before} before the load and is {total}"
            found.count(violated=total != self._total_before, example=example)
        return found

    def _read(self, attempts: int) -> dict[str, Any] | None:
        account = self._context.accounts.new()
        client = self._context.connect()
        try:
            return self._attempt(client, attempts, account)
        finally:
            client.close()

    def _attempt(self, client: Client, attempts: int, account: Any) -> dict[str, Any] | None:
        refused = 0
        for _ in range(attempts):
            try:
                if not account.access_token:
                    self._context.accounts.sign_up(account)
                reply = client.send("GET", SUMMARY, token=account.access_token)
                refused += reply.outcome is Outcome.REFUSED
                if reply.status == 200:
                    return json_object(reply)
                if reply.status in {404, 405}:
                    return None
            except TargetUnreachable:
                refused += not self._somebody_listens(client)
            if refused >= 3:
                raise TargetUnreachable(f"nobody answers at {self._context.assignment.base_url}")
            gevent.sleep(0.5)
        return None

    @staticmethod
    def _somebody_listens(client: Client) -> bool:
        return client.send("GET", "/health").outcome is not Outcome.REFUSED
