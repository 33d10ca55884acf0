"""Accounts and logins: register, log in, client credentials, rotate, log out; and who a request comes from."""

import hmac
import time
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import HTTPConnection

from target.accounts import Account, Session
from target.services import Injected, Services
from target.tokens import Claims, InvalidToken, Purpose

router = APIRouter(prefix="/auth", tags=["auth"])

Email = Annotated[
    str,
    StringConstraints(max_length=254, to_lower=True, strip_whitespace=True, pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"),
]


class NewUser(BaseModel):
    """Who wants an account."""

    email: Email
    password: str = Field(min_length=8, max_length=256)
    full_name: str = Field(default="", max_length=200)


class Credentials(BaseModel):
    """Who wants to log in."""

    email: Email
    password: str = Field(max_length=256)


class RefreshRequest(BaseModel):
    """The latest refresh token."""

    refresh_token: str


class User(BaseModel):
    """An account, without its password."""

    id: str
    email: str
    full_name: str
    created_at_ns: int


class TokenPair(BaseModel):
    """The tokens of a login; `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


class Message(BaseModel):
    """Something said in words."""

    message: str


class Deleted(BaseModel):
    """That something is gone."""

    deleted: bool = True


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a request comes from (a user id or `client:ID`), and in which login."""

    subject: str
    session: str


def unauthorised(why: str) -> HTTPException:
    """The answer 401."""
    return HTTPException(401, why, headers={"WWW-Authenticate": "Bearer"})


async def signed_in(connection: HTTPConnection, response: Response, services: Injected) -> Caller:
    """Dependency: the caller, counted against the hourly limit. Raises 401, 429."""
    caller, remaining = await admit(bearer_token(connection), services)
    response.headers.update(limit_headers(services, remaining))
    return caller


def bearer_token(connection: HTTPConnection) -> str:
    """The access token of a request. Raises 401."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorised("an access token is needed: Authorization: Bearer …")
    return token


def limit_headers(services: Services, remaining: int) -> dict[str, str]:
    """What each answer to a signed-in call says of the hourly limit."""
    return {
        "x-ratelimit-limit": str(services.settings.rate_limit_per_hour),
        "x-ratelimit-remaining": str(remaining),
    }


_FORM_OF_CLIENTS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["client_id", "client_secret"],
                    "properties": {name: {"type": "string"} for name in ("grant_type", "client_id", "client_secret")},
                }
            }
        },
    }
}
"""What the call itself reads from the body, for the OpenAPI document."""

MUST_BE_SIGNED_IN = Depends(signed_in)
"""For endpoints that do not care who is asking."""

SignedIn = Annotated[Caller, MUST_BE_SIGNED_IN]


async def admit(token: str, services: Services) -> tuple[Caller, int]:
    """The caller of an access token, and how many requests are left to it. Raises 401, 429."""
    claims = _read(token, "access", services)
    count = await services.accounts.admit(claims.subject, claims.session)
    if count is None:
        raise unauthorised("this login is over")
    return Caller(subject=claims.subject, session=claims.session), _remaining(count, services)


def _read(token: str, use: Purpose, services: Services) -> Claims:
    try:
        return services.tokens.read(token, use)
    except InvalidToken as error:
        raise unauthorised(f"this {use} token is not valid: {error}") from error


def _remaining(count: int, services: Services) -> int:
    limit = services.settings.rate_limit_per_hour
    if count > limit:
        wait_s = 3600 - int(time.time()) % 3600
        raise HTTPException(429, f"more than {limit} requests in this hour", headers={"Retry-After": str(wait_s)})
    return limit - count


async def _limit_email(email: str, services: Services) -> None:
    """Count a call that has no login yet against the e-mail it names."""
    _remaining(await services.accounts.admit(f"email:{email}") or 0, services)


@router.post("/register")
async def register(new: NewUser, services: Injected) -> User:
    """Make an account; 400 when the e-mail has one already."""
    await _limit_email(new.email, services)
    password_hash = await services.passwords.hashed(new.password)
    account = await services.accounts.register(email=new.email, full_name=new.full_name, password_hash=password_hash)
    if account is None:
        raise HTTPException(400, "this e-mail is registered already")
    return _user(account)


@router.post("/login")
async def log_in(credentials: Credentials, services: Injected) -> TokenPair:
    """Exchange e-mail and password for tokens."""
    await _limit_email(credentials.email, services)
    account = await services.accounts.by_email(credentials.email)
    matches = await services.passwords.matches(credentials.password, account.password if account else None)
    if account is None or not (matches or services.defects.accepts_any_password):
        raise unauthorised("e-mail or password is wrong")
    return _tokens(await services.accounts.open_session(account.id), services)


@router.post("/token", openapi_extra=_FORM_OF_CLIENTS)
async def client_credentials(request: Request, services: Injected) -> TokenPair:
    """OAuth2 client credentials, from a form body."""
    form = parse_qs((await request.body()).decode("utf-8", errors="replace"))
    given = {name: form.get(name, [""])[0] for name in ("grant_type", "client_id", "client_secret")}
    if given["grant_type"] not in {"", "client_credentials"}:
        raise HTTPException(400, "grant_type must be client_credentials")
    if not (given["client_id"] and given["client_secret"]):
        raise HTTPException(422, "client_id and client_secret are needed, in a form body")
    secrets = services.secrets
    known = hmac.compare_digest(given["client_id"].encode(), secrets.client_id.encode())
    if not (hmac.compare_digest(given["client_secret"].encode(), secrets.client_secret.encode()) and known):
        raise unauthorised("client_id or client_secret is wrong")
    return _tokens(await services.accounts.open_session(f"client:{secrets.client_id}"), services)


@router.get("/me")
async def read_me(caller: SignedIn, services: Injected) -> User:
    """The account of the caller."""
    if caller.subject.startswith("client:"):
        return User(id=caller.subject, email="", full_name=caller.subject, created_at_ns=0)
    account = await services.accounts.by_id(caller.subject)
    if account is None:
        raise unauthorised("this account is gone")
    return _user(account)


@router.delete("/me")
async def remove_me(caller: SignedIn, services: Injected) -> Deleted:
    """Remove the caller's account, logins and agents."""
    await services.accounts.remove(caller.subject)
    return Deleted()


@router.post("/refresh")
async def refresh(given: RefreshRequest, services: Injected) -> TokenPair:
    """Exchange the latest refresh token for new tokens; it is refused from then on."""
    claims = _read(given.refresh_token, "refresh", services)
    session = await services.accounts.rotate(claims.session, used_refresh_id=claims.token_id, subject=claims.subject)
    if session is None:
        raise unauthorised("this refresh token was used already, or the login is over")
    return _tokens(session, services)


@router.post("/logout")
async def log_out(caller: SignedIn, services: Injected) -> Message:
    """End this login: all its tokens are refused from then on."""
    await services.accounts.close_session(caller.session)
    return Message(message="logged out")


def _user(account: Account) -> User:
    return User(id=account.id, email=account.email, full_name=account.full_name, created_at_ns=account.created_at_ns)


def _tokens(session: Session, services: Services) -> TokenPair:
    tokens, subject = services.tokens, session.subject
    return TokenPair(
        access_token=tokens.issue("access", subject=subject, session=session.id),
        refresh_token=tokens.issue("refresh", subject=subject, session=session.id, token_id=session.refresh_id),
        expires_in=tokens.access_lifetime_s,
    )
