"""One HTTP call to the target with a short time-out, its failures told in the words of the harness."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import httpx

from journal.errors import Problem, ProfileError, TargetUnreachable

TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Trust:
    """How a target's certificate is judged; `ca_file` replaces the system's authorities."""

    verify: bool = True
    ca_file: str = ""


SYSTEM = Trust()


def call(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, object] | None = None,
    timeout_s: float = TIMEOUT_S,
    trust: Trust = SYSTEM,
) -> httpx.Response:
    """The answer, whatever its status; redirects are not followed.

    Raises:
        TargetUnreachable: no answer in `timeout_s`, or none that is HTTP.
        ProfileError: the URL is none, or the file of authorities cannot be read.
    """
    try:
        return httpx.request(
            method, url, data=form, json=json, timeout=timeout_s, verify=trust.verify and certificates(trust.ca_file)
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ProfileError(f"{url!r} is no URL that can be called: {error}") from error
    except httpx.TimeoutException as error:
        raise TargetUnreachable(f"{method} {url}: no answer within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise TargetUnreachable(f"{method} {url}: {error}") from error


@cache
def certificates(ca_file: str) -> ssl.SSLContext:
    """What a file of authorities vouches for; without one, the system's.

    Reading it takes some 20 ms of processor time, too much for each look at a target under load.

    Raises:
        ProfileError: it cannot be read, or holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()
    except OSError as error:  # a file that holds no certificates is an SSLError, which is one
        remedy = "name a PEM file of the authorities that signed the target's certificate"
        problem = Problem("profile: ca_file", f"{ca_file} cannot be read: {error.strerror or error}", remedy)
        raise ProfileError([problem]) from error
