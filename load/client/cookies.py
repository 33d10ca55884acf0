"""Cookies by the rules of the standard library's jar, which is asked only when something can have changed."""

import re
import time
from http.cookiejar import Cookie, CookieJar
from urllib.request import Request

from load.client.encoding import Prepared
from load.client.headers import Headers

_KEPT = 1024
_NEVER_S = float("inf")
_FIELD = b"\r\nset-cookie:"
_SETS = re.compile(rb"\r\nset-cookie:[^\r]*\r", re.IGNORECASE)
_UNTIL = re.compile(rb"expires|max-age", re.IGNORECASE)


class WatchedJar(CookieJar):
    """A jar that knows whether anything was put in or taken out: `version` then differs."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0

    def set_cookie(self, cookie: Cookie) -> None:
        """Puts a cookie in, or in the place of its like."""
        super().set_cookie(cookie)
        self.version += 1

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Takes cookies out."""
        super().clear(domain, path, name)
        self.version += 1


class _Fields:
    """The header as the jar wants to see it."""

    def __init__(self, head: bytes) -> None:
        self._headers = Headers(head)

    def info(self) -> Headers:
        return self._headers


class Cookies:
    """The cookies of one user."""

    def __init__(self) -> None:
        self.jar = WatchedJar()
        self._lines: dict[str, bytes] = {}
        self._known: dict[str, list[bytes]] = {}
        self._version = 0
        self._expires_s = _NEVER_S
        self.may_expire = False
        """Whether some cookie has an end."""

    def line(self, request: Prepared) -> bytes:
        """The line of the header for this request; empty when there are none for it."""
        if self._version != self.jar.version or time.time() >= self._expires_s:
            self._forget()
        line = self._lines.get(request.url)
        if line is None:
            asking = Request(request.url)  # noqa: S310  # it is never opened; the jar reads host and path from it
            self.jar.add_cookie_header(asking)
            value = asking.get_header("Cookie")
            line = b"Cookie: %s\r\n" % value.encode("latin-1", "replace") if value else b""
            if len(self._lines) >= _KEPT:
                self._forget()
            self._lines[request.url] = line
        return line

    def _forget(self) -> None:
        self._lines.clear()
        self._known.clear()
        self._version = self.jar.version
        self._expires_s = min((cookie.expires for cookie in self.jar if cookie.expires), default=_NEVER_S)
        self.may_expire = self._expires_s < _NEVER_S

    def take(self, request: Prepared, head: bytes, fields: bytes) -> bool:
        """Takes over what the header of an answer sets; `fields` is the same header in small letters.

        The same lines again, which change nothing, are passed over. Returns whether these were others.
        """
        known = self._known.get(request.url)
        as_many = known is not None and self._version == self.jar.version and fields.count(_FIELD) == len(known)
        if known is not None and as_many and all(line in head for line in known):
            return False
        lines = _SETS.findall(head)
        asked = Request(request.url)  # noqa: S310  # it is never opened
        self.jar.extract_cookies(_Fields(head), asked)  # type: ignore[arg-type]  # of an answer it reads only this
        self._forget()
        if not any(_UNTIL.search(line) for line in lines):
            self._known[request.url] = lines
        return True
