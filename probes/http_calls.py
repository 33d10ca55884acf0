"""One HTTP call to the target with a short time-out, its failures told in the words of the harness."""

import ssl
from collections.abc import Mapping
from functools import cache

import httpx

from journal.errors import ProfileError, TargetUnreachable

TIMEOUT_S = 3.0


def call(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, object] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> httpx.Response:
    """The answer, whatever its status; certificates are verified and redirects are not followed.

    Raises:
        TargetUnreachable: no answer in `timeout_s`, or none that is HTTP.
        ProfileError: the URL is none.
    """
    try:
        return httpx.request(method, url, data=form, json=json, timeout=timeout_s, verify=_certificates())
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ProfileError(f"{url!r} is no URL that can be called: {error}") from error
    except httpx.TimeoutException as error:
        raise TargetUnreachable(f"{method} {url}: no answer within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise TargetUnreachable(f"{method} {url}: {error}") from error


@cache
def _certificates() -> ssl.SSLContext:
    """Reading the authorities takes some 20 ms of processor time, too much for each look at a target under load."""
    return httpx.create_ssl_context()
