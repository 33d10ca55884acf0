"""Accounts, logins and tokens of the target."""

import concurrent.futures

import pytest

PASSWORD = "correct horse battery"


def test_register_answers_the_user_without_a_password(healthy):
    answer = healthy.client().post(
        "/auth/register", json={"email": "Ada@Example.org", "password": PASSWORD, "full_name": "Ada"}
    )
    assert answer.status_code == 200
    assert answer.json().keys() == {"id", "email", "full_name", "created_at_ns"}
    assert answer.json()["email"] == "ada@example.org"


@pytest.mark.parametrize(
    "body", [{"email": "nobody", "password": PASSWORD}, {"email": "a@example.org", "password": "short"}, {}]
)
def test_register_refuses_a_bad_email_or_a_short_password(healthy, body):
    assert healthy.client().post("/auth/register", json=body).status_code == 422


def test_register_refuses_an_email_that_exists(healthy, user):
    answer = healthy.client().post("/auth/register", json={"email": user.email, "password": PASSWORD})
    assert answer.status_code == 400


def test_one_of_many_registrations_of_an_email_at_once_succeeds(healthy):
    body = {"email": "race@example.org", "password": PASSWORD}
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda _: healthy.client().post("/auth/register", json=body).status_code, range(8)))
    assert sorted(codes) == [200] + [400] * 7


def test_login_answers_a_token_pair(user):
    assert user.tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert user.tokens["token_type"] == "bearer"
    assert user.tokens["expires_in"] == 900


def test_login_refuses_a_wrong_password_and_an_unknown_email_alike(healthy, user):
    wrong = healthy.client().post("/auth/login", json={"email": user.email, "password": "wrong password"})
    unknown = healthy.client().post("/auth/login", json={"email": "unknown@example.org", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_me_answers_the_user(user):
    assert user.get("/auth/me").json()["email"] == user.email


@pytest.mark.parametrize("token", [None, "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
def test_me_refuses_a_missing_or_invalid_token(healthy, token):
    answer = healthy.client(token).get("/auth/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_refresh_token_is_no_access_token(healthy, user):
    assert healthy.client(user.tokens["refresh_token"]).get("/auth/me").status_code == 401


def test_refresh_rotates_and_refuses_the_old_token(healthy, user):
    old = user.tokens["refresh_token"]
    fresh = user.post("/auth/refresh", json={"refresh_token": old})
    assert fresh.status_code == 200
    assert healthy.client(fresh.json()["access_token"]).get("/auth/me").status_code == 200
    assert user.post("/auth/refresh", json={"refresh_token": old}).status_code == 401
    newest = fresh.json()["refresh_token"]
    assert user.post("/auth/refresh", json={"refresh_token": newest}).status_code == 200


def test_an_access_token_cannot_be_refreshed(user):
    body = {"refresh_token": user.tokens["access_token"]}
    assert user.post("/auth/refresh", json=body).status_code == 401


def test_logout_ends_this_login_and_no_other(healthy, user):
    credentials = {"email": user.email, "password": PASSWORD}
    elsewhere = healthy.client().post("/auth/login", json=credentials).json()["access_token"]
    assert user.post("/auth/logout").status_code == 200
    assert user.get("/auth/me").status_code == 401
    assert user.post("/auth/refresh", json={"refresh_token": user.tokens["refresh_token"]}).status_code == 401
    assert healthy.client(elsewhere).get("/auth/me").status_code == 200


def test_a_removed_account_is_gone_with_its_logins_and_its_email_is_free(healthy, user):
    credentials = {"email": user.email, "password": PASSWORD}
    assert user.delete("/auth/me").json() == {"deleted": True}
    assert user.get("/auth/me").status_code == 401
    assert healthy.client().post("/auth/login", json=credentials).status_code == 401
    assert healthy.client().post("/auth/register", json=credentials).status_code == 200


def test_client_credentials_give_tokens(healthy):
    client_id, secret = (healthy.state_file.parent / "client-credentials").read_text().split()
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "read"}
    answer = healthy.client().post("/auth/token", data=form)
    assert answer.status_code == 200
    assert healthy.client(answer.json()["access_token"]).get("/auth/me").json()["id"] == f"client:{client_id}"


def test_wrong_client_credentials_are_refused(healthy):
    form = {"client_id": "aia-client", "client_secret": "wrong"}
    assert healthy.client().post("/auth/token", data=form).status_code == 401
    assert healthy.client().post("/auth/token", data={}).status_code == 422


def test_an_expired_token_is_refused(start, wait_until):
    user = start("--token-lifetime-s", "1").user()
    assert user.get("/auth/me").status_code == 200
    wait_until(lambda: user.get("/auth/me").status_code == 401)


def test_the_hourly_limit_answers_429_with_the_time_to_wait(start):
    user = start("--rate-limit-per-hour", "5").user()
    codes = [user.get("/auth/me").status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    assert 0 < int(user.get("/auth/me").headers["retry-after"]) <= 3600
