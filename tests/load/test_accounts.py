import json
import socket
from types import SimpleNamespace

import pytest

from journal.errors import TargetUnreachable
from journal.profile import Profile
from load import accounts as module
from load.accounts import RENEW_BEFORE_S, Account, Accounts
from load.http import Client
from tests.load.hostile import HostileServer, answer, serving


class Logins:
    """Answers by method and path, with a token that counts the logins; remembers who asked for what."""

    def __init__(self, **statuses: int) -> None:
        self.statuses = statuses
        self.asked: list[str] = []

    def handle(self, server: HostileServer, connection: socket.socket) -> None:
        while request := server.read_request(connection):
            method, path, _ = request.split(b" ", 2)
            name = path.decode().rpartition("/")[2] if method == b"POST" else "delete"
            self.asked.append(name)
            tokens = {
                "access_token": f"a{len(self.asked)}",
                "refresh_token": "r",
                "expires_in": 0 if name == "login" else 900,
            }
            connection.sendall(answer(json.dumps(tokens).encode(), status=self.statuses.get(name, 200)))


def accounts_at(url: str, **paths: str) -> Accounts:
    return Accounts("r1-worker-0", lambda: Client(url, Profile(name="test", paths=paths)))


def test_an_account_has_the_prefix_of_the_run_and_a_password_of_its_own():
    accounts = accounts_at("http://127.0.0.1:1")
    first, second = accounts.new(), accounts.new()
    assert first.email == "gameday-r1-worker-0-0@example.com"
    assert len({first.password, second.password}) == 2
    assert len(first.password) >= 12


def test_signing_up_may_be_repeated_after_its_answer_was_lost():
    logins = Logins(register=400)
    with serving(logins.handle) as server:
        accounts = accounts_at(server.url)
        account = accounts.new()
        accounts.sign_up(account)
    assert (logins.asked, account.access_token) == (["register", "login"], "a2")


@pytest.mark.parametrize("failing", ["register", "login"])
def test_a_target_that_lets_nobody_in_is_named(failing):
    logins = Logins(**{failing: 503})
    with serving(logins.handle) as server:
        accounts = accounts_at(server.url)
        with pytest.raises(TargetUnreachable, match=f"POST /auth/{failing}: answered 503"):
            accounts.sign_up(accounts.new())


@pytest.mark.parametrize(("refresh", "asked"), [(200, ["refresh"]), (401, ["refresh", "login"])])
def test_a_login_is_renewed_when_it_is_due_and_only_then(refresh, asked):
    logins = Logins(refresh=refresh)
    with serving(logins.handle) as server:
        accounts = accounts_at(server.url)
        account = accounts.new()
        accounts.sign_up(account)
        logins.asked.clear()
        accounts.renew(account)
        assert logins.asked == asked
        if refresh == 200:
            accounts.renew(account)
            assert logins.asked == asked


@pytest.mark.parametrize(
    ("paths", "status", "left", "deletes"),
    [({}, 200, 0, 2), ({}, 404, 2, 2), ({"DELETE /auth/me": ""}, 200, 2, 0)],
    ids=["offered", "not offered", "switched off"],
)
def test_accounts_are_removed_where_the_target_offers_it(paths, status, left, deletes):
    logins = Logins(delete=status)
    with serving(logins.handle) as server:
        accounts = accounts_at(server.url, **paths)
        for _ in range(2):
            accounts.sign_up(accounts.new())
        accounts.new()  # never signed up: there is nothing to remove
        assert accounts.remove_all(within_s=5) == left
    assert logins.asked.count("delete") == deletes


@pytest.mark.parametrize(("lifetime_s", "good_for_s"), [(3600, 3600 - RENEW_BEFORE_S), (30, 15)])
def test_a_login_is_due_a_minute_before_its_end_or_after_half_of_a_short_life(
    lifetime_s: int, good_for_s: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 1_000.0))
    account = Account("a@example.com", "password")
    account.logged_in({"access_token": "a", "refresh_token": "r", "expires_in": lifetime_s})
    assert account.renew_at_s == 1_000 + good_for_s
