"""Logs in as a client or as a given account and measures how long that takes; it never registers anybody."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from journal.errors import Problem, ProfileError, TargetUnreachable
from journal.profile import Credentials
from probes.http_calls import TIMEOUT_S, call

CREDENTIALS_FILE = "client-credentials"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An OAuth2 client; its secret never shows when the object is printed."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"ClientCredentials({self.client_id!r}, …)"


def find_client_credentials(names: Credentials, state_file: Path | None = None) -> ClientCredentials:
    """From the environment variables that the profile names, else from the file beside the target's state file.

    Raises:
        ProfileError: they are in neither place.
    """
    client_id, secret = os.environ.get(names.client_id_env), os.environ.get(names.client_secret_env)
    if client_id and secret:
        return ClientCredentials(client_id, secret)
    try:
        lines = (state_file.parent / CREDENTIALS_FILE).read_text().split() if state_file else []
    except OSError:
        lines = []
    if len(lines) == 2:  # the id and the secret, one per line
        return ClientCredentials(*lines)
    remedy = f"set {names.client_id_env} and {names.client_secret_env}"
    raise ProfileError([Problem("credentials", "no client credentials were found", remedy)])


def client_login_ms(base_url: str, credentials: ClientCredentials, timeout_s: float = TIMEOUT_S) -> float:
    """How long `POST /auth/token` takes, in ms. Raises TargetUnreachable when it gives no token."""
    form = {"client_id": credentials.client_id, "client_secret": credentials.client_secret, "scope": ""}
    begin = time.perf_counter()
    answer = call("POST", f"{base_url.rstrip('/')}/auth/token", form=form, timeout_s=timeout_s)
    return _elapsed_ms(begin, answer)


def account_login_ms(base_url: str, email: str, password: str, timeout_s: float = TIMEOUT_S) -> float:
    """How long `POST /auth/login` takes, in ms. Raises TargetUnreachable when it gives no token."""
    body: Mapping[str, object] = {"email": email, "password": password}
    begin = time.perf_counter()
    answer = call("POST", f"{base_url.rstrip('/')}/auth/login", json=body, timeout_s=timeout_s)
    return _elapsed_ms(begin, answer)


def login_ms(
    base_url: str,
    state_file: str = "",
    timeout_s: float = TIMEOUT_S,
    *,
    client_id_env: str = Credentials.client_id_env,
    client_secret_env: str = Credentials.client_secret_env,
) -> float:
    """As `client_login_ms`, with credentials as `find_client_credentials` finds them: what a hypothesis calls."""
    names = Credentials(client_id_env=client_id_env, client_secret_env=client_secret_env)
    credentials = find_client_credentials(names, Path(state_file) if state_file else None)
    return client_login_ms(base_url, credentials, timeout_s)


def _elapsed_ms(begin_s: float, answer: httpx.Response) -> float:
    elapsed_ms = (time.perf_counter() - begin_s) * 1000
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not answer.is_success or not isinstance(body, dict) or not body.get("access_token"):
        raise TargetUnreachable(f"the login was answered {answer.status_code} and without a token")
    return elapsed_ms
