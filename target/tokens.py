"""JSON Web Tokens: what is in them, how they are signed, and when they are refused."""

import secrets
import time
from dataclasses import dataclass
from typing import Literal

import jwt

Purpose = Literal["access", "refresh"]

REFRESH_LIFETIME_S = 86_400
_LEEWAY_S = 2  # between the clocks of two machines
_REQUIRED = ["exp", "sub", "sid", "jti", "use"]


class InvalidToken(Exception):
    """The token is not ours, has expired, or was made for another purpose."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Who the token speaks for, in which login (`session`), and which token it is (`token_id`)."""

    subject: str
    session: str
    token_id: str


class Tokens:
    """Issues and reads tokens signed with `key` (HMAC-SHA-256)."""

    def __init__(self, key: str, *, access_lifetime_s: int, look_at_signatures: bool = True) -> None:
        self._key = key
        self._look_at_signatures = look_at_signatures
        self.access_lifetime_s = access_lifetime_s

    def issue(self, use: Purpose, *, subject: str, session: str, token_id: str | None = None) -> str:
        """A token for `subject` in `session`."""
        now = int(time.time())
        lifetime_s = self.access_lifetime_s if use == "access" else REFRESH_LIFETIME_S
        claims = {
            "sub": subject,
            "sid": session,
            "jti": token_id or secrets.token_hex(8),
            "use": use,
            "iat": now,
            "exp": now + lifetime_s,
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str, use: Purpose) -> Claims:
        """The claims of a valid token; raises InvalidToken."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                leeway=_LEEWAY_S,
                options={"require": _REQUIRED, "verify_signature": self._look_at_signatures},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(str(error)) from error
        if claims["use"] != use:
            raise InvalidToken(f"this is no {use} token")
        return Claims(subject=claims["sub"], session=claims["sid"], token_id=claims["jti"])
