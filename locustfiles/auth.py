"""People who log in, stay for a while and leave; programs that ask for a token; and attempts that must be refused."""

import os

from locust import task

from load.journey import LOGIN_NEEDS_PASSWORD, Expect, Journey, flow

TOKENS = Expect(200, access_token=str, refresh_token=str, expires_in=int, token_type="bearer")  # noqa: S106  # no secret
ME = "/auth/me"


class Auth(Journey):
    """The life of a login."""

    weight = 1
    holds_login = False  # each visit has one of its own

    @task(5)
    @flow({"POST /auth/login": 1, "GET /auth/me": 6, "POST /auth/refresh": 1, "POST /auth/logout": 1}, thinks=8)
    def visit(self) -> None:
        """Log in, use the login, renew it, log out; afterwards the token opens nothing."""
        login = self.post("/auth/login", self.account.credentials, token="", expect=TOKENS).body
        self.look_around(login["access_token"], times=3)
        renewed = self.post("/auth/refresh", {"refresh_token": login["refresh_token"]}, token="", expect=TOKENS).body
        self.look_around(renewed["access_token"], times=2)
        self.post("/auth/logout", token=renewed["access_token"], expect=Expect(200, message=str))
        self.think()
        self.get(ME, token=renewed["access_token"], expect=Expect(401))

    def look_around(self, token: str, times: int) -> None:
        """Read the own profile a few times."""
        for _ in range(times):
            self.think()
            self.get(ME, token=token, expect=Expect(200, id=str, email=self.account.email))
        self.think()

    @task(2)
    @flow({"POST /auth/login": 1, "GET /auth/me": 1}, thinks=1)
    def stranger(self) -> None:
        """A wrong password, and no token at all."""
        wrong = {**self.account.credentials, "password": "not-the-password"}
        example = f"{self.account.email} logged in with a wrong password"
        self.must_refuse(LOGIN_NEEDS_PASSWORD, "POST", "/auth/login", status=401, body=wrong, token="", example=example)
        self.think()
        self.get(ME, token="", expect=Expect(401))

    @task(5)
    @flow({"POST /auth/register": 1})
    def newcomer(self) -> None:
        """Somebody wants an address that is taken; so the end-point works, and nothing is left behind."""
        self.post("/auth/register", self.account.credentials, token="", expect=Expect(400))

    @task(5)
    @flow({"POST /auth/token": 1})
    def program(self) -> None:
        """A program asks for a token; without known credentials it must not get one."""
        names = self.shared.profile.credentials
        client_id, secret = os.environ.get(names.client_id_env, ""), os.environ.get(names.client_secret_env, "")
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id or "nobody",
            "client_secret": secret or "nothing",
        }
        self.post("/auth/token", form=form, token="", expect=TOKENS if client_id and secret else Expect(401))
