"""Test accounts: signed up when a user arrives, their logins renewed in time, removed at the end of the run.

None of this is load: it carries no run header and is not recorded, so that the rare and expensive calls of a user's
arrival do not pass for the behaviour of the endpoints under load.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from gevent.pool import Pool

from journal.errors import TargetUnreachable
from journal.outcomes import Outcome
from load.client.reply import Reply
from load.http import Client, json_object

PREFIX = "gameday-"
RENEW_BEFORE_S = 60.0
_REMOVERS = 8


@dataclass(slots=True)
class Account:
    """One test account with its present login; `renew_at_s` is on the monotonic clock.

    `expired`: a storm has made its access token useless; `spared` are the access and refresh token from before.
    """

    email: str
    password: str
    access_token: str = ""
    refresh_token: str = ""
    renew_at_s: float = 0.0
    exists: bool = False
    expired: bool = False
    spared: tuple[str, str] = ("", "")

    @property
    def credentials(self) -> dict[str, str]:
        """The body of a login."""
        return {"email": self.email, "password": self.password}

    def logged_in(self, tokens: dict[str, object]) -> None:
        """Takes the answer of a login or a refresh."""
        self.access_token = str(tokens["access_token"])
        self.refresh_token = str(tokens["refresh_token"])
        lifetime_s = float(str(tokens.get("expires_in", 3600)))
        self.renew_at_s = time.monotonic() + max(lifetime_s - RENEW_BEFORE_S, lifetime_s / 2)
        self.expired = False

    def expire(self, *, refresh_too: bool) -> bool:
        """Makes its tokens useless; False where there are none, or they are useless already."""
        if self.expired or not self.access_token:
            return False
        self.spared = (self.access_token, self.refresh_token)
        self.expired, self.access_token = True, useless(self.access_token)
        if refresh_too:
            self.refresh_token = useless(self.refresh_token)
        return True

    def restore(self) -> None:
        """Takes its expiry back, of which nobody has taken notice."""
        if self.expired:
            self.access_token, self.refresh_token = self.spared
            self.expired = False


def useless(token: str) -> str:
    """A token of the same form that opens nothing: its last letters are others, so that no signature fits."""
    end = "A" * min(8, len(token))
    return token[: len(token) - len(end)] + (end if not token.endswith(end) else "B" * len(end))


class Accounts:
    """All accounts that one worker made."""

    def __init__(self, prefix: str, connect: Callable[[], Client]) -> None:
        self._prefix = prefix
        self._connect = connect
        self._made: list[Account] = []

    def new(self) -> Account:
        """The data of an account that does not exist yet."""
        account = Account(f"{PREFIX}{self._prefix}-{len(self._made)}@example.com", secrets.token_urlsafe(12))
        self._made.append(account)
        return account

    def sign_up(self, account: Account) -> None:
        """Registers and logs in; may be repeated after a failure.

        Raises:
            TargetUnreachable: the target did not do it; the text says why.
        """
        client = self._connect()
        try:
            registered = client.send("POST", "/auth/register", body=account.credentials)
            if registered.status not in {200, 201, 400}:  # 400: an earlier attempt succeeded, and its answer was lost
                raise TargetUnreachable(f"POST /auth/register: {_said(registered)}")
            account.exists = True
            self._enter(client, account, "/auth/login", account.credentials)
        finally:
            client.close()

    def renew(self, account: Account) -> None:
        """Renews the login when it is about to expire; by a new login when the refresh is not accepted."""
        if time.monotonic() < account.renew_at_s and not account.expired:
            return
        client = self._connect()
        try:
            self._enter(client, account, "/auth/refresh", {"refresh_token": account.refresh_token})
        except TargetUnreachable:
            self._enter(client, account, "/auth/login", account.credentials)
        finally:
            client.close()

    @staticmethod
    def _enter(client: Client, account: Account, template: str, body: dict[str, str]) -> None:
        reply = client.send("POST", template, body=body)
        tokens = json_object(reply) or {}
        if reply.status != 200 or not {"access_token", "refresh_token"} <= tokens.keys():
            raise TargetUnreachable(f"POST {template}: {_said(reply)}")
        account.logged_in(tokens)

    def remove_all(self, within_s: float) -> int:
        """Removes the accounts where the target offers that; returns how many remain."""
        ends_s = time.monotonic() + within_s
        removed = Pool(_REMOVERS).map(lambda account: self._remove(account, ends_s), self._made)
        return int(removed.count(False))

    def _remove(self, account: Account, ends_s: float) -> bool:
        client = self._connect()
        try:
            if not account.exists:
                return True
            if not client.target("DELETE", "/auth/me") or time.monotonic() > ends_s:
                return False
            self.renew(account)
            return client.send("DELETE", "/auth/me", token=account.access_token).status in {200, 202, 204}
        except TargetUnreachable:
            return False
        finally:
            client.close()


def _said(reply: Reply) -> str:
    return reply.detail if reply.outcome is not Outcome.OK else f"answered {reply.status}"
