"""People who log in, look at their profile, stay logged in for a while and leave; and attempts that must be refused."""

import os

from locust import task

from load.journey import LOGIN_NEEDS_PASSWORD, Expect, Journey, flow

TOKENS = Expect(200, access_token=str, refresh_token=str, token_type="bearer", expires_in=int)
PROFILE = Expect(200, id=str, email=str)


class Auth(Journey):
    """The life of a login."""

    weight = 1

    @task(3)
    @flow(
        {
            "POST /auth/login": 1,
            "GET /auth/me": 4,
            "POST /auth/refresh": 1,
            "POST /auth/logout": 1,
        },
        thinks=6,
    )
    def visit(self) -> None:
        """Log in, use the login, renew it, log out; afterwards the token opens nothing."""
        login = self.post("/auth/login", self.account.credentials, token="", expect=TOKENS).body
        self.think()
        me = Expect(200, id=str, email=self.account.email)
        self.get("/auth/me", token=login["access_token"], expect=me)
        self.think()
        self.get("/auth/me", token=login["access_token"], expect=me)
        self.think()
        renewal = {"refresh_token": login["refresh_token"]}
        renewed = self.post("/auth/refresh", renewal, token="", expect=TOKENS).body
        self.think()
        self.get("/auth/me", token=renewed["access_token"], expect=me)
        self.think()
        self.post("/auth/logout", token=renewed["access_token"], expect=Expect(200, message=str))
        self.think()
        self.get("/auth/me", token=renewed["access_token"], expect=Expect(401))

    @task(2)
    @flow({"POST /auth/login": 1, "GET /auth/me": 1, "POST /auth/register": 1}, thinks=2)
    def strangers(self) -> None:
        """A wrong password, no token, an address that is taken: each must be refused."""
        wrong = {**self.account.credentials, "password": "not-the-password"}
        example = f"{self.account.email} logged in with a wrong password"
        self.must_refuse(
            LOGIN_NEEDS_PASSWORD, "POST", "/auth/login", status=401, body=wrong, token="", example=example
        )
        self.think()
        self.get("/auth/me", token="", expect=Expect(401))
        self.think()
        self.post("/auth/register", self.account.credentials, token="", expect=Expect(400))

    @task(2)
    @flow({"POST /auth/token": 1})
    def machine(self) -> None:
        """A program asks for a token; without known credentials it must not get one."""
        client = os.environ.get(self.context.profile.credentials.client_id_env, "")
        secret = os.environ.get(self.context.profile.credentials.client_secret_env, "")
        form = {"grant_type": "client_credentials", "client_id": client or "nobody", "client_secret": secret or "none"}
        self.post("/auth/token", form=form, token="", expect=TOKENS if client and secret else Expect(401))
